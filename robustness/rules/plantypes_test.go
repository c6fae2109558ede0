package rules

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/snapshot"
)

// A forecast tells for which of several types something waits whose tenant has lent one of them, and has too little left of the others; that the tenant lends
// nothing else meanwhile; and that it has what is lent and not used.
func TestForecast_LentTypesAreAsADaemonHasThem(t *testing.T) {
	for name, types := range map[string][]string{"full first": {"a100", "h100"}, "lent first": {"h100", "a100"}, "any": nil} {
		for _, unused := range []bool{false, true} {
			for _, size := range []int64{0, 1, 2} {
				t.Run(fmt.Sprint(name, " unused ", unused, " ", size), func(t *testing.T) {
					bubble(t, func(r *rig) {
						defer r.livesWithOnly("w", "h100", "h100", "a100", "a100")()
						d, stop := r.daemon()
						r.fullType(d, "a100", "h100", 2, 2000, -1)
						for tenant, g := range map[berth.TenantID]int64{"a": 500, "b": 0} {
							c := daemon.QuotaChange{Tenant: tenant, Pool: "default"}
							c.Set, c.Guarantee = berth.Amounts{berth.DimensionCPU: 1000}, berth.Amounts{berth.DimensionCPU: g}
							_, err := d.SetQuota(r.t.Context(), c)
							r.ok(err)
						}
						r.passes(15 * time.Second)
						if unused {
							r.exits("w", "b0")
							r.exits("w", "b1")
							r.passes(time.Second)
						}
						x := r.submission("x").Spec // by itself, or a group
						if size > 0 {
							x = r.group("x", size, size)
						}
						wants("a", types...)(&x)
						x.StartTimeoutMS = 3_600_000
						y := r.submission("y").Spec
						y.Tenant, y.Resources.CPUMilli, y.StartTimeoutMS = "b", 100, 3_600_000
						change := snapshot.Change{Requests: []berth.Request{x, y}}
						s := snapshot.New(snapshot.Header{Revision: berth.Revision(r.revision())})
						_, err := r.ScanAt(r.t.Context(), s.Revision, snapshot.Kinds, func(f berth.Fact) error { s.Put(f); return nil })
						r.ok(err)
						out, err := s.Forecast(&change)
						r.ok(err)
						told := func(w berth.WorkerID, v *berth.Verdict) string {
							if v == nil {
								return string(w)
							}
							all := v.Reasons // a group is told all types of which more would do
							if i := slices.IndexFunc(all, func(x berth.Reason) bool { return x.Detail == string(berth.DeviceDimension("h100")) }); i > 0 {
								all = all[i:]
							}
							return fmt.Sprint(all[0].Code, " ", all[0].Detail)
						}
						want, got := make(map[berth.RequestID]string), make(map[berth.RequestID]string)
						for i := range out {
							want[out[i].Request] = told(out[i].Worker, out[i].Verdict)
						}
						for _, spec := range change.Requests {
							res, err := d.Submit(r.t.Context(), []berth.Request{spec})
							r.ok(err)
							r.ok(res[0].Err)
							r.passes(time.Second)
						}
						for id := range want {
							st := r.state(d, string(id))
							got[id] = told(st.Worker, st.Verdict)
						}
						if diff := cmp.Diff(want, got); diff != "" {
							t.Errorf("(-forecast +daemon):\n%s", diff)
						}
						stop()
					})
				})
			}
		}
	}
}
