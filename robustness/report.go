package robustness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report sums up what seeds have shown.
type report struct {
	seeds     int
	simulated time.Duration
	fewest    int64 // faults that a seed had
	tally     Tally
}

func newReport() *report { return &report{tally: newTally()} }

func (r *report) add(s Result) {
	r.seeds++
	r.simulated += s.Simulated
	var faults int64
	for _, n := range s.Tally.faults {
		faults += n
	}
	if r.fewest == 0 || faults < r.fewest {
		r.fewest = faults
	}
	r.tally.add(s.Tally)
}

// figures tells how much was done, and how fast.
func (r *report) figures(took time.Duration) string {
	t, per := r.tally, took.Seconds()
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds in %s (%.2f a second): %.1f simulated hours, %d steps (%.0f a second)\n",
		r.seeds, took.Round(time.Second), float64(r.seeds)/per, r.simulated.Hours(), t.steps, float64(t.steps)/per)
	fmt.Fprintf(&b, "%d calls of the store, %d revisions, %d containers run, %d requests acknowledged, %d cancels; at least %d faults a seed\n",
		t.calls, t.revisions, t.starts, t.acked, t.cancelled, r.fewest)
	b.WriteString("faults:")
	for _, k := range slices.Sorted(maps.Keys(t.faults)) {
		fmt.Fprintf(&b, " %s %d,", k, t.faults[k])
	}
	for _, why := range slices.Sorted(maps.Keys(t.ends)) {
		fmt.Fprintf(&b, "\nended by itself %d times: %s", t.ends[why], why)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// met are the kinds of faults that meet a call.
var met = slices.Concat(springKinds, lastingKinds)

// table tells how often each kind of fault met each kind of call.
func (r *report) table() string {
	var b strings.Builder
	b.WriteString("| fault \\ call |")
	for _, c := range callKinds {
		fmt.Fprintf(&b, " %s |", c)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(callKinds)) + "\n")
	for _, k := range met {
		fmt.Fprintf(&b, "| %s |", k)
		for _, c := range callKinds {
			fmt.Fprintf(&b, " %d |", r.tally.hits[k][c])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// holes are the kinds of faults that were not met, by a kind of call or at all.
func (r *report) holes() []string {
	var out []string
	for _, k := range met {
		for _, c := range callKinds {
			if r.tally.hits[k][c] == 0 {
				out = append(out, fmt.Sprintf("%s at %s", k, c))
			}
		}
	}
	for _, k := range slices.Concat(met, otherKinds) {
		if r.tally.faults[k] == 0 {
			out = append(out, string(k))
		}
	}
	return out
}
