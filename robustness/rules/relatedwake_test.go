package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Of requests that are to be near to each other the first goes anywhere: also when others were there before, where it may not go, and have ended since. A
// judge found those of a drained rack waiting for ever, beside an empty one.
func TestAffinity_NoneLeft(t *testing.T) {
	for name, ends := range map[string]func(r *rig, id string){
		"they have ended": func(r *rig, id string) {
			r.reported("w", id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		},
		"they are drained": func(r *rig, id string) {
			if a, _ := r.allocation("w", id); a == nil || a.Stop == nil {
				r.t.Fatalf("%s is not told to stop", id)
			}
			r.exits("w", id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				d, stop := r.daemon()
				defer stop()
				nearEachOther := func(q *berth.Request) {
					sized(100, 0)(q)
					q.Labels, q.Affinity = map[string]string{"app": "n"}, near("n")
				}
				for _, id := range []string{"n0", "n1"} {
					r.run(d, id, nearEachOther)
					r.runs("w", id)
				}
				r.lives("v")
				r.passes(time.Second)
				drains := name == "they are drained"
				_, err := d.SetIntent(r.t.Context(), "w", daemon.Wish{Cordon: !drains, Drain: drains})
				r.ok(err)
				r.run(d, "n2", nearEachOther)
				r.passes(time.Second)
				for _, id := range []string{"n0", "n1"} {
					if r.located("n2") != 0 {
						t.Fatal("n2 has a place away from the others")
					}
					ends(r, id)
					r.passes(100 * time.Millisecond)
				}
				r.passes(2 * time.Second)
				if r.located("n2") != 1 || r.whereIs("n2") != "v" {
					t.Errorf("n2 waits when none is left: %v", r.held())
				}
				if drains && r.located("n0", "n1") != 2 {
					t.Errorf("who was drained waits: %v", r.held())
				}
			})
		})
	}
}

// A worker with a taint that is not tolerated is no domain of a spread any more: what waited for room there goes where it may now.
func TestSpread_DomainTainted(t *testing.T) {
	for _, effect := range []berth.Effect{berth.EffectNoPlace, berth.EffectNoRun} {
		t.Run(string(effect), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				d, stop := r.daemon()
				defer stop()
				even := func(q *berth.Request) {
					sized(100, 0)(q)
					q.Labels, q.Spread = map[string]string{"app": "web"}, []berth.Spread{{Requests: web, Topology: berth.TopologyHost, MaxSkew: 1}}
				}
				r.run(d, "n0", even)
				r.lives("v")
				r.passes(time.Second)
				r.run(d, "full", func(q *berth.Request) {
					sized(950, 0)(q)
					q.Tolerations = []berth.Toleration{{Operator: berth.TolerateExists}}
				})
				r.run(d, "n1", even)
				r.passes(time.Second)
				if r.located("n1") != 0 || r.whereIs("full") != "v" {
					t.Fatalf("n1 does not wait: %v", r.held())
				}
				_, err := r.SetIntent(r.t.Context(), "v", func(*berth.Intent) *berth.Intent {
					return &berth.Intent{Taints: []berth.Taint{{Key: "t", Effect: effect}}, At: time.Now().UTC()}
				})
				r.ok(err)
				r.passes(time.Second)
				if r.located("n1") != 1 {
					t.Errorf("n1 waits: %v", r.held())
				}
			})
		})
	}
}
