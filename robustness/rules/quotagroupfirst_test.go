package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Room of a quota goes to a group before what comes behind it of its tenant and waits alone: to the higher priority, and of equal
// ones to the older. Where the group fits on no worker, it goes to the others.
func TestQuota_GroupBeforeSingles(t *testing.T) {
	for _, tt := range []struct {
		name          string
		group, single int32
		younger       bool // the group
		large         int64
		placed        []string
	}{
		{"a higher priority", 900, 0, false, 0, []string{"g.0", "g.1"}},
		{"a higher priority, though younger", 900, 0, true, 0, []string{"g.0", "g.1"}},
		{"an older one", 5, 5, false, 0, []string{"g.0", "g.1"}},
		{"a younger one", 5, 5, true, 0, []string{"s1", "s2"}},
		{"a lower priority", 0, 900, false, 0, []string{"s1", "s2"}},
		{"it fits on no worker", 900, 0, false, 5 << 30, []string{"s1", "s2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.joins("w")
				d, stop := r.daemon()
				r.limit(d, "a", 200)
				r.run(d, "a", from("a", sized(200, 0)))
				group := func() {
					g := r.group("g", 2, 2)
					g.Tenant, g.Priority, g.Resources.CPUMilli, g.Resources.MemoryBytes = "a", tt.group, 100, tt.large
					r.submitGroup(d, g)
				}
				single := func() {
					for _, id := range []string{"s1", "s2"} {
						r.run(d, id, func(s *berth.Request) { from("a", sized(100, 0))(s); s.Priority = tt.single })
					}
				}
				if tt.younger {
					single()
					group()
				} else {
					group()
					single()
				}
				r.passes(2 * time.Second)
				r.limit(d, "a", 400)
				r.passes(5 * time.Second)
				if r.located(tt.placed...) != len(tt.placed) || r.located("g.0", "g.1", "s1", "s2") != len(tt.placed) {
					r.t.Errorf("placed: %v, want %v", r.held(), tt.placed)
				}
				stop()
			})
		})
	}
}
