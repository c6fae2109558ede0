package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A tenant has a part of one type of devices guaranteed, which another has borrowed and uses; of another type it may have as
// many as it likes, and no device of that ever comes free.

// lentTypes is a worker with two h100, both of which b uses, one of them borrowed of a; and an a100 that somebody without limits
// keeps. a waits so long for what it has lent; less than nothing: for ever.
func (r *rig) lentTypes(d *daemon.Daemon, after time.Duration) {
	r.t.Helper()
	h100, a100 := berth.DeviceDimension("h100"), berth.DeviceDimension("a100")
	for t, limits := range map[berth.TenantID]berth.Amounts{"a": {h100: 2000, a100: 2000}, "b": {h100: 2000}} {
		change := daemon.QuotaChange{Tenant: t, Pool: "default", All: true, Set: limits, Guarantee: berth.Amounts{h100: 1000}}
		if ms := after.Milliseconds(); t == "a" && after >= 0 {
			change.ReclaimAfterMS = &ms
		}
		_, err := d.SetQuota(r.t.Context(), change)
		r.ok(err)
	}
	r.run(d, "other", wants("c", "a100"))
	for _, id := range []string{"b0", "b1"} {
		r.run(d, id, wants("b", "h100"))
		r.passes(time.Second)
		r.runs("w", id)
	}
	r.runs("w", "other")
	r.passes(time.Second)
	if q := r.quota(d, "b"); q.Loans.Borrowed["a"][h100] != 1000 {
		r.t.Fatalf("b has borrowed %+v", q.Loans)
	}
}

// eachLentTypes does so with one to three daemons, for what a waits with: a request, or a group of one member; which names the
// type that is lent first, or last, or none.
func eachLentTypes(t *testing.T, after time.Duration, test func(r *rig, ds []*daemon.Daemon, x string)) {
	for name, types := range map[string][]string{"lent first": {"h100", "a100"}, "lent last": {"a100", "h100"}, "any": nil} {
		for _, what := range []string{"request", "group"} {
			for n := 1; n <= 3; n++ {
				t.Run(fmt.Sprint(name, " ", what, " ", n), func(t *testing.T) {
					bubble(t, func(r *rig) {
						defer r.livesWithDevices("w", "a100")()
						checked := r.checked()
						ds, stop := r.several(n)
						r.lentTypes(ds[0], after)
						x := "x"
						if what == "request" {
							r.run(ds[0], x, wants("a", types...))
						} else {
							g := r.group("x", 1, 1)
							wants("a", types...)(&g)
							r.submitGroup(ds[0], g)
							x = "x.0"
						}
						test(r, ds, x)
						stop()
						checked()
					})
				})
			}
		}
	}
}

// What it may have of another type keeps nobody from what is guaranteed to it: that is reclaimed.
func TestLoanTypes_Reclaimed(t *testing.T) {
	eachLentTypes(t, 30*time.Second, func(r *rig, ds []*daemon.Daemon, x string) {
		r.passes(25 * time.Second)
		if told := r.stoppedFor(berth.StopReclaim, "b0", "b1"); len(told) > 0 {
			r.t.Errorf("%v are told to stop before the time", told)
		}
		r.passes(10 * time.Second)
		told := r.stoppedFor(berth.StopReclaim, "b0", "b1")
		if len(told) != 1 {
			r.t.Fatalf("%v are told to stop, want one of b's: a %s, b %s", told, r.record("a"), r.record("b"))
		}
		r.stops(told...)
		r.passes(5 * time.Second)
		if r.are(x) != 1 {
			r.t.Errorf("it waits: %+v; a %s, b %s", r.state(ds[0], x).Verdict, r.record("a"), r.record("b"))
		}
		r.quiet()
	})
}

// Where nothing is reclaimed it comes back as what uses it ends, and the borrower's next waits.
func TestLoanTypes_EndedAndNotUsedAgain(t *testing.T) {
	eachLentTypes(t, -1, func(r *rig, ds []*daemon.Daemon, x string) {
		for i := range 3 {
			r.run(ds[i%len(ds)], fmt.Sprint("b", 2+i), wants("b", "h100"))
		}
		r.quiet()
		r.passes(time.Minute)
		r.exits("w", "b0")
		r.passes(5 * time.Second)
		if r.are(x) != 1 {
			r.t.Errorf("it waits: %+v; a %s, b %s", r.state(ds[0], x).Verdict, r.record("a"), r.record("b"))
		}
		r.quiet()
	})
}

// What waits for a worker, of which its quota had enough of each type when it was judged, keeps what is guaranteed to its tenant: who
// borrows that meanwhile gives it back before a device comes free.
func TestLoanTypes_LentWhileItWaits(t *testing.T) {
	for name, types := range map[string][]string{"lent first": {"h100", "a100"}, "lent last": {"a100", "h100"}, "any": nil} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "a100")()
					checked := r.checked()
					ds, stop := r.several(n)
					h100, a100 := berth.DeviceDimension("h100"), berth.DeviceDimension("a100")
					for tenant, g := range map[berth.TenantID]int64{"a": 1000, "b": 0} {
						_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{
							Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{h100: 2000, a100: 2000}, Guarantee: berth.Amounts{h100: g},
						})
						r.ok(err)
					}
					for id, kind := range map[string]string{"c0": "h100", "c1": "h100", "c2": "a100"} {
						r.run(ds[0], id, wants("c", kind))
						r.passes(time.Second)
						r.runs("w", id)
					}
					r.run(ds[0], "x", wants("a", types...))
					r.passes(20 * time.Second)
					r.run(ds[n-1], "b0", wants("b", "h100"))
					r.run(ds[0], "b1", func(q *berth.Request) { wants("b", "h100")(q); q.Priority = 1 })
					r.passes(time.Minute)
					r.quiet()
					r.exits("w", "c0")
					r.passes(20 * time.Second)
					if r.are("x") != 1 {
						t.Errorf("it waits: %+v; a %s, b %s", r.state(ds[0], "x").Verdict, r.record("a"), r.record("b"))
					}
					r.quiet()
					stop()
					checked()
				})
			})
		}
	}
}

// Of several that wait with different daemons, as many get something as comes back, and nothing is written meanwhile.
func TestLoanTypes_ForSeveral(t *testing.T) {
	for name, types := range map[string][]string{"lent first": {"h100", "a100"}, "any": nil} {
		for _, after := range []time.Duration{-1, 5 * time.Second} {
			t.Run(fmt.Sprint(name, " ", after), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "a100")()
					checked := r.checked()
					ds, stop := r.several(3)
					r.lentTypes(ds[0], after)
					all := ids("x", 8)
					for i, id := range all {
						r.run(ds[i%3], id, func(q *berth.Request) {
							wants("a", types...)(q)
							q.Priority = int32(i % 2) // some are alike
						})
					}
					r.quiet()
					r.run(ds[0], "b2", wants("b", "h100"))
					r.quiet()
					told := r.stoppedFor(berth.StopReclaim, "b0", "b1")
					if after >= 0 && len(told) != 1 {
						t.Fatalf("%v are told to stop", told)
					} else if after < 0 {
						told = []string{"b0"}
					}
					r.stops(told...)
					r.passes(5 * time.Second)
					if n := r.are(all...); n != 1 {
						t.Errorf("%d are placed of what one is guaranteed to: a %s, b %s", n, r.record("a"), r.record("b"))
					}
					r.quiet()
					stop()
					checked()
				})
			})
		}
	}
}

// Members of a group get what there is of one type, and the rest of what comes back.
func TestLoanTypes_GroupOfBoth(t *testing.T) {
	for name, types := range map[string][]string{"lent first": {"h100", "a100"}, "lent last": {"a100", "h100"}, "any": nil} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "a100", "a100")()
					checked := r.checked()
					ds, stop := r.several(n)
					r.lentTypes(ds[0], 20*time.Second)
					g := r.group("g", 2, 2)
					wants("a", types...)(&g)
					r.submitGroup(ds[0], g)
					r.passes(30 * time.Second)
					told := r.stoppedFor(berth.StopReclaim, "b0", "b1")
					r.stops(told...)
					r.passes(10 * time.Second)
					if r.are("g.0", "g.1") != 2 {
						t.Errorf("it waits, %v were told to stop: %+v; a %s, b %s", told, r.state(ds[0], "g.0").Verdict, r.record("a"), r.record("b"))
					}
					r.quiet()
					stop()
					checked()
				})
			})
		}
	}
}

// As many are stopped as all that wait so could have, and no more.
func TestLoanTypes_AsManyAsWait(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w", "h100", "h100", "a100")()
				checked := r.checked()
				d, stop := r.daemon()
				r.lentTypes(d, 20*time.Second)
				h100 := berth.DeviceDimension("h100")
				for tenant, g := range map[berth.TenantID]int64{"a": 4000, "b": 0} {
					_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: tenant, Pool: "default", Set: berth.Amounts{h100: 4000}, Guarantee: berth.Amounts{h100: g}})
					r.ok(err)
				}
				all := []string{"b0", "b1", "b2", "b3"}
				for _, id := range all[2:] {
					r.run(d, id, wants("b", "h100"))
					r.passes(time.Second)
					r.runs("w", id)
				}
				for i := range n {
					r.run(d, fmt.Sprint("x", i), wants("a", "a100", "h100"))
				}
				r.passes(40 * time.Second)
				told := r.stoppedFor(berth.StopReclaim, all...)
				if len(told) != n {
					t.Errorf("%v are told to stop for %d", told, n)
				}
				r.stops(told...)
				r.passes(5 * time.Second)
				if got := r.are("x0", "x1", "x2"); got != n {
					t.Errorf("%d of %d are placed", got, n)
				}
				r.quiet()
				stop()
				checked()
			})
		})
	}
}
