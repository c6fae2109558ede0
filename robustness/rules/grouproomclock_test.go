package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// A daemon whose clock is wrong takes over a group for which others make room. What they free stays kept for the
// group, for as long as they have their grace: else it would go to others, and they would end for nothing.
func TestGroupRoom_TakenOverByAnotherClock(t *testing.T) {
	for _, wrong := range []time.Duration{-25 * time.Hour, 10 * time.Second, 25 * time.Hour} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, end := r.member("d0", etcdstore.Options{})
				d, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: "d1"}), daemon.Options{ID: "d1", Now: func() time.Time { return time.Now().Add(wrong) }})
				r.filled(d, 2, 0)
				r.submitGroup(d, r.pressing("g", 2, 2, 50))
				r.passes(2 * time.Second)
				told, _ := r.told()
				if k, _ := r.madeRoom(); len(told) != 4 || time.Since(k.MadeRoom).Abs() > time.Minute {
					t.Fatalf("told %v, and kept by d0's clock: %+v", told, k)
				}
				end()
				r.run(d, "b", of("b")) // of a tenant that has nothing
				for _, id := range told {
					r.passes(500 * time.Millisecond)
					r.exits(id[:2], id)
				}
				r.passes(2 * time.Second)
				if r.are("g.0", "g.1") != 2 {
					t.Errorf("the group is not placed: %v", r.held())
				}
				for _, id := range append(told, "b") {
					if s := r.state(d, id); s.Attempt > 2 || id == "b" && s.Attempt > 1 {
						t.Errorf("%s was placed meanwhile", id)
					}
				}
				stop()
			})
		})
	}
}

// Nothing comes back to where room is made, however brief it is: to a daemon whose clock is an hour behind what is kept would be kept
// for an hour longer, and what has made room would come back there, be told again, and so on for ever.
func TestGroupRoom_NobodyComesBack(t *testing.T) {
	bubble(t, func(r *rig) {
		_, end := r.member("d0", etcdstore.Options{})
		d, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: "d1"}), daemon.Options{ID: "d1", Now: func() time.Time { return time.Now().Add(-time.Hour) }})
		for _, w := range []string{"w0", "w1"} {
			r.lives(berth.WorkerID(w))
			for _, id := range []string{w + "-0", w + "-1"} {
				r.run(d, id, func(q *berth.Request) {
					sized(500, 0)(q)
					if q.RunLimitMS, q.StartTimeoutMS = 600_000, 1000; w == "w1" {
						q.StopTimeoutMS = 30_000
					}
				})
				r.runs(w, id)
			}
		}
		r.submitGroup(d, r.pressing("g", 2, 2, 50))
		r.passes(2 * time.Second)
		for range 8 { // those of w0 end within their grace, of 5 s, those of w1 within 30 s
			for _, id := range []string{"w0-0", "w0-1"} {
				for _, w := range []string{"w0", "w1"} {
					if a, _ := r.allocation(w, id); a != nil && a.State == berth.StatePlaced && a.Stop == nil {
						r.runs(w, id)
						t.Logf("%s is on %s again, which is kept: %q", id, w, r.kept())
						t.Fail()
					} else if a != nil && a.Stop != nil {
						r.exits(w, id)
					}
				}
			}
			r.passes(3 * time.Second)
		}
		stop()
		end()
	})
}
