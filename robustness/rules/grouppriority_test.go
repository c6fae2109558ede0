package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Of one tenant's a group of higher priority comes before what waits alone, and behind what has a higher one, however room comes: a worker takes something
// again, comes new, or something ends. A newcomer found the other way round.
func TestGroup_PriorityAmongWhatWaitsAlone(t *testing.T) {
	for name, comes := range map[string]func(r *rig, d *daemon.Daemon){
		"a worker takes something again": func(r *rig, d *daemon.Daemon) {
			_, err := d.SetIntent(r.t.Context(), "w", daemon.Wish{})
			r.ok(err)
		},
		"a worker comes": func(r *rig, _ *daemon.Daemon) { r.lives("v") },
		"something ends": func(r *rig, _ *daemon.Daemon) {
			r.reported("w", "before", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		},
	} {
		for _, first := range []bool{false, true} { // the group comes first
			t.Run(fmt.Sprintf("%s, the group first: %t", name, first), func(t *testing.T) {
				bubble(t, func(r *rig) {
					r.lives("w")
					d, stop := r.daemon()
					defer stop()
					r.run(d, "before", sized(1000, 0))
					r.runs("w", "before")
					if name == "a worker takes something again" {
						_, err := d.SetIntent(r.t.Context(), "w", daemon.Wish{Cordon: true})
						r.ok(err)
						r.reported("w", "before", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
						r.passes(time.Second)
					}
					g := r.group("g", 2, 2)
					g.Resources.CPUMilli, g.Priority = 400, 50
					if first {
						r.submitGroup(d, g)
					}
					for i := range 4 {
						r.run(d, fmt.Sprint("low", i), sized(200, 9))
						r.run(d, fmt.Sprint("high", i), sized(50, 90))
					}
					if !first {
						r.submitGroup(d, g)
					}
					r.passes(3 * time.Second)
					comes(r, d)
					r.passes(time.Second)
					high, low := r.located("high0", "high1", "high2", "high3"), r.located("low0", "low1", "low2", "low3")
					if n := r.located("g.0", "g.1"); n != 2 || high != 4 || low != 0 {
						t.Errorf("%d of the group have a place, %d of those before it, %d of those behind it: %v", n, high, low, r.held())
					}
				})
			})
		}
	}
}

// That another tenant's group is tried first, in vain, lets no group go before what its own tenant has of higher priority: in its pool and in others,
// when a worker comes, and when a daemon begins.
func TestGroup_PriorityBehindAnotherTenants(t *testing.T) {
	for _, pool := range []berth.PoolID{"default", "other"} {
		for _, begins := range []bool{false, true} {
			t.Run(fmt.Sprintf("in pool %s, a daemon begins: %t", pool, begins), func(t *testing.T) {
				bubble(t, func(r *rig) {
					r.lives("w")
					d, stop := r.daemon()
					r.run(d, "before", sized(1000, 0))
					r.runs("w", "before")
					g := r.group("low", 3, 3)
					g.Resources.CPUMilli = 250
					r.submitGroup(d, g)
					r.run(d, "high", sized(750, 5))
					first := r.group("first", 5, 5)
					first.Resources.CPUMilli, first.Tenant, first.Pool = 450, "a", pool
					r.submitGroup(d, first)
					r.passes(3 * time.Second)
					if begins {
						stop()
						r.reported("w", "before", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
						_, stop = r.daemon()
					} else {
						r.lives("v")
					}
					r.passes(time.Second)
					if r.located("high") != 1 {
						t.Errorf("held %v", r.held())
					}
					stop()
				})
			})
		}
	}
}
