package scheduler_test

import (
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth/scheduler"
)

// running is a fleet with what was placed on it and has not ended.
type running struct {
	fleet *scheduler.Fleet
	live  []placement
}

// placeAsByForce places a candidate, which must go where a plain look at all workers puts it.
func (x *running) placeAsByForce(t *rapid.T, c scheduler.Candidate) {
	want := x.fleet.ByForce(c)
	c.Again = true // ByForce has learned it
	d := x.fleet.Place(c)
	if d.Worker != want {
		t.Fatalf("%+v on %q, by force on %q", c.Request, d.Worker, want)
	}
	if d.Verdict == nil {
		x.live = append(x.live, placement{d.Worker, d.Share})
	} else if diff := cmp.Diff(x.fleet.ExplainByForce(c), *d.Verdict); diff != "" {
		t.Fatalf("%+v (-by force +got):\n%s", c.Request, diff)
	}
}

// end ends something that runs.
func (x *running) end(t *rapid.T) {
	if len(x.live) == 0 {
		t.Skip("nothing runs")
	}
	i := rapid.IntRange(0, len(x.live)-1).Draw(t, "which")
	p := x.live[i]
	x.live = append(x.live[:i], x.live[i+1:]...)
	now := x.fleet.Worker(p.worker)
	if now == nil {
		return
	}
	w := *now
	if ledger, err := w.Ledger.Release(p.share); err == nil { // it may be another worker by now
		w.Ledger = ledger
		x.fleet.Put(w)
	}
}
