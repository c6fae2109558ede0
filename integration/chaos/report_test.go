package chaos_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// outcome is what a run showed.
type outcome struct {
	Seed            uint64         `json:"seed"`
	Seconds         float64        `json:"seconds"` // of load
	Faults          []fault        `json:"faults"`
	MeanAtOnce      float64        `json:"mean_faults_at_once"`
	MostAtOnce      int            `json:"most_faults_at_once"`
	Accepted        int            `json:"accepted"`
	Groups          int            `json:"groups_accepted"`
	Cancelled       int            `json:"cancel_acknowledged"`
	Ended           map[string]int `json:"ended"`    // by state
	Attempts        map[string]int `json:"attempts"` // requests by attempts they took
	LivesPerSecond  float64        `json:"lives_per_second"`
	Started         int            `json:"containers_started"`
	Killed          int            `json:"containers_killed"` // that wrote no end
	Later           int64          `json:"answers_later"`
	Unanswered      int64          `json:"calls_unanswered"`
	SlowestSubmit   float64        `json:"slowest_acknowledgement_seconds"`
	SlowestTries    []try          `json:"slowest_acknowledgement_tries"`
	SettledSeconds  float64        `json:"settled_seconds"` // from the last mending until nothing was left
	BrakesEngaged   int            `json:"brakes_engaged"`  // as the daemons told
	BrakesReleased  int            `json:"brakes_released"` // by themselves, or by the test
	BrakeByTest     bool           `json:"brake_released_by_test"`
	Revisions       int            `json:"revisions_checked"`
	RevisionsUnseen int64          `json:"revisions_unseen"`
	Fsck            []string       `json:"fsck_watch"` // the last line of each member's
	EndedAlone      []string       `json:"ended_alone"`
	Violations      []string       `json:"violations"`
}

// overlap is how many faults were at once.
func (o *outcome) overlap() {
	type step struct {
		at time.Duration
		by int
	}
	var steps []step
	var sum, first, last time.Duration
	for i, f := range o.Faults {
		steps = append(steps, step{f.Began, 1}, step{f.Ended, -1})
		sum += f.Ended - f.Began
		last = max(last, f.Ended)
		if i == 0 || f.Began < first {
			first = f.Began
		}
	}
	slices.SortFunc(steps, func(a, b step) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.by - b.by
	})
	now := 0
	for _, s := range steps {
		now += s.by
		o.MostAtOnce = max(o.MostAtOnce, now)
	}
	if last > first {
		o.MeanAtOnce = float64(sum) / float64(last-first)
	}
}

// table is the outcome for a person, in Markdown.
func (o *outcome) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintln(w, " fault\t done\t failed\t mean s\t longest s")
	for _, k := range kinds {
		var n, failed int
		var sum, most time.Duration
		for _, f := range o.Faults {
			if f.Kind != k.kind {
				continue
			}
			if f.Error != "" {
				failed++
				continue
			}
			n++
			sum += f.Ended - f.Began
			most = max(most, f.Ended-f.Began)
		}
		fmt.Fprintf(w, " %s\t %d\t %d\t %.1f\t %.1f\n", k.kind, n, failed, sum.Seconds()/float64(max(n, 1)), most.Seconds())
	}
	w.Flush()
	fmt.Fprintf(&b, "%d faults, %.1f at once, %d at most\n", len(o.Faults), o.MeanAtOnce, o.MostAtOnce)
	fmt.Fprintf(&b, "%d requests and %d groups accepted in %.0f s, %.1f whole lives a second; ended: %v; %d cancels acknowledged\n", o.Accepted, o.Groups, o.Seconds, o.LivesPerSecond, o.Ended, o.Cancelled)
	fmt.Fprintf(&b, "attempts that they took: %v; containers: %d started, %d of them killed\n", o.Attempts, o.Started, o.Killed)
	fmt.Fprintf(&b, "the client: %d times told later, %d calls without an answer, slowest acknowledgement %.1f s\n", o.Later, o.Unanswered, o.SlowestSubmit)
	fmt.Fprintf(&b, "settled %.1f s after the last fault; %d revisions checked, %d compacted unseen\n", o.SettledSeconds, o.Revisions, o.RevisionsUnseen)
	fmt.Fprintf(&b, "brakes: %d engaged, %d released, by the test at the end: %t\n", o.BrakesEngaged, o.BrakesReleased, o.BrakeByTest)
	for i, line := range o.Fsck {
		fmt.Fprintf(&b, "fsck --watch at member %d: %s\n", i, line)
	}
	fmt.Fprintf(&b, "processes that ended by themselves: %d\n", len(o.EndedAlone))
	fmt.Fprintf(&b, "violations: %d\n", len(o.Violations))
	return b.String()
}

func (o *outcome) write(path string) error {
	b, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}
