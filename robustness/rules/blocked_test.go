package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// How many requests are blocked holds the members of groups that fit nowhere, whichever
// daemon plans them and whichever is asked: as many as are listed.
func TestBlocked_MembersOfGroups(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		other, stopOther := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "e"})
		r.takes("a", true)
		r.passes(time.Second)
		half := func(id string, size int64) {
			g := r.group(id, size, size)
			g.Resources.CPUMilli = 600
			r.submitGroup(d, g)
		}
		for _, id := range []string{"g", "h", "i", "j"} { // two equal ones, and two of others; some planned by each daemon
			half(id, map[string]int64{"g": 3, "h": 3, "i": 2, "j": 4}[id])
		}
		half("one", 1)                                                                     // fits
		r.run(d, "alone", func(s *berth.Request) { s.Resources.CPUMilli = 700 })           // waits for its end
		r.run(other, "never", func(s *berth.Request) { s.Resources.CPUMilli = 1_000_000 }) // waits for ever
		r.passes(time.Second)
		for name, asked := range map[string]*daemon.Daemon{"d": d, "e": other} {
			in, err := asked.Info(r.t.Context())
			r.ok(err)
			listed, err := asked.List(r.t.Context(), daemon.Filter{Blocked: true})
			r.ok(err)
			if in.Blocked != 14 || in.Pending != 14 || len(listed) != 14 {
				r.t.Errorf("%s counts %d blocked of %d that wait, and lists %d; want 12 members and 2 others", name, in.Blocked, in.Pending, len(listed))
			}
		}
		r.passes(time.Second)
		r.reported("a", "one.0", berth.StateStarting, nil)
		r.reported("a", "one.0", berth.StateRunning, nil)
		r.exits("a", "one.0")
		r.passes(time.Second)
		if in, err := d.Info(r.t.Context()); err != nil || in.Blocked != 13 {
			r.t.Errorf("when one has got its place %d are blocked, %v", in.Blocked, err)
		}
		stopOther()
		stop()
	})
}
