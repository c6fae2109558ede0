package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// vain is why a request is told that nobody makes room for it; "": it is told nothing of that.
func vain(v *berth.Verdict) string {
	if v == nil {
		return ""
	}
	for _, r := range v.Reasons {
		if r.Code == berth.ReasonPreemption {
			return r.Detail
		}
	}
	return ""
}

// For whom others may have to make room, and nobody does, is told why: and who never fits, or has others make room, is not.
func TestPreempt_InVainIsTold(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*berth.Request)
		want berth.Vain
	}{
		{"others are as important", urgent(1000, 10), berth.VainPriority},
		{"of the same priority", func(q *berth.Request) { urgent(600, 10)(q) }, berth.VainPriority},
		{"too late", func(q *berth.Request) { urgent(1000, 50)(q); q.PendingLimitMS = 60_000 }, berth.VainLate},
		{"others never have to", func(q *berth.Request) { sized(1000, 5)(q) }, ""},
		{"never fits", urgent(2000, 10), ""},
		{"others make room", urgent(1000, 50), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				r.lives("w")
				for _, id := range []string{"a", "b"} {
					r.run(d, id, func(q *berth.Request) { sized(500, 10)(q); q.StopTimeoutMS = 300_000 })
					r.runs("w", id)
				}
				r.run(d, "now", tt.edit)
				r.passes(2 * time.Second)
				e, err := d.Explain(r.t.Context(), "now")
				r.ok(err)
				if got := vain(e.Verdict); got != string(tt.want) || e.Verdict.Reasons[0].Code == berth.ReasonPreemption {
					r.t.Errorf("told %q, want %q, of %+v", got, tt.want, e.Verdict)
				}
				stop()
			})
		})
	}
}

// Who had to make room itself has nobody make room before it has run again, and is told so, afterwards too.
func TestPreempt_FirstToRunIsTold(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.lives("w")
		r.run(d, "low", sized(500, 0))
		r.runs("w", "low")
		r.run(d, "victim", urgent(500, 10))
		r.runs("w", "victim")
		r.run(d, "top", urgent(500, 0))
		r.run(d, "now", urgent(1000, 50))
		for _, id := range []string{"low", "victim"} {
			r.exits("w", id)
		}
		r.passes(time.Second)
		e, err := d.Explain(r.t.Context(), "victim")
		r.ok(err)
		if got := vain(e.Verdict); got != string(berth.VainFirst) {
			r.t.Errorf("told %q, of %+v", got, e.Verdict)
		}
		e, err = d.ExplainAt(r.t.Context(), "victim", daemon.Moment{Revision: berth.Revision(r.revision())})
		r.ok(err)
		if got := vain(e.Verdict); got != string(berth.VainFirst) {
			r.t.Errorf("told of the past: %q, of %+v", got, e.Verdict)
		}
		stop()
	})
}

// A group that its tenant's quota has too little for is told of each dimension what it lacks for as many members as must be
// placed together, and of no more: with that, by what is used, it is placed.
func TestQuota_LeastThatUnblocksAGroup(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		r.worker("v")
		d, stop := r.daemon()
		set := func(cpu, memory int64) {
			_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{
				Tenant: "a", Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: cpu, berth.DimensionMemory: memory},
			})
			r.ok(err)
			r.passes(2 * time.Second)
		}
		set(250, 50<<20)
		r.run(d, "uses", func(q *berth.Request) { q.Tenant, q.Resources.CPUMilli, q.Resources.MemoryBytes = "a", 200, 40<<20 })
		g := r.group("g", 4, 2)
		g.Tenant, g.Resources.CPUMilli, g.Resources.MemoryBytes = "a", 100, 20<<20
		r.submitGroup(d, g)
		r.passes(time.Second)
		s, err := d.Group(r.t.Context(), "g")
		r.ok(err)
		next := make(berth.Amounts)
		for _, reason := range s.Verdict.Reasons {
			next[berth.Dimension(reason.Detail)] = reason.Stands.Used + reason.Want
		}
		if next[berth.DimensionCPU] != 400 || next[berth.DimensionMemory] != 80<<20 || len(next) != 2 {
			r.t.Fatalf("advised: %v, of %+v", next, s.Verdict)
		}
		set(399, 80<<20)
		if n := r.are("g.0", "g.1", "g.2", "g.3"); n != 0 {
			r.t.Errorf("%d members are placed with less", n)
		}
		set(400, 80<<20)
		if n := r.are("g.0", "g.1", "g.2", "g.3"); n != 2 {
			r.t.Errorf("%d members are placed, want 2", n)
		}
		stop()
	})
}
