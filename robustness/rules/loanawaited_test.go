package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// awaitedBy is what a tenant of a test has submitted: a group of so many, or a request by itself.
type awaitedBy struct {
	size int64
	edit func(*berth.Request)
}

// submits submits that for a tenant, as large as a worker of which it may have two.
func (a *awaitedBy) submits(r *rig, d *daemon.Daemon) {
	r.t.Helper()
	s := r.submission("g").Spec
	if a.size > 0 {
		s = r.group("g", a.size, a.size)
	}
	s.Tenant, s.StartTimeoutMS, s.Resources.CPUMilli = "a", 3_600_000, 800
	if a.edit != nil {
		a.edit(&s)
	}
	r.submitGroup(d, s)
	r.passes(time.Second)
}

// onGPUs has something go to workers that have a device, which others use.
func onGPUs(q *berth.Request) {
	q.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice, Types: []string{"h100"}}}
}

// awaiting are two workers with a device each that others use, and one without, so many daemons, and tenants a and b, to whom 1600 and
// nothing are guaranteed.
func (r *rig) awaiting(daemons int, test func(d *daemon.Daemon)) {
	r.t.Helper()
	defer r.livesWithOnly("g0", "h100")()
	defer r.livesWithOnly("g1", "h100")()
	_, kill := r.lives("w")
	defer kill()
	ds, stop := r.several(daemons)
	defer stop()
	d := ds[0]
	r.guarantee(d, "a", 3000, 1600)
	r.guarantee(d, "b", 3000, 0)
	for i := range 2 {
		r.run(d, fmt.Sprint("holds", i), func(q *berth.Request) { of("c")(q); q.Resources.CPUMilli = 100; onGPUs(q) })
	}
	r.passes(time.Second)
	test(d)
}

// What is guaranteed to a tenant, and a group of it, or a request, has that waits for workers, is lent to nobody, however long it waits: when the
// workers are there so is its quota. What it does not need is lent, and so is all where no worker could ever take it.
func TestLoan_AwaitedIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		waits awaitedBy
		lent  int64 // that b borrows beside it
		lends bool  // all
	}{
		"a group":                            {awaitedBy{2, onGPUs}, 0, false},
		"a group that needs less":            {awaitedBy{2, func(q *berth.Request) { onGPUs(q); q.Resources.CPUMilli = 500 }}, 600, false},
		"a request":                          {awaitedBy{0, onGPUs}, 800, false},
		"a group too many for the workers":   {awaitedBy{3, func(q *berth.Request) { onGPUs(q); q.Resources.CPUMilli = 500 }}, 0, true},
		"a group apart over too few workers": {awaitedBy{4, func(q *berth.Request) { apartFromEachOther(q); q.Resources.CPUMilli = 400 }}, 0, true},
	} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprint(name, ", daemons: ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					r.awaiting(n, func(d *daemon.Daemon) {
						c.waits.submits(r, d)
						if c.lent > 0 {
							r.run(d, "some", some("b", c.lent))
							r.mustRun(time.Minute, "some")
						}
						r.run(d, "more", some("b", 150))
						r.passes(3 * time.Minute)
						if got := r.are("more") == 1; got != c.lends {
							t.Errorf("lent: %v, want %v: a %s", got, c.lends, r.record("a"))
						}
						if !c.lends && !t.Failed() {
							r.isAwaitedFor(d)
						}
					})
				})
			})
		}
	}
}

// isAwaitedFor checks that who would borrow is told for whom that is not lent, and that this is placed when its workers are there.
func (r *rig) isAwaitedFor(d *daemon.Daemon) {
	r.t.Helper()
	e, err := d.Explain(r.t.Context(), "more")
	r.ok(err)
	if s := e.Verdict.Reasons[0].Stands; s == nil || !slices.Equal(s.Keeping, []berth.TenantID{"a"}) {
		r.t.Errorf("the borrower is told %+v", e.Verdict)
	}
	r.leave("holds0", "holds1")
	if r.are("g", "g.0", "g.1") == 0 {
		r.t.Errorf("it waits beside idle workers: a %s", r.record("a"))
	}
}

// leave lets what is placed end, on whichever workers.
func (r *rig) leave(ids ...string) {
	r.t.Helper()
	for _, k := range r.held() {
		if w, id, _ := strings.Cut(k, "/"); slices.Contains(ids, id) {
			r.ends(w, id)
		}
	}
	r.passes(3 * time.Second)
}

// So is what all of its groups need that wait for workers, and not the first alone: each has its quota when its workers are there.
func TestLoan_AwaitedByAll(t *testing.T) {
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprint("daemons: ", n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.awaiting(n, func(d *daemon.Daemon) {
					for _, id := range []string{"g", "h"} {
						g := r.group(id, 2, 2)
						some("a", 400)(&g)
						onGPUs(&g)
						r.submitGroup(d, g)
					}
					r.passes(time.Second)
					r.run(d, "more", some("b", 150))
					r.passes(time.Minute)
					if r.are("more") > 0 {
						t.Errorf("lent while groups wait that need it: a %s", r.record("a"))
					}
					for _, ended := range [][]string{{"holds0", "holds1"}, {"g.0", "g.1", "h.0", "h.1"}} {
						r.leave(ended...)
						if r.are("g.0", "g.1", "h.0", "h.1") != 2 {
							t.Errorf("groups wait beside idle workers: %v, a %s", r.held(), r.record("a"))
							return
						}
					}
				})
			})
		})
	}
}

// When what has waited for a worker is cancelled, or no worker could ever take it any more, what it kept is lent.
func TestLoan_AwaitedNoMore(t *testing.T) {
	gone := func(workers ...string) func(*rig, *daemon.Daemon) {
		return func(r *rig, _ *daemon.Daemon) {
			for _, w := range workers {
				r.remove("workers/" + w)
			}
		}
	}
	for name, c := range map[string]struct {
		waits awaitedBy
		ends  func(r *rig, d *daemon.Daemon)
	}{
		"a group is cancelled": {awaitedBy{2, onGPUs}, func(r *rig, d *daemon.Daemon) {
			_, err := d.CancelGroup(r.t.Context(), "g", "")
			r.ok(err)
		}},
		"a request is cancelled": {awaitedBy{0, onGPUs}, func(r *rig, d *daemon.Daemon) {
			_, err := d.Cancel(r.t.Context(), "g", "")
			r.ok(err)
		}},
		"a worker of a group is gone":       {awaitedBy{2, onGPUs}, gone("g1")},
		"the workers of a request are gone": {awaitedBy{0, onGPUs}, gone("g0", "g1")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.awaiting(1, func(d *daemon.Daemon) {
					c.waits.submits(r, d)
					r.run(d, "more", some("b", 900))
					r.passes(time.Minute)
					r.guarantee(d, "e", 50, 50) // all who wait for loans are looked at, for the last time
					r.passes(time.Minute)
					if r.are("more") > 0 {
						t.Fatalf("lent while it waits: %s", r.record("a"))
					}
					c.ends(r, d)
					r.mustRun(time.Minute, "more")
				})
			})
		})
	}
}
