package sim_test

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/snapshot"
)

// A simulation goes on from who was served longest ago: of two that hold nothing, what is free is theirs. A plan says the same.
func TestLive_GoesOnFromWhoWasServed(t *testing.T) {
	for _, last := range []berth.TenantID{"a", "b"} {
		t.Run("last "+string(last), func(t *testing.T) {
			other := map[berth.TenantID]berth.TenantID{"a": "b", "b": "a"}[last]
			served := map[berth.TenantID]time.Time{other: takenAt.Add(-time.Minute), last: takenAt.Add(-time.Second)}
			l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt, Served: snapshot.Served{berth.DefaultPool: served}})}
			l.worker("w", berth.Share{}, func(c *berth.Capacity, _ *berth.Intent, _ *berth.Conditions) {
				c.Devices = []berth.Device{{Name: "g0", Type: "t4"}}
			})
			for _, tenant := range []berth.TenantID{"a", "b"} {
				l.submit(string(tenant), "", gpu("", 1000), func(r *berth.Request) { r.Tenant = tenant })
			}
			outcomes, err := l.Forecast(&snapshot.Change{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range outcomes {
				if o := &outcomes[i]; (o.Worker == "w") != (o.Tenant == other) {
					t.Errorf("%s is on %q by the forecast", o.Request, o.Worker)
				}
			}
			from, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 0)
			if err != nil {
				t.Fatal(err)
			}
			trace, err := from.Trace(nil)
			if err != nil {
				t.Fatal(err)
			}
			placed, err := trace.Within(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if placed[string(other)] != 1 || placed[string(last)] != 0 {
				t.Errorf("placed: %v, want %s", placed, other)
			}
		})
	}
}
