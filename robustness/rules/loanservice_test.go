package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A service has borrowed more than b would have, and never ends. Small ones of c, one of which ends each second, hold as much as b waits
// for: they go back for it, as where nobody has borrowed more.
func TestLoan_StreamBesideService(t *testing.T) {
	for daemons := 1; daemons <= 2; daemons++ {
		for _, service := range []int64{0, 100, 300} {
			t.Run(fmt.Sprintf("%d daemons, service %d", daemons, service), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(daemons)
					c := r.smallOnes(ds, 100)
					c.of = "c"
					r.guarantee(ds[0], "a", 200+service, 200+service)
					for _, borrows := range []berth.TenantID{"x", "b", "c"} {
						r.guarantee(ds[0], borrows, 800, 0)
					}
					if service > 0 {
						r.run(ds[0], "service", some("x", service))
						r.passes(time.Second)
						r.runs(r.whereIs("service"), "service")
					}
					s := r.streams(c)
					if n := c.placed(); n != 2 {
						t.Fatalf("%d of c are placed", n)
					}
					r.run(ds[0], "one", some("b", 200))
					if !s.until(60, func() bool { return r.located("one") > 0 }) {
						t.Errorf("it waits after a minute: a %s, b %s, c %s, x %s", r.record("a"), r.record("b"), r.record("c"), r.record("x"))
					}
					c.stop()
					stop()
					checked()
				})
			})
		}
	}
}

// Where the service has borrowed much of another dimension, and little of what b lacks, all give back at once.
func TestLoan_AtOnceBesideServiceOfOther(t *testing.T) {
	bubble(t, func(r *rig) {
		checked := r.checked()
		d, stop := r.daemon()
		_, kill := r.lives("w")
		defer kill()
		const mib = 1 << 20
		for tenant, guaranteed := range map[berth.TenantID]int64{"a": 1, "x": 0, "b": 0, "c": 0} {
			_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{
				Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: 900, berth.DimensionMemory: 200 * mib},
				Guarantee: berth.Amounts{berth.DimensionCPU: guaranteed * 900, berth.DimensionMemory: guaranteed * 200 * mib},
			})
			r.ok(err)
		}
		ask := func(id string, of berth.TenantID, cpu, memory int64) {
			r.run(d, id, func(q *berth.Request) { some(of, cpu)(q); q.Resources.MemoryBytes = memory * mib })
			r.passes(time.Second)
		}
		ask("service", "x", 800, 1)
		ask("c0", "c", 10, 190)
		r.runs("w", "service")
		ask("c1", "c", 10, 190)
		ask("one", "b", 10, 190)
		r.passes(15 * time.Second)
		r.ends("w", "c0")
		r.passes(2 * time.Second)
		if r.located("one") != 1 {
			t.Errorf("what ended went to its own tenant's: b %s, c %s, x %s", r.record("b"), r.record("c"), r.record("x"))
		}
		stop()
		checked()
	})
}
