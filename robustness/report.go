package robustness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report sums up what seeds have shown. Processes that share seeds hand it over
// as JSON.
type report struct {
	Seeds     int
	Repeated  int // seeds that were run a second time
	Simulated time.Duration
	Fewest    int64 // faults that a seed had
	Tally     Tally
}

func newReport() *report { return &report{Tally: newTally()} }

// seed adds what one has shown.
func (r *report) seed(s Result) {
	var faults int64
	for _, n := range s.Tally.Faults {
		faults += n
	}
	r.add(&report{Seeds: 1, Simulated: s.Simulated, Fewest: faults, Tally: s.Tally})
}

// add adds what another has summed up.
func (r *report) add(o *report) {
	if r.Seeds == 0 || o.Seeds > 0 && o.Fewest < r.Fewest {
		r.Fewest = o.Fewest
	}
	r.Seeds += o.Seeds
	r.Repeated += o.Repeated
	r.Simulated += o.Simulated
	r.Tally.add(o.Tally)
}

// figures tells how much was done, and how fast.
func (r *report) figures(took time.Duration) string {
	t, per := r.Tally, took.Seconds()
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds in %s (%.2f a second), %d of them twice: %.1f simulated hours, %d steps (%.0f a second)\n",
		r.Seeds, took.Round(time.Second), float64(r.Seeds+r.Repeated)/per, r.Repeated, r.Simulated.Hours(), t.Steps, float64(t.Steps)/per)
	fmt.Fprintf(&b, "%d calls of the store, %d revisions, %d containers run, %d requests acknowledged (%d placed before their daemon knew everything), %d cancels, %d claims, room made for groups %d times, and %d attempts that ended for either, %d that gave back what was lent, %d quotas and %d settings of the pool set, %d placements replayed (for %d not enough is kept), and of %d who made room for them chosen again (for %d not enough is kept); at least %d faults a seed\n",
		t.Calls, t.Revisions, t.Starts, t.Acked, t.Early, t.Cancelled, t.Claims, t.Rooms, t.Preempted, t.Reclaimed, t.Limits, t.Settings, t.Replays, t.Unreplayed, t.Chosen, t.Unchosen, r.Fewest)
	b.WriteString("faults:")
	for _, k := range slices.Sorted(maps.Keys(t.Faults)) {
		fmt.Fprintf(&b, " %s %d,", k, t.Faults[k])
	}
	for _, why := range slices.Sorted(maps.Keys(t.Ends)) {
		fmt.Fprintf(&b, "\nended by itself %d times: %s", t.Ends[why], why)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// table tells how often each kind of fault met each kind of call.
func (r *report) table() string {
	var b strings.Builder
	b.WriteString("| fault \\ call |")
	for _, c := range callKinds {
		fmt.Fprintf(&b, " %s |", c)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(callKinds)) + "\n")
	for _, k := range metKinds {
		fmt.Fprintf(&b, "| %s |", k)
		for _, c := range callKinds {
			fmt.Fprintf(&b, " %d |", r.Tally.Hits[k][c])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// holes are the kinds of faults that were not met, by a kind of call or at all.
func (r *report) holes() []string {
	var out []string
	for _, k := range metKinds {
		for _, c := range callKinds {
			if r.Tally.Hits[k][c] == 0 {
				out = append(out, fmt.Sprintf("%s at %s", k, c))
			}
		}
	}
	for _, k := range slices.Concat(metKinds, otherKinds, []FaultKind{FaultDaemons}) {
		if r.Tally.Faults[k] == 0 {
			out = append(out, string(k))
		}
	}
	if r.Tally.Early == 0 {
		out = append(out, "a placement by a daemon that was still loading")
	}
	return out
}
