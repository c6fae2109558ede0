package rules

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/snapshot"
)

// What a group asks for counts once for what is usual, however often it is tried, and however often somebody asks why it waits.
func TestMix_GroupsCountOnce(t *testing.T) {
	for _, limited := range []bool{false, true} {
		bubbleSub(t, fmt.Sprint("limited ", limited), func(r *rig) {
			r.livesWithDevices("w")
			d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
			defer stop()
			if limited {
				r.limit(d, "b", 100_000)
			}
			single := func(id string) {
				r.run(d, id, func(q *berth.Request) { q.Tenant, q.Resources.CPUMilli, q.StartTimeoutMS = "b", 1, 30_000_000 })
			}
			g := r.whole("g", 3) // of which two have devices
			g.Tenant, g.Resources.CPUMilli, g.Resources.Devices = "b", 1, []berth.DeviceDemand{{Types: []string{"h100"}, Count: 1, Milli: berth.WholeDevice}}
			r.submitGroup(d, g)
			r.passes(time.Second)
			before := r.asked(d)
			for i := range 10 {
				id := fmt.Sprint("s", i)
				single(id)
				r.ends("w", id)
				r.passes(time.Second)
				_, err := d.Group(r.t.Context(), "g")
				r.ok(err)
			}
			if after := r.asked(d); before == 0 || after != before {
				r.t.Errorf("%d shapes were asked for before, and %d when it had been tried again", before, after)
			}
		})
	}
}

// A request counts once, whether it finds a place when it comes, or waits and is looked at again.
func TestMix_RequestsCountOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.livesWithDevices("w")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		defer stop()
		for i := range 6 { // the worker has two; each differs, so that none joins an equal one that waits
			r.run(d, fmt.Sprint("r", i), func(q *berth.Request) {
				q.Resources.CPUMilli, q.StartTimeoutMS = int64(i+1), 30_000_000
				q.Resources.Devices = []berth.DeviceDemand{{Types: []string{"h100"}, Count: 1, Milli: berth.WholeDevice}}
			})
			r.passes(time.Second)
		}
		if asked := r.asked(d); asked != 6 {
			r.t.Errorf("%d requests were asked for, want 6: what waits has counted more than once", asked)
		}
		for i := range 10 {
			id := fmt.Sprint("s", i)
			r.run(d, id, func(q *berth.Request) { q.Resources.CPUMilli, q.StartTimeoutMS = 1, 30_000_000 })
			r.ends("w", id)
			r.passes(time.Second)
		}
		if asked := r.asked(d); asked != 6 {
			r.t.Errorf("%d requests were asked for when the worker had changed, want 6 as before", asked)
		}
	})
}

// asked is how many requests for devices a daemon's pool counts.
func (r *rig) asked(d *daemon.Daemon) int64 {
	r.t.Helper()
	var told bytes.Buffer
	r.ok(d.Snapshot(r.t.Context(), 0, &told))
	s, err := snapshot.Read(&told, nil)
	r.ok(err)
	return s.Mixes["default"].Asked
}
