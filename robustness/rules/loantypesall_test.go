package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Devices of two types are guaranteed to a tenant and lent, and nothing is reclaimed. What may have either gets that which comes
// back, whichever it is, and whether or not a third type is allowed, of which there is no device.
func TestLoanTypes_WhicheverComesBack(t *testing.T) {
	for _, third := range []bool{false, true} {
		for _, ends := range []string{"b0", "b1"} {
			for _, what := range []string{"request", "group"} {
				for n := 1; n <= 3; n++ {
					t.Run(fmt.Sprint("third ", third, " ", ends, " ", what, " ", n), func(t *testing.T) {
						bubble(t, func(r *rig) {
							defer r.livesWithDevices("w", "a100")()
							checked := r.checked()
							ds, stop := r.several(n)
							h100, a100 := berth.DeviceDimension("h100"), berth.DeviceDimension("a100")
							for tenant, g := range map[berth.TenantID]int64{"a": 1000, "b": 0} {
								_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{
									Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{h100: 1000, a100: 1000}, Guarantee: berth.Amounts{h100: g, a100: g},
								})
								r.ok(err)
							}
							r.run(ds[0], "c", wants("c", "h100"))
							r.passes(time.Second)
							for id, kind := range map[string]string{"b0": "h100", "b1": "a100"} {
								r.run(ds[0], id, wants("b", kind))
								r.passes(time.Second)
								r.runs("w", id)
							}
							types := []string{"h100", "a100"}
							if third {
								types = append(types, "t4")
							}
							x := "x"
							if what == "request" {
								r.run(ds[0], x, wants("a", types...))
							} else {
								g := r.group("x", 1, 1)
								wants("a", types...)(&g)
								r.submitGroup(ds[0], g)
								x = "x.0"
							}
							r.passes(time.Second)
							for i := range 3 {
								r.run(ds[i%n], fmt.Sprint("h", i), wants("b", "h100"))
								r.run(ds[i%n], fmt.Sprint("a", i), wants("b", "a100"))
							}
							r.quiet()
							r.exits("w", ends)
							r.passes(5 * time.Second)
							if r.are(x) != 1 {
								t.Errorf("it waits: %+v; a %s, b %s", r.state(ds[0], x).Verdict, r.record("a"), r.record("b"))
							}
							r.quiet()
							stop()
							checked()
						})
					})
				}
			}
		}
	}
}

// What has come back, while who waits for no quota took the device, is kept for what wanted it until the next comes free.
func TestLoanTypes_Kept(t *testing.T) {
	for name, types := range map[string][]string{"lent first": {"h100", "a100"}, "any": nil} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "a100")()
					checked := r.checked()
					ds, stop := r.several(n)
					r.lentTypes(ds[0], -1)
					r.run(ds[0], "x", wants("a", types...))
					r.run(ds[0], "free", wants("c", "h100"))
					r.passes(20 * time.Second)
					r.exits("w", "b0")
					r.passes(20 * time.Second)
					if r.are("free") != 1 || r.are("x") != 0 {
						t.Fatal("who waits for no quota does not get the device that comes free first")
					}
					r.run(ds[n-1], "b2", wants("b", "h100"))
					r.passes(500 * time.Millisecond)
					if lent := r.quota(ds[0], "b").Loans.Borrowed; len(lent) > 0 {
						t.Errorf("it is lent again: %+v", lent)
					}
					r.runs("w", "free")
					r.exits("w", "free")
					r.passes(5 * time.Second)
					if r.are("x") != 1 {
						t.Errorf("it waits: %+v; a %s, b %s", r.state(ds[0], "x").Verdict, r.record("a"), r.record("b"))
					}
					r.quiet()
					stop()
					checked()
				})
			})
		}
	}
}
