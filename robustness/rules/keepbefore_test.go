package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// What is kept for a group is no reason that it goes before those whose turn is before, and who wait: when room comes they have it, of its own tenant by
// priority, and of another that holds less. A judge found it the other way round in the first seconds, when nobody had been kept off yet.
func TestKeep_NotBeforeWhoGoesFirst(t *testing.T) {
	for name, other := range map[string]berth.TenantID{"of its tenant": berth.DefaultTenant, "of a tenant with less": "less"} {
		for _, daemons := range []int{1, 2} {
			for _, first := range []bool{true, false} { // the group comes first
				t.Run(fmt.Sprintf("%s, %d daemons, the group first: %t", name, daemons, first), func(t *testing.T) {
					bubble(t, func(r *rig) {
						r.lives("v")
						ds, stop := r.several(daemons)
						defer stop()
						r.run(ds[0], "there", sized(1000, 0)) // so its tenant holds something
						r.runs("v", "there")
						_, err := ds[0].SetIntent(r.t.Context(), "v", daemon.Wish{Cordon: true})
						r.ok(err)
						r.lives("w")
						r.passes(time.Second)
						r.run(ds[0], "before", sized(1000, 0))
						r.runs("w", "before")
						g := r.group("g", 2, 2)
						g.Resources.CPUMilli = 500
						if first {
							r.submitGroup(ds[0], g)
							r.passes(time.Second)
						}
						for i := range 3 {
							r.run(ds[i%daemons], fmt.Sprint("one", i), func(q *berth.Request) {
								sized(500, 9)(q)
								q.Tenant = other
							})
						}
						if !first {
							r.submitGroup(ds[0], g)
						}
						r.passes(3 * time.Second)
						if r.kept() == "" {
							t.Fatal("nothing is kept")
						}
						r.reported("w", "before", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
						r.passes(time.Second)
						if n := r.located("one0", "one1", "one2"); n != 2 || r.located("g.0", "g.1") != 0 {
							t.Errorf("%d have a place, want 2, and none of the group: %v", n, r.held())
						}
					})
				})
			}
		}
	}
}

// Room that comes free on a worker that is kept for a group goes to who waited before it did, and whose turn is before the group's, also where
// the group has to wait for more: what is kept is given up for it.
func TestKeep_RoomComesForWhoGoesFirst(t *testing.T) {
	for name, other := range map[string]berth.TenantID{"of its tenant": berth.DefaultTenant, "of a tenant with less": "less"} {
		for daemons := 1; daemons <= 3; daemons++ {
			for _, cancel := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %d daemons, cancelled: %t", name, daemons, cancel), func(t *testing.T) {
					bubble(t, func(r *rig) {
						r.lives("w")
						ds, stop := r.several(daemons)
						defer stop()
						r.run(ds[0], "long", func(q *berth.Request) {
							sized(750, 9)(q)
							q.RunLimitMS = 300_000
						})
						r.run(ds[0], "short", sized(250, 0))
						r.runs("w", "long")
						r.runs("w", "short")
						g := r.group("g", 2, 2)
						g.Resources.CPUMilli = 500
						r.submitGroup(ds[0], g)
						r.passes(time.Second)
						r.run(ds[daemons-1], "one", func(q *berth.Request) {
							sized(250, 9)(q)
							q.Tenant = other
						})
						r.passes(3 * time.Second)
						if r.kept() == "" {
							t.Fatal("nothing is kept")
						}
						if cancel {
							_, err := ds[0].Cancel(r.t.Context(), "short", "")
							r.ok(err)
							r.passes(100 * time.Millisecond)
						}
						r.reported("w", "short", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
						r.passes(3 * time.Second)
						if r.located("one") != 1 || r.located("g.0", "g.1") != 0 {
							t.Errorf("it has no place though there is room: %v, kept %s", r.held(), r.kept())
						}
					})
				})
			}
		}
	}
}
