package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// What has waited for a device since it borrowed CPU finds one, of a type of which its daemon has taken no quota yet, just when its
// lender has wanted the CPU back. It waits for both, and is not tried again and again meanwhile.
func TestLoanAnyType_WantedBackMeanwhile(t *testing.T) {
	for daemons := 1; daemons <= 2; daemons++ {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w", "t4")()
				checked := r.checked()
				ds, stop := r.several(daemons)
				h100 := berth.DeviceDimension("h100")
				_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{
					Tenant: "a", Pool: "default", All: true,
					Set: berth.Amounts{berth.DimensionCPU: 400, h100: 2 * berth.WholeDevice}, Guarantee: berth.Amounts{berth.DimensionCPU: 100},
				})
				r.ok(err)
				r.guarantee(ds[0], "b", 400, 300)
				for id, kind := range map[string]string{"one": "h100", "two": "h100", "three": "t4"} {
					r.run(ds[0], id, wants("free", kind))
				}
				r.passes(time.Second)
				r.run(ds[0], "borrows", func(q *berth.Request) {
					wants("a")(q)
					q.Resources.CPUMilli = 300
				})
				r.passes(100 * time.Millisecond)
				r.run(ds[0], "owns", some("b", 300))
				r.passes(100 * time.Millisecond)
				r.ends("w", "one")
				r.passes(10 * time.Second)
				if r.located("owns") == 0 || r.located("borrows") > 0 {
					t.Errorf("the lender waits for its own: a %s, b %s", r.record("a"), r.record("b"))
				}
				r.quiet()
				r.ends("w", "owns")
				r.passes(10 * time.Second)
				if r.located("borrows") == 0 {
					t.Errorf("it waits though all is idle: a %s, b %s", r.record("a"), r.record("b"))
				}
				stop()
				checked()
			})
		})
	}
}
