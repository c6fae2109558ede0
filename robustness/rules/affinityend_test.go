package rules

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What has to be near others has no place that the last of them gives up by the same transaction: it waits on for others, or has room beside those that are
// there yet.
func TestRelations_NotBesideWhoEnds(t *testing.T) {
	for _, tt := range []struct {
		topology string
		left     bool // another one is in the same rack
		self     bool // it is one of those itself, and none is left: it may go anywhere
		want     string
	}{
		{berth.TopologyHost, false, false, ""},
		{"rack", false, false, ""},
		{"rack", true, false, "w2"},
		{berth.TopologyHost, true, false, ""},
		{berth.TopologyHost, false, true, "w2"},
	} {
		for n := 1; n <= 3; n += 2 {
			t.Run(fmt.Sprintf("%s, one is left %t, self %t, %d daemons", tt.topology, tt.left, tt.self, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(n)
					labels := map[string]string{"app": "web"}
					on := []berth.WorkerID{"w2"}
					if tt.left {
						on = append(on, "w3")
					}
					for _, w := range on {
						r.offers(w, false, map[string]string{"rack": "r2"})
						r.run(ds[0], "web-"+string(w), func(q *berth.Request) { sized(1000, 0)(q); q.Labels = labels })
						r.runs(string(w), "web-"+string(w))
					}
					r.run(ds[n-1], "near", func(q *berth.Request) {
						sized(500, 0)(q)
						q.Affinity = []berth.Affinity{{Requests: &web, Topology: tt.topology}}
						if tt.self {
							q.Labels = labels
						}
					})
					r.passes(time.Second)
					r.exits("w2", "web-w2")
					r.passes(time.Second)
					if is := slices.Contains(r.held(), tt.want+"/near"); is != (tt.want != "") || !is && r.located("near") > 0 {
						t.Errorf("held %v, want it on %q", r.held(), tt.want)
					}
					stop()
					checked()
				})
			})
		}
	}
}

// What has to be apart from others, and waits for the last of them to end, has its place when that has.
func TestRelations_ApartFromWhoEnds(t *testing.T) {
	for n := 1; n <= 3; n += 2 {
		t.Run(fmt.Sprint(n, " daemons"), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(n)
				r.offers("w", false, nil)
				for i := range 2 {
					r.run(ds[0], fmt.Sprint("web", i), func(q *berth.Request) { sized(200, 0)(q); q.Labels = map[string]string{"app": "web"} })
					r.runs("w", fmt.Sprint("web", i))
				}
				r.run(ds[n-1], "apart", func(q *berth.Request) {
					sized(500, 0)(q)
					q.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}}
				})
				for i := range 2 {
					r.passes(time.Second)
					if r.located("apart") > 0 {
						t.Fatalf("beside one that is there: %v", r.held())
					}
					r.exits("w", fmt.Sprint("web", i))
				}
				r.passes(time.Second)
				if r.located("apart") != 1 {
					t.Errorf("held %v", r.held())
				}
				stop()
				checked()
			})
		})
	}
}
