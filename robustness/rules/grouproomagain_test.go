package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A member beyond those that must begin together had to make room. Nobody makes room for its group before that has been placed
// again. Then they do, though it was placed without that member.
func TestGroupRoom_LateMemberMadeRoom(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.lives("w0")
		r.lives("w1")
		g := r.pressing("g", 2, 1, 50)
		g.Retry = berth.RetryPolicy{MaxAttempts: 10}
		r.submitGroup(d, g)
		r.passes(time.Second)
		for _, at := range [][2]string{{"w0", "g.1"}, {"w1", "g.0"}} {
			r.runs(at[0], at[1])
		}
		r.run(d, "now", urgent(1000, 90)) // g.1 makes room for it
		r.passes(time.Second)
		cordon := func(yes bool) {
			_, err := d.SetIntent(r.t.Context(), "w1", daemon.Wish{Cordon: yes})
			r.ok(err)
			r.passes(time.Second)
		}
		cordon(true)
		r.exits("w0", "g.1")
		r.passes(time.Second)
		r.lives("w2")
		r.run(d, "lower", sized(1000, 0))
		r.runs("w2", "lower")
		r.exits("w1", "g.0")
		r.passes(5 * time.Second)
		if told, _ := r.told(); len(told) > 0 || r.are("now", "lower") != 2 {
			t.Fatalf("told for a group that had to make room: %v; %v", told, r.held())
		}
		cordon(false)
		r.runs("w1", "g.0")
		cordon(true)
		r.reported("w1", "g.0", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()})
		r.passes(10 * time.Second)
		if told, _ := r.told(); !slices.Equal(told, []string{"lower"}) {
			t.Fatalf("told %v; held %v, %+v", told, r.held(), r.state(d, "g.0").Verdict)
		}
		r.exits("w2", "lower")
		r.passes(2 * time.Second)
		if r.are("g.0", "g.1") != 1 {
			t.Errorf("the group is not placed: %v", r.held())
		}
		stop()
	})
}
