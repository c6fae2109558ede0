package rules

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
)

// What was stopped for a lender waits again, and borrows of a third tenant what the lender counted on: then the next
// has to be stopped, after as long again. So a lender wants all that it lacks back of
// who has borrowed it.
func TestReclaim_CountsOnNoThirdTenant(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				ds, stop := r.several(n)
				r.guarantee(ds[0], "a", 900, 0)
				r.reclaimsAfter(ds[0], "b", 410, 410, 30*time.Second)
				all := ids("a", 4)
				for _, id := range all {
					r.run(ds[n-1], id, some("a", 100))
					r.passes(20 * time.Second)
					r.runs("w", id)
				}
				r.guarantee(ds[0], "c", 350, 350)
				r.run(ds[0], "b0", some("b", 410))
				r.passes(32 * time.Second)
				stopped := 0
				for range 5 { // as long as it takes them to end
					for _, id := range all {
						switch a, _ := r.allocation("w", id); {
						case a == nil:
						case a.Stop != nil:
							stopped++
							r.stops(id)
						case a.StartedAt.IsZero() && a.State != "RUNNING":
							r.runs("w", id)
						}
					}
					r.passes(time.Second)
				}
				if r.located("b0") != 1 {
					t.Errorf("not placed when its time was over and %d were stopped: a %s, b %s, c %s", stopped, r.record("a"), r.record("b"), r.record("c"))
				}
				stop()
			})
		})
	}
}

// A reclaim that stopped what was placed again at once, by a loan of what the lender counted on; so the lender waited twice as long
// as it had said. A model found it.
func TestReclaim_ModelFound(t *testing.T) {
	deeds := []deed{
		{kind: "run", tenant: "b", by: 2, amount: 15},
		{kind: "submit", tenant: "a", by: 2, amount: 25, soon: true},
		{kind: "submit", tenant: "a", by: 0, amount: 10},
		{kind: "run", tenant: "c", by: 0, amount: 25},
		{kind: "reclaim", tenant: "c", by: 2, amount: 8, soon: true},
		{kind: "submit", tenant: "a", by: 2, amount: 12, soon: true},
		{kind: "submit", tenant: "a", by: 2, amount: 12},
		{kind: "run", tenant: "b", by: 0, amount: 12, soon: true},
		{kind: "reclaim", tenant: "a", by: 2, amount: 25, soon: true},
		{kind: "restart", tenant: "a", by: 0, amount: 15, soon: true},
		{kind: "submit", tenant: "c", by: 2, amount: 8, soon: true},
		{kind: "run", tenant: "c", by: 1, amount: 20},
		{kind: "submit", tenant: "b", by: 0, amount: 25, soon: true},
		{kind: "reclaim", tenant: "c", by: 1, amount: 10},
	}
	synctest.Test(t, func(t *testing.T) {
		if wrong := loanModel(t, deeds, true); wrong != "" {
			t.Error(wrong)
		}
	})
}

// Two waited for what a third had idle, enough for both: one had quota gathered for it and was to give something back to the other, so
// that was kept beyond what it needed, and neither got anything until it let others go first, a minute later. A model found it; in
// which order the daemons looked decided whether it came to that.
func TestLoan_NothingKeptForWhatGoesBack(t *testing.T) {
	deeds := []deed{
		{kind: "submit", tenant: "c", by: 1, amount: 10, soon: true},
		{kind: "run", tenant: "b", by: 2, amount: 15, soon: true},
		{kind: "submit", tenant: "a", by: 2, amount: 20, soon: true},
		{kind: "submit", tenant: "b", by: 0, amount: 25, soon: true},
		{kind: "submit", tenant: "a", by: 1, amount: 12},
		{kind: "submit", tenant: "b", by: 1, amount: 25},
		{kind: "run", tenant: "c", by: 2, amount: 10},
		{kind: "submit", tenant: "b", by: 0, amount: 10, soon: true},
		{kind: "submit", tenant: "a", by: 0, amount: 12},
	}
	for range 12 {
		synctest.Test(t, func(t *testing.T) {
			if wrong := loanModel(t, deeds, true); wrong != "" {
				t.Error(wrong)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// What was older, and had let others go first, waited for its turn of a loan again with one daemon while a younger one of its tenant's had
// its turn with another: it took that away, lost it to another tenant's that had waited for longer, and so did that, for ever. A model found it.
func TestLoan_TurnStaysWithItsTenant(t *testing.T) {
	deeds := []deed{
		{kind: "guarantee", tenant: "c", by: 0, amount: 12},
		{kind: "cancel", tenant: "b", by: 2, amount: 5},
		{kind: "submit", tenant: "a", by: 1, amount: 12, soon: true},
		{kind: "reclaim", tenant: "a", by: 1, amount: 10},
		{kind: "submit", tenant: "b", by: 2, amount: 20, soon: true},
		{kind: "submit", tenant: "b", by: 0, amount: 8, soon: true},
		{kind: "submit", tenant: "a", by: 1, amount: 20, soon: true},
		{kind: "submit", tenant: "c", by: 1, amount: 20},
		{kind: "submit", tenant: "c", by: 0, amount: 25, soon: true},
		{kind: "submit", tenant: "b", by: 1, amount: 8, soon: true},
		{kind: "submit", tenant: "b", by: 2, amount: 12, soon: true},
		{kind: "restart", tenant: "b", by: 1, amount: 20},
		{kind: "submit", tenant: "b", by: 0, amount: 5},
		{kind: "cancel", tenant: "a", by: 1, amount: 25, soon: true},
		{kind: "submit", tenant: "a", by: 1, amount: 5},
		{kind: "run", tenant: "a", by: 0, amount: 12, soon: true},
		{kind: "submit", tenant: "c", by: 2, amount: 20},
		{kind: "run", tenant: "c", by: 1, amount: 10},
		{kind: "submit", tenant: "a", by: 2, amount: 8},
		{kind: "guarantee", tenant: "a", by: 1, amount: 12, soon: true},
	}
	rests := time.AfterFunc(20*time.Second, func() { panic("it does not come to rest") })
	defer rests.Stop()
	synctest.Test(t, func(t *testing.T) {
		if wrong := loanModel(t, deeds, true); wrong != "" {
			t.Error(wrong)
		}
	})
}

// Who uses more than it has, for less is guaranteed to it than was, is stopped nothing for a lender that wants nothing back of it.
func TestReclaim_NotOfWhomNothingIsWantedBack(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.reclaimsAfter(d, "a", 700, 300, 0)
		r.guarantee(d, "b", 500, 300)
		r.guarantee(d, "c", 800, 400)
		all := []string{"b0", "b1", "c0", "c1"}
		for i, cores := range []int64{300, 120, 250, 250} {
			r.run(d, all[i], some(berth.TenantID(all[i][:1]), cores))
			r.passes(2 * time.Second)
			r.runs("w", all[i])
		}
		r.guarantee(d, "c", 480, 360)
		r.run(d, "a0", some("a", 100))
		r.passes(2 * time.Second)
		if told := r.stoppedFor(berth.StopReclaim, all...); len(told) != 1 || told[0][0] != 'b' {
			t.Errorf("told %v: a %s, b %s, c %s", told, r.record("a"), r.record("b"), r.record("c"))
		}
		stop()
	})
}
