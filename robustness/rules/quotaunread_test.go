package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// A tenant's record that cannot be read, or that a newer daemon has written, has that tenant's wait, and nobody else: also where something waits for
// its quota and more of that comes free, and where a daemon starts then. When it can be read again all goes on.
func TestQuota_UnreadRecord(t *testing.T) {
	for _, bad := range []string{"null", `{"version":9999,"weight":3}`} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(bad, ", the daemon starts then: ", restarts), func(t *testing.T) {
				bubble(t, func(r *rig) {
					_, kill := r.lives("w")
					defer kill()
					d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"}) // the invariants are broken meanwhile
					_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "a", Pool: "default", Set: berth.Amounts{berth.DimensionCPU: 100}})
					r.ok(err)
					r.run(d, "first", of("a"))
					r.run(d, "second", of("a"))
					g := r.group("g", 2, 2)
					of("a")(&g)
					r.submitGroup(d, g)
					r.passes(time.Second)
					good := string(r.kv("tenants/a").Value)
					r.put("tenants/a", bad)
					if restarts {
						stop()
						d, stop = r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
					}
					r.passes(time.Second)
					_, err = d.Cancel(r.t.Context(), "first", "")
					r.ok(err)
					r.passes(20 * time.Second)
					r.run(d, "other", of("b"))
					r.passes(time.Second)
					if r.are("other") != 1 || r.are("second") != 0 {
						t.Errorf("placed: %v", r.held())
					}
					r.put("tenants/a", good)
					r.passes(20 * time.Second)
					if r.are("second") != 1 {
						t.Errorf("when it can be read again, placed: %v; %+v", r.held(), r.state(d, "second").Verdict)
					}
					stop()
				})
			})
		}
	}
}
