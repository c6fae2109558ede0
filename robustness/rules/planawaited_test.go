package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/snapshot"
)

// A forecast lends what a daemon does of what is guaranteed to a tenant of which something waits for a worker.
func TestForecast_AwaitedIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		waits awaitedBy
		asks  int64
	}{
		"a group":                            {awaitedBy{2, onGPUs}, 100},
		"a request":                          {awaitedBy{0, onGPUs}, 900},
		"beside a request":                   {awaitedBy{0, onGPUs}, 800},
		"a group too many for the workers":   {awaitedBy{3, func(q *berth.Request) { onGPUs(q); q.Resources.CPUMilli = 500 }}, 900},
		"a group apart over too few workers": {awaitedBy{4, func(q *berth.Request) { apartFromEachOther(q); q.Resources.CPUMilli = 400 }}, 900},
		"a request that no worker takes":     {awaitedBy{0, func(q *berth.Request) { onGPUs(q); q.Resources.Devices[0].Count = 2 }}, 900},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.awaiting(1, func(d *daemon.Daemon) {
					c.waits.submits(r, d)
					r.passes(time.Minute)
					ask := r.submission("more").Spec
					some("b", c.asks)(&ask)
					placed, got := make(map[berth.RequestID]bool), make(map[berth.RequestID]bool)
					for _, o := range r.foretold(&snapshot.Change{Requests: []berth.Request{ask}}) {
						placed[o.Request] = o.Worker != ""
					}
					r.run(d, "more", some("b", c.asks))
					r.passes(time.Minute)
					for id := range placed {
						got[id] = r.are(string(id)) == 1
					}
					if !cmp.Equal(placed, got) {
						t.Errorf("(-forecast +daemon):\n%s", cmp.Diff(placed, got))
					}
				})
			})
		})
	}
}
