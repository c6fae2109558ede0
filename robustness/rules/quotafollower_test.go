package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// follows has quota gathered for a member that follows its placed group: tenant a has no more, and something that needs
// none comes after it.
func (r *rig) follows(d *daemon.Daemon) {
	r.t.Helper()
	r.limit(d, "a", 200)
	r.run(d, "x", some("a", 100))
	g := r.group("g", 3, 1)
	some("a", 100)(&g)
	r.submitGroup(d, g)
	r.passes(30 * time.Second)
	r.run(d, "y", func(q *berth.Request) { some("a", 0)(q); q.Resources.MemoryBytes = 1 << 20 })
	r.passes(30 * time.Second)
	if n := r.are("g.0", "g.1", "g.2"); n != 1 {
		r.t.Errorf("%d members are placed, the quota has room for one: %s", n, r.record("a"))
	}
}

// gatheredFor is what quota of tenant a is gathered for, whichever daemon says so.
func (r *rig) gatheredFor() (group berth.GroupID, request berth.RequestID) {
	r.t.Helper()
	for _, g := range r.gathers() {
		return g.Group, g.Request
	}
	return "", ""
}

// Quota that is gathered for a member of a group that is placed is taken when it is there; then it is the turn of the next
// member, and of what comes after the group.
func TestGathering_ForAFollower(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				ds, stop := r.several(n)
				r.follows(ds[0])
				if g, q := r.gatheredFor(); g != "" || q != "g.1" {
					t.Errorf("quota is gathered for group %q, request %q, want request g.1", g, q)
				}
				r.run(ds[0], "z", some("a", 100))
				for members := 2; members <= 3; members++ {
					r.limit(ds[0], "a", int64(100+100*members))
					r.passes(time.Minute)
					if k := r.are("g.0", "g.1", "g.2"); k != members || r.are("z") != 0 {
						t.Errorf("%d members are placed, z: %d; the quota has room for %d members, and z comes after them: %s", k, r.are("z"), members, r.record("a"))
					}
				}
				r.limit(ds[0], "a", 500)
				r.passes(time.Minute)
				if r.are("z") != 1 || len(r.gathers()) > 0 {
					t.Errorf("z waits, though nothing else does: %s", r.record("a"))
				}
				stop()
			})
		})
	}
}

// What is gathered for a member that its user cancels, or whose group is cancelled, keeps nobody waiting.
func TestGathering_TheFollowerIsGone(t *testing.T) {
	for _, id := range []string{"g.1", "g"} {
		t.Run(id, func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				d, stop := r.daemon()
				r.follows(d)
				if id == "g" {
					_, err := d.CancelGroup(r.t.Context(), "g", "tester")
					r.ok(err)
				} else {
					_, err := d.Cancel(r.t.Context(), "g.1", "tester")
					r.ok(err)
				}
				r.passes(time.Second)
				if _, q := r.gatheredFor(); q == "g.1" {
					t.Errorf("quota is gathered for g.1 yet: %s", r.record("a"))
				}
				stop()
			})
		})
	}
}

// What an older daemon has written, which named the group where it gathered for a member that follows, is set right.
func TestGathering_ForAFollowerByItsGroup(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.follows(d)
		stop()
		r.put("tenants/a", strings.Replace(string(r.kv("tenants/a").Value), `"request":"g.1"`, `"group":"g"`, 1))
		if g, _ := r.gatheredFor(); g != "g" {
			t.Fatalf("quota is gathered for %q: %s", g, r.record("a"))
		}
		d, stop = r.daemon()
		r.limit(d, "a", 300)
		r.passes(time.Minute)
		if n := r.are("g.0", "g.1", "g.2"); n != 2 {
			t.Errorf("%d members are placed, the quota has room for two: %s", n, r.record("a"))
		}
		stop()
	})
}
