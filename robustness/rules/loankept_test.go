package rules

import (
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// lending is a worker that lives, a daemon, and tenants with limits of 900 and so much of that guaranteed.
func (r *rig) lending(test func(run func(id string, milli int64)), guaranteed map[berth.TenantID]int64) {
	r.t.Helper()
	_, kill := r.lives("w")
	defer kill()
	d, stop := r.daemon()
	for _, of := range []berth.TenantID{"a", "b", "c"} {
		r.guarantee(d, of, 900, guaranteed[of])
	}
	test(func(id string, milli int64) {
		r.run(d, id, some(berth.TenantID(id[:1]), milli))
		r.passes(time.Second)
	})
	stop()
}

// While something waits for what is guaranteed to its tenant, nothing of that is lent, though it is not enough yet, and
// others have waited for longer.
func TestLoan_OwnIsKept(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lending(func(run func(string, int64)) {
			run("b1", 100)
			run("b2", 120)
			run("c1", 150)
			run("a1", 300)
			r.ends("w", "b1")
			r.quiet()
			if r.located("a1", "c1") != 0 {
				t.Errorf("lent while its own tenant waits for it: %s", r.record("a"))
			}
			r.ends("w", "b2")
			r.quiet()
			if r.located("a1") != 1 || r.located("c1") != 0 {
				t.Errorf("placed are %d and %d", r.located("a1"), r.located("c1"))
			}
		}, map[berth.TenantID]int64{"a": 300})
	})
}

// Who has its turn keeps its own part until others have ended, and is lent that then; who waits behind it, even for what is
// there, is next.
func TestLoan_TurnKeepsItsPart(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lending(func(run func(string, int64)) {
			run("b1", 300)
			run("a1", 600)
			run("c1", 100)
			r.quiet()
			if r.located("a1", "c1") != 0 {
				t.Errorf("lent by who has its turn to who waits behind it: %s", r.record("a"))
			}
			r.ends("w", "b1")
			r.quiet()
			if r.located("a1") != 1 || r.located("c1") != 0 {
				t.Errorf("placed are %d and %d", r.located("a1"), r.located("c1"))
			}
			r.ends("w", "a1")
			r.quiet()
			if r.located("c1") != 1 {
				t.Error("the last one waits")
			}
		}, map[berth.TenantID]int64{"a": 300, "b": 300})
	})
}

// What is borrowed for a request is taken by the same transaction: before, another could want it back.
func TestLoan_TakenAtOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lending(func(run func(string, int64)) {
			run("b1", 200)
			if lent, taken := r.kv("tenants/a"), r.kv("tenants/b/d"); lent == nil || taken == nil || lent.ModRevision != taken.CreateRevision {
				t.Errorf("lent as %v, taken as %v", lent, taken)
			}
		}, map[berth.TenantID]int64{"a": 300})
	})
}

// Who has lent more than is guaranteed to it now, borrows as much more before it uses anything; to whom it has lent owes that to the
// other lender then.
func TestLoan_LentMoreThanGuaranteed(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.guarantee(d, "a", 900, 300)
		r.guarantee(d, "b", 900, 0)
		r.run(d, "b1", some("b", 200))
		r.passes(time.Second)
		r.guarantee(d, "c", 900, 300)
		r.guarantee(d, "a", 900, 100)
		r.run(d, "a1", some("a", 100))
		r.passes(time.Second)
		if rec := r.record("b"); r.located("a1") != 1 || !strings.Contains(rec, `"borrowed":{"c":{"cpu_milli":200}}`) {
			t.Errorf("%d is placed, by the record %s; b %s", r.located("a1"), r.record("a"), rec)
		}
		stop()
	})
}

// What was borrowed so that loans become rare goes back at once while another waits for it.
func TestLoan_SpareGoesBack(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lending(func(run func(string, int64)) {
			for _, id := range ids("b", 3) { // the third borrows as much as the first two have
				run(id, 100)
			}
			if rec := r.record("b"); !strings.Contains(rec, `"borrowed":{"a":{"cpu_milli":400}}`) {
				t.Fatalf("the record of b is %s", rec)
			}
			run("c1", 200)
			if r.located("c1") != 1 {
				t.Errorf("waits for what b has borrowed and does not use: %s", r.record("b"))
			}
		}, map[berth.TenantID]int64{"a": 500})
	})
}

// Who has been lent something waits behind all others with what it waits for besides.
func TestLoan_TurnsGoRound(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lending(func(run func(string, int64)) {
			run("c1", 300)
			for _, id := range []string{"a1", "b1", "a2", "b2"} {
				run(id, 400+int64(id[1]))
			}
			for _, id := range []string{"a1", "b1", "a2", "b2"} {
				r.quiet()
				if r.located(id) != 1 {
					t.Fatalf("%s has not its turn: a %s, b %s", id, r.record("a"), r.record("b"))
				}
				r.ends("w", id)
			}
		}, map[berth.TenantID]int64{"a": 300, "b": 300, "c": 300})
	})
}
