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

// What may have devices of any type gets the CPU of what has ended, and finds devices of a type of which its tenant needs a loan, just when its
// daemon gives that CPU back. It borrows and takes both at once. Its daemon takes no CPU before it borrows the rest: others see that it could go on, and
// does not, step in for it, and want the CPU themselves, by turns for ever.
func TestLoanAnyType_AllAtOnce(t *testing.T) {
	for _, what := range []string{"request", "group"} {
		for daemons := 1; daemons <= 3; daemons++ {
			t.Run(fmt.Sprint(what, " ", daemons), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "t4", "t4")()
					checked := r.checked()
					ds, stop := r.several(daemons)
					h100, t4 := berth.DeviceDimension("h100"), berth.DeviceDimension("t4")
					for tenant, limits := range map[berth.TenantID]berth.Amounts{"a": {t4: 1000}, "b": {berth.DimensionCPU: 300, h100: 0, t4: 2000}} {
						_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: tenant, Pool: "default", All: true, Set: limits, Guarantee: berth.Amounts{t4: 1000}})
						r.ok(err)
					}
					r.run(ds[0], "b0", some("b", 200))
					r.passes(20 * time.Second)
					two := func(q *berth.Request) {
						wants("b")(q)
						q.Resources.CPUMilli, q.Resources.Devices[0].Count = 200, 2
					}
					x := "x"
					if what == "request" {
						r.run(ds[0], x, two)
					} else {
						g := r.group("x", 1, 1)
						two(&g)
						r.submitGroup(ds[0], g)
						x = "x.0"
					}
					r.passes(20 * time.Second)
					r.ends("w", "b0")
					r.passes(100 * time.Millisecond)
					if r.located(x) == 0 {
						t.Errorf("it waits though all is idle: %+v; a %s, b %s", r.state(ds[0], x).Verdict, r.record("a"), r.record("b"))
					}
					r.quiet()
					stop()
					checked()
				})
			})
		}
	}
}
