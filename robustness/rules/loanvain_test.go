package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A tenant waits for a core and a device, of which it has the core guaranteed, and the device is lent to who uses it for ever. It keeps its core for that
// while it has its turn; when it lets others go first, who waits for a core is lent that.
func TestLoan_OwnPartOfWhoWaitsInVain(t *testing.T) {
	for _, tt := range []struct {
		name string
		more bool // the borrower of the core has a request before that, for its own device, too
	}{{"one", false}, {"two", true}} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%s, %d daemons", tt.name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w")()
					checked := r.checked()
					ds, stop := r.several(n)
					h100, reclaim := berth.DeviceDimension("h100"), int64(1000)
					for tenant, has := range map[berth.TenantID]berth.Amounts{"a": {berth.DimensionCPU: 300, h100: 0}, "d": {berth.DimensionCPU: 100, h100: 0}, "c": {berth.DimensionCPU: 0, h100: 1000}} {
						_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{
							Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: 400, h100: 2000}, Guarantee: has, ReclaimAfterMS: &reclaim,
						})
						r.ok(err)
					}
					device := func(tenant berth.TenantID) func(*berth.Request) {
						return func(q *berth.Request) {
							sizedOf(tenant, 100, 10)(q)
							q.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice, Types: []string{"h100"}}}
						}
					}
					r.run(ds[0], "a1", device("a"))
					r.passes(time.Second)
					r.run(ds[0], "a2", sizedOf("a", 100, 0))
					r.run(ds[0], "a3", sizedOf("a", 100, 0))
					r.passes(time.Second)
					for _, id := range []string{"a1", "a2", "a3"} {
						r.runs("w", id)
					}
					r.run(ds[0], "d1", device("d"))
					r.passes(500 * time.Millisecond)
					if tt.more {
						r.run(ds[n-1], "c1", device("c"))
						r.passes(500 * time.Millisecond)
					}
					r.run(ds[n-1], "c2", sizedOf("c", 100, 0))
					r.passes(150 * time.Second) // 10 s, and a minute for each of two
					if r.located("c2") == 0 {
						t.Errorf("c2 waits for a core that nobody uses: held %v\nc %s\nd %s", r.held(), r.record("c"), r.record("d"))
					}
					r.reported("w", "a1", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
					r.passes(5 * time.Minute)
					if r.located("c1", "d1") != 1 {
						t.Errorf("the device is nobody's: held %v", r.held())
					}
					stop()
					checked()
				})
			})
		}
	}
}
