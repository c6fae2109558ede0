package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

func service(q *berth.Request) {
	sized(1000, 0)(q)
	q.OnDrain, q.Retry.MaxAttempts = berth.OnDrainReplace, 1
}

// eachService tests with one daemon and with three: a service runs on a, and b is there.
func eachService(t *testing.T, test func(r *rig, ds []*daemon.Daemon)) {
	t.Helper()
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n, " daemons"), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(n)
				_, kill := r.lives("a")
				r.run(ds[0], "svc", service)
				r.runs("a", "svc")
				_, killB := r.lives("b")
				r.passes(time.Second)
				test(r, ds)
				stop()
				checked()
				kill()
				killB()
			})
		})
	}
}

func (r *rig) drains(d *daemon.Daemon, w berth.WorkerID, wish daemon.Wish) {
	r.t.Helper()
	_, err := d.SetIntent(r.t.Context(), w, wish)
	r.ok(err)
	r.passes(time.Second)
}

func (r *rig) cancels(d *daemon.Daemon, id berth.RequestID) {
	r.t.Helper()
	_, err := d.Cancel(r.t.Context(), id, "")
	r.ok(err)
	r.passes(time.Second)
}

// living are the requests that have not ended, in order, whose ids begin so.
func (r *rig) living(prefix string) (ids []string) {
	r.t.Helper()
	resp, err := r.client.Get(r.t.Context(), "/berth/requests/"+prefix, clientv3.WithPrefix())
	r.ok(err)
	for _, kv := range resp.Kvs {
		ids = append(ids, strings.TrimPrefix(string(kv.Key), "/berth/requests/"))
	}
	return ids
}

func (r *rig) wantLiving(when string, want ...string) {
	r.t.Helper()
	if got := r.living("svc"); !slices.Equal(got, want) {
		r.t.Errorf("%s: %v have not ended, want %v", when, got, want)
	}
}

// runsOn says that nobody has told the service to stop.
func (r *rig) runsOn(when, w, id string) {
	r.t.Helper()
	if a, _ := r.allocation(w, id); a == nil || a.State != berth.StateRunning || a.Stop != nil {
		r.t.Fatalf("%s: the service is %+v, want it to run on", when, a)
	}
}

// handsOver has the successor run, for which alone the original is told to stop, and for good.
func (r *rig) handsOver(d *daemon.Daemon, from, id, to string, by berth.RequestID) {
	r.t.Helper()
	r.runs(to, string(by))
	r.passes(time.Second)
	if a, _ := r.allocation(from, id); a == nil || a.Stop == nil || a.Stop.ReplacedBy != by {
		r.t.Fatalf("%s runs, and the original is %+v", by, a)
	}
	r.exits(from, id)
	r.passes(time.Second)
	if s := r.state(d, id); s.Reason != berth.EndReplaced || s.ReplacedBy != by {
		r.t.Errorf("the original has ended: %+v", s)
	}
}

// A drain that was taken back leaves a successor that was cancelled. The next drain makes
// another, and the service runs on until that does, whether there is room for it or not.
func TestReplace_DrainedAgain(t *testing.T) {
	for name, room := range map[string]bool{"room": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			eachService(t, func(r *rig, ds []*daemon.Daemon) {
				r.run(ds[0], "x", sized(1000, 0))
				r.drains(ds[0], "a", daemon.Wish{Drain: true})
				r.wantLiving("drained", "svc", "svc.r2")
				r.drains(ds[0], "a", daemon.Wish{})
				r.wantLiving("taken back", "svc")
				if room {
					r.cancels(ds[0], "x")
				}
				r.drains(ds[len(ds)-1], "a", daemon.Wish{Drain: true})
				r.runsOn("drained again", "a", "svc")
				r.wantLiving("drained again", "svc", "svc.r3")
				r.passes(10 * time.Minute)
				if !room {
					r.runsOn("without room", "a", "svc")
					r.cancels(ds[0], "x")
				}
				r.handsOver(ds[0], "a", "svc", "b", "svc.r3")
			})
		})
	}
}

// failsFor has each successor fail that is placed on b, for so long, and returns when each came.
func (r *rig) failsFor(most time.Duration) (at []time.Duration) {
	r.t.Helper()
	for began := time.Now(); time.Since(began) < most; r.passes(250 * time.Millisecond) {
		for _, k := range r.held() {
			if w, id, _ := strings.Cut(k, "/"); w == "b" {
				at = append(at, time.Since(began))
				r.cannotStart(w, id, 127)
			}
		}
	}
	return at
}

// A service whose successors fail where alone there is room runs on. Others are tried after pauses that grow, to a bound.
func TestReplace_SuccessorFails(t *testing.T) {
	for name, wish := range map[string]daemon.Wish{"at once": {Drain: true}, "paced": {Drain: true, Parallel: 1, PerMinute: 600}} {
		t.Run(name, func(t *testing.T) {
			eachService(t, func(r *rig, ds []*daemon.Daemon) {
				r.drains(ds[0], "a", wish)
				before := r.revision()
				at := r.failsFor(30 * time.Minute)
				r.runsOn("half an hour of failures", "a", "svc")
				r.wantLiving("half an hour of failures", "svc")
				if s := r.state(ds[0], "svc"); s.ReplacedBy != berth.RequestID(fmt.Sprint("svc.r", len(at)+1)) || s.Replacement != berth.StateFailed {
					r.t.Errorf("%q, which is %s, is told to have failed to replace it", s.ReplacedBy, s.Replacement)
				}
				if n := r.revision() - before; len(at) < 10 || len(at) > 15 || n > 150 {
					r.t.Errorf("%d successors were tried, in %d revisions: %v", len(at), n, at)
				}
				for i := 2; i < len(at); i++ {
					if a, b := at[i-1]-at[i-2], at[i]-at[i-1]; b < a-2*time.Second || b > 6*time.Minute {
						r.t.Errorf("the pauses neither grow nor end: %v", at)
					}
				}
				r.passes(6 * time.Minute)
				r.handsOver(ds[0], "a", "svc", "b", berth.RequestID(r.living("svc.r")[0]))
			})
		})
	}
}

// All that says whether a service may be stopped is in the store.
func TestReplace_FailsOverARestart(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("a")
		r.run(d, "svc", service)
		r.runs("a", "svc")
		_, killB := r.lives("b")
		r.drains(d, "a", daemon.Wish{Drain: true})
		for range 5 {
			r.failsFor(time.Minute)
			stop()
			d, stop = r.daemon()
			r.runsOn("restarted", "a", "svc")
		}
		r.passes(6 * time.Minute)
		r.handsOver(d, "a", "svc", "b", berth.RequestID(r.living("svc.r")[0]))
		stop()
		kill()
		killB()
	})
}

// At the drain's deadline a service is stopped that nobody replaces, however its successors ended; not before.
func TestReplace_FailsUntilTheDeadline(t *testing.T) {
	for name, wish := range map[string]daemon.Wish{
		"at once": {Drain: true, Deadline: 5 * time.Minute},
		"paced":   {Drain: true, Deadline: 5 * time.Minute, Parallel: 1},
	} {
		t.Run(name, func(t *testing.T) {
			eachService(t, func(r *rig, ds []*daemon.Daemon) {
				r.drains(ds[0], "a", wish)
				if at := r.failsFor(4*time.Minute + 50*time.Second); len(at) < 5 {
					r.t.Errorf("tried at %v", at)
				}
				r.runsOn("before the deadline", "a", "svc")
				r.failsFor(15 * time.Second)
				if a, _ := r.allocation("a", "svc"); a == nil || a.Stop == nil || a.Stop.Reason != berth.StopDrain || a.Stop.ReplacedBy != "" {
					r.t.Errorf("after the deadline: %+v", a)
				}
				r.wantLiving("after the deadline", "svc")
			})
		})
	}
}

// Who cancels a successor that waits does not stop the service: another is made. Who cancels the service ends both.
func TestReplace_SuccessorCancelled(t *testing.T) {
	eachService(t, func(r *rig, ds []*daemon.Daemon) {
		r.run(ds[0], "x", sized(1000, 0))
		r.drains(ds[0], "a", daemon.Wish{Drain: true})
		for n := 2; n < 6; n++ {
			by := fmt.Sprint("svc.r", n)
			r.wantLiving("it waits", "svc", by)
			r.cancels(ds[n%len(ds)], berth.RequestID(by))
			r.runsOn("cancelled "+by, "a", "svc")
			r.wantLiving("cancelled "+by, "svc")
			r.passes(time.Minute)
		}
		r.runsOn("all cancelled", "a", "svc")
		r.cancels(ds[0], "svc")
		r.exits("a", "svc")
		r.passes(time.Minute)
		r.wantLiving("cancelled")
	})
}

// Names that others have are passed over: those of requests that wait, run or have ended.
func TestReplace_NameTaken(t *testing.T) {
	eachService(t, func(r *rig, ds []*daemon.Daemon) {
		for n := 2; n < 5; n++ {
			r.run(ds[0], fmt.Sprint("svc.r", n), sized(1500, 0)) // they fit nowhere
		}
		r.cancels(ds[0], "svc.r3")
		r.drains(ds[0], "a", daemon.Wish{Drain: true})
		r.runsOn("drained", "a", "svc")
		r.wantLiving("drained", "svc", "svc.r2", "svc.r4", "svc.r5")
		r.handsOver(ds[0], "a", "svc", "b", "svc.r5")
		r.wantLiving("replaced", "svc.r2", "svc.r4", "svc.r5")
	})
}

// A name that another takes before the successor is in the store is passed over, too.
func TestReplace_NameTakenMeanwhile(t *testing.T) {
	eachService(t, func(r *rig, ds []*daemon.Daemon) {
		r.side().submit("svc.r2")
		_, err := ds[0].SetIntent(r.t.Context(), "a", daemon.Wish{Drain: true})
		r.ok(err)
		r.passes(time.Second)
		r.runsOn("drained", "a", "svc")
		r.wantLiving("drained", "svc", "svc.r2", "svc.r3")
	})
}

// A successor is drained in its turn, beside another service that has the original's name by now: both want the same name next.
func TestReplace_OfASuccessor(t *testing.T) {
	for name, wish := range map[string]daemon.Wish{"at once": {Drain: true}, "paced": {Drain: true, Parallel: 2}} {
		t.Run(name, func(t *testing.T) {
			eachService(t, func(r *rig, ds []*daemon.Daemon) {
				r.drains(ds[0], "a", daemon.Wish{Drain: true})
				r.handsOver(ds[0], "a", "svc", "b", "svc.r2")
				r.remove("archive/svc")
				r.drains(ds[0], "a", daemon.Wish{})
				r.run(ds[0], "svc", service)
				r.runs("a", "svc")
				for _, w := range []berth.WorkerID{"a", "b"} {
					_, err := ds[0].SetIntent(r.t.Context(), w, wish)
					r.ok(err)
				}
				r.passes(time.Minute)
				r.runsOn("drained", "a", "svc")
				r.runsOn("drained", "b", "svc.r2")
				r.wantLiving("drained", "svc", "svc.r2", "svc.r3", "svc.r4")
				of := r.state(ds[0], "svc.r4").Spec.Replaces
				if other := r.state(ds[0], "svc.r3").Spec.Replaces; of == other {
					r.t.Errorf("both replace %s", of)
				}
				if by := r.state(ds[0], string(of)).ReplacedBy; by != "svc.r4" {
					r.t.Errorf("%s is told to be replaced by %q", of, by)
				}
			})
		})
	}
}

// Names are free again when the archive is purged of them.
func TestReplace_NamesPurged(t *testing.T) {
	bubble(t, func(r *rig) {
		checked := r.checked()
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d", Retention: daemon.Retention{MaxAge: time.Minute}})
		_, kill := r.lives("a")
		r.run(d, "svc", service)
		r.runs("a", "svc")
		_, killB := r.lives("b")
		r.drains(d, "a", daemon.Wish{Drain: true})
		at := r.failsFor(30 * time.Minute)
		r.runsOn("half an hour of failures", "a", "svc")
		if len(at) < 10 || len(at) > 250 {
			r.t.Errorf("%d were tried: %v", len(at), at)
		}
		stop()
		checked()
		kill()
		killB()
	})
}

// A service whose successors fail does not keep a pace from others.
func TestReplace_FailsBesideOthers(t *testing.T) {
	eachService(t, func(r *rig, ds []*daemon.Daemon) {
		_, kill := r.lives("c")
		r.passes(time.Second)
		r.drains(ds[0], "b", daemon.Wish{Cordon: true})
		half := func(q *berth.Request) { service(q); q.Resources.CPUMilli = 500 }
		for _, id := range []string{"p", "q"} {
			r.run(ds[0], id, half)
			r.runs("c", id)
		}
		r.drains(ds[0], "b", daemon.Wish{})
		r.drains(ds[0], "c", daemon.Wish{Drain: true, Parallel: 1})
		r.cannotStart("b", "p.r2", 127)
		r.passes(time.Second)
		r.handsOver(ds[0], "c", "q", "b", "q.r2")
		r.passes(time.Minute)
		r.runsOn("beside", "c", "p")
		r.handsOver(ds[0], "c", "p", "b", "p.r3")
		kill()
		synctest.Wait()
	})
}
