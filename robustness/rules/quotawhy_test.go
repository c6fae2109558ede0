package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Of several limits the one that is used up is why a request waits, not one of which more could be taken.
func TestQuota_TellsWhatIsUsedUp(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{
			Tenant: "a", Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: 100_000, berth.DimensionMemory: 100 << 20},
		})
		r.ok(err)
		for _, id := range []string{"first", "second"} {
			r.run(d, id, func(q *berth.Request) {
				q.Tenant, q.Resources.CPUMilli, q.Resources.MemoryBytes, q.StartTimeoutMS = "a", 100, 80<<20, 3_600_000
			})
			r.passes(15 * time.Second)
		}
		v := r.state(d, "second").Verdict
		if v == nil || len(v.Reasons) != 1 || v.Reasons[0].Detail != string(berth.DimensionMemory) || v.Reasons[0].Best != 20<<20 {
			t.Errorf("%+v, want that 20 MiB of memory are left", v)
		}
		stop()
	})
}
