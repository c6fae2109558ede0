package chaos_test

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"testing"
)

// run is one container, by its own account.
type run struct {
	id      string
	attempt int64
	worker  string
	start   int64 // CLOCK_BOOTTIME, ns; 0: none was written
	end     int64 // 0: it was killed
	twice   bool  // it met another one
}

// readTrace reads what the containers wrote: each one's lines in order, for a
// pid may come again.
func readTrace(path string) ([]run, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // read only
	type one struct {
		id      string
		attempt int64
		pid     int
	}
	at := map[one]int{}
	var out []run
	for in := bufio.NewScanner(file); in.Scan(); {
		var what string
		var pid int
		var when int64
		var r run
		if _, err := fmt.Sscanf(in.Text(), "%s %d %d %s %d %s", &what, &pid, &when, &r.id, &r.attempt, &r.worker); err != nil {
			return nil, fmt.Errorf("trace: %q: %w", in.Text(), err)
		}
		key := one{r.id, r.attempt, pid}
		switch what {
		case "start", "twice":
			r.start, r.twice = when, what == "twice"
			at[key] = len(out)
			out = append(out, r)
		case "end":
			i, ok := at[key]
			if !ok {
				return nil, fmt.Errorf("trace: an end without a start: %q", in.Text())
			}
			out[i].end = when
		}
	}
	return out, nil
}

// overlaps tells of each request whose runs are not one after the other, each
// of an attempt of its own.
func overlaps(all []run) []string {
	var out []string
	byID := map[string][]run{}
	for _, r := range all {
		if r.twice {
			out = append(out, fmt.Sprintf("%s attempt %d on %s met another container of its request", r.id, r.attempt, r.worker))
		}
		byID[r.id] = append(byID[r.id], r)
	}
	for id, runs := range byID {
		slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.start, b.start) })
		for i := 1; i < len(runs); i++ {
			a, b := runs[i-1], runs[i]
			switch {
			case a.attempt == b.attempt:
				out = append(out, fmt.Sprintf("%s attempt %d was started twice, on %s and on %s", id, a.attempt, a.worker, b.worker))
			case a.attempt > b.attempt:
				out = append(out, fmt.Sprintf("%s attempt %d began after attempt %d", id, b.attempt, a.attempt))
			case a.end > b.start:
				out = append(out, fmt.Sprintf("%s attempt %d on %s ended after attempt %d began on %s", id, a.attempt, a.worker, b.attempt, b.worker))
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	first := run{id: "r", attempt: 1, worker: "a", start: 10, end: 20}
	tests := []struct {
		name   string
		second run
		want   int
	}{
		{"one after the other", run{id: "r", attempt: 2, worker: "b", start: 20, end: 30}, 0},
		{"of another request", run{id: "s", attempt: 1, worker: "b", start: 15, end: 30}, 0},
		{"at once", run{id: "r", attempt: 2, worker: "b", start: 19, end: 30}, 1},
		{"the same attempt", run{id: "r", attempt: 1, worker: "a", start: 21}, 1},
		{"a former attempt", run{id: "r", attempt: 0, worker: "a", start: 21}, 1},
		{"it met another", run{id: "r", attempt: 2, worker: "b", start: 25, twice: true}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := overlaps([]run{first, tt.second}); len(got) != tt.want {
				t.Errorf("%v, want %d", got, tt.want)
			}
		})
	}
}
