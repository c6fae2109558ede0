package rules

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
)

// What waits is told which of its own tenant go first for they are older, apart from those of higher priority: in its pool,
// members of groups too, and none that never fits.
func TestFair_OlderAreTold(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		want := func(id berth.RequestID, own, older int, first berth.RequestID) {
			t.Helper()
			e, err := d.Explain(r.t.Context(), id)
			r.ok(err)
			if e.Turn == nil || e.Turn.Own != own || e.Turn.Older != older || e.Turn.OlderFirst != first {
				t.Errorf("%s: %+v, want %d of higher priority, and %d older, first %q", id, e.Turn, own, older, first)
			}
		}
		r.run(d, "full", slots("a", 10))
		r.run(d, "giant", slots("a", 11))
		for i := range 2 {
			r.run(d, fmt.Sprintf("a-%d", i), slots("a", 1))
		}
		g := r.whole("g", 2)
		g.Tenant = "a"
		g.Resources.CPUMilli = capacity.CPUMilli / 4
		r.submitGroup(d, g)
		r.run(d, "elsewhere", func(q *berth.Request) { slots("a", 1)(q); q.Pool = "other" })
		r.run(d, "b-0", slots("b", 1))
		r.run(d, "a-2", slots("a", 2))
		r.run(d, "urgent", func(q *berth.Request) { slots("a", 1)(q); q.Priority = 7 })
		want("a-0", 1, 0, "")
		want("a-1", 1, 1, "a-0")
		want("g.1", 1, 2, "a-0")
		want("a-2", 1, 4, "a-0")
		want("urgent", 0, 0, "")
		want("b-0", 0, 0, "")
		want("elsewhere", 0, 0, "")
		stop()
	})
}

// Who waits for others to make room gets that room, whoever is older.
func TestFair_OlderThanAClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.run(d, "low", func(q *berth.Request) { slots("a", 10)(q); q.Priority = 1 })
		r.runs("w", "low")
		for _, id := range []string{"older", "presses"} {
			r.run(d, id, func(q *berth.Request) {
				slots("a", 5)(q)
				q.Priority = 5
				if id == "presses" {
					q.Preemption = berth.PreemptionLower
				}
			})
		}
		e, err := d.Explain(r.t.Context(), "presses")
		r.ok(err)
		if len(e.Victims) != 1 || e.Turn.Older != 0 {
			t.Errorf("%+v, %+v", e.Victims, e.Turn)
		}
		if e, err = d.Explain(r.t.Context(), "older"); err != nil || e.Turn.Older != 0 {
			t.Errorf("%+v, %v", e.Turn, err)
		}
		stop()
	})
}
