package rules

import (
	"fmt"
	"testing"
	"time"

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
