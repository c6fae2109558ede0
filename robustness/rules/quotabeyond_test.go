package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// h100 is the dimension of one of the devices of livesWithDevices.
var h100 = berth.DeviceDimension("h100")

// oneH100 asks for a device, and for so many cores.
func oneH100(t berth.TenantID, milli int64) func(*berth.Request) {
	return func(q *berth.Request) { wants(t, "h100")(q); q.Resources.CPUMilli = milli }
}

// setsBoth limits a tenant's cores and devices.
func (r *rig) setsBoth(d *daemon.Daemon, t berth.TenantID, cores, devices int64) {
	r.t.Helper()
	_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: t, Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: cores, h100: devices}})
	r.ok(err)
}

// A limit that is set below what is used keeps nobody from what is of another dimension, be it a request or a group; and
// of the one that is beyond nobody gets anything. Then nothing is taken and given back any more.
func TestQuota_BeyondInOneDimension(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, members := range []int64{0, 2} {
			t.Run(fmt.Sprint(n, " of ", members), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					defer r.livesWithDevices("w")() // two h100
					ds, stop := r.several(n)
					r.setsBoth(ds[0], "a", 500, 2000)
					r.run(ds[0], "x", some("a", 500))
					r.setsBoth(ds[0], "a", 400, 2000)
					for i := range n {
						r.run(ds[i], fmt.Sprint("beyond", i), oneH100("a", 100))
					}
					if members > 0 {
						g := r.group("g", members, members)
						oneH100("a", 0)(&g)
						r.submitGroup(ds[0], g)
					} else {
						r.run(ds[0], "g.0", oneH100("a", 0))
						r.run(ds[0], "g.1", oneH100("a", 0))
					}
					r.passes(time.Minute)
					if k := r.are("g.0", "g.1"); k != 2 || r.are("beyond0") != 0 {
						t.Errorf("%d of two are placed, and %d beyond the limit: %s", k, r.are("beyond0"), r.record("a"))
					}
					r.quiet()
					stop()
					checked()
				})
			})
		}
	}
}

// What a tenant is to give back of one dimension keeps it from nothing that is its own of another.
func TestQuota_BeyondForALoan(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				defer r.livesWithDevices("w")() // two h100
				ds, stop := r.several(n)
				for _, tenant := range []berth.TenantID{"a", "b"} {
					_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{
						Tenant: tenant, Pool: "default", All: true,
						Set: berth.Amounts{berth.DimensionCPU: 400, h100: 2000}, Guarantee: berth.Amounts{berth.DimensionCPU: 200, h100: 1000},
					})
					r.ok(err)
				}
				r.run(ds[0], "lent", some("a", 400))
				r.run(ds[0], "wants", some("b", 200))
				r.passes(time.Minute)
				if r.are("lent") != 1 || r.are("wants") != 0 {
					t.Fatalf("nothing is lent, and wanted back: %s", r.record("a"))
				}
				r.run(ds[0], "own", oneH100("a", 0))
				r.passes(time.Minute)
				if r.are("own") != 1 {
					t.Errorf("what needs nothing of what is wanted back waits: %s", r.record("a"))
				}
				r.quiet()
				r.ends("w", "lent")
				r.passes(time.Minute)
				if r.are("wants") != 1 {
					t.Errorf("what was lent is not given back: %s", r.record("b"))
				}
				stop()
				checked()
			})
		})
	}
}
