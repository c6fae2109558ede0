package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// What may have another type of devices waits for a worker with that. Of the type that is guaranteed to its tenant it wants more than that has room for with what
// is used, and no loan could help: so nothing of that is kept for it, and others are lent what is idle.
func TestLoanTypes_BeyondWhatIsGuaranteed(t *testing.T) {
	for name, types := range map[string][]string{"with another": {"h100", "a100"}, "any": nil, "alone": {"h100"}} {
		for _, preempts := range []berth.Preemption{berth.PreemptionLower, ""} {
			for _, n := range []int{1, 3} {
				t.Run(fmt.Sprint(name, " ", preempts, " ", n), func(t *testing.T) {
					bubble(t, func(r *rig) {
						defer r.livesWithDevices("w", "h100", "h100", "h100", "h100")()
						checked := r.checked()
						ds, stop := r.several(n)
						h100, ms := berth.DeviceDimension("h100"), int64(0)
						for tenant, of := range map[berth.TenantID][2]int64{"b": {6000, 3000}, "c": {9000, 0}} {
							_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{
								Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{h100: of[0]}, Guarantee: berth.Amounts{h100: of[1]}, ReclaimAfterMS: &ms,
							})
							r.ok(err)
						}
						half := func(q *berth.Request) {
							wants("c", "h100")(q)
							q.Resources.Devices[0].Milli = 500
						}
						r.run(ds[0], "c0", half)
						r.passes(time.Second)
						r.runs("w", "c0")
						var all []berth.Request
						for id, priority := range map[string]int32{"b1": 10, "b2": 0} {
							s := r.submission(id).Spec
							wants("b", types...)(&s)
							s.Resources.Devices[0].Count, s.Priority, s.StartTimeoutMS = 2, priority, 3_600_000
							if id == "b2" {
								s.Preemption = preempts
							}
							all = append(all, s)
						}
						res, err := ds[0].Submit(r.t.Context(), all)
						r.ok(err)
						for i := range res {
							r.ok(res[i].Err)
						}
						r.passes(time.Second)
						if r.are("b1", "b2") != 1 {
							t.Fatalf("b %s", r.record("b"))
						}
						r.run(ds[n-1], "c1", half)
						r.passes(30 * time.Second)
						if r.are("c1") != 1 {
							t.Errorf("it waits: %+v; b %s, c %s; b2 %+v", r.state(ds[0], "c1").Verdict, r.record("b"), r.record("c"), r.state(ds[0], "b2").Verdict)
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

// What waited for a worker with its quota, until others of its tenant were placed by that, keeps nothing of what is left, where that is too little for it.
func TestLoan_BeyondSinceOthersWerePlaced(t *testing.T) {
	for _, what := range []string{"request", "group"} {
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprint(what, " ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithOnly("w", "h100", "h100")()
					for _, w := range []berth.WorkerID{"w0", "w1", "w2"} {
						r.t.Cleanup(r.livesWithOnly(w, "h100"))
					}
					checked := r.checked()
					ds, stop := r.several(n)
					h100 := berth.DeviceDimension("h100")
					for tenant, of := range map[berth.TenantID][2]int64{"b": {6000, 3000}, "c": {9000, 0}} {
						_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{
							Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{h100: of[0]}, Guarantee: berth.Amounts{h100: of[1]},
						})
						r.ok(err)
					}
					two := func(tenant berth.TenantID) func(*berth.Request) {
						return func(q *berth.Request) {
							wants(tenant, "h100")(q)
							q.Resources.Devices[0].Count, q.StartTimeoutMS = 2, 3_600_000
						}
					}
					r.run(ds[0], "f", two("free"))
					r.passes(time.Second)
					r.runs("w", "f")
					if what == "request" {
						r.run(ds[0], "x", two("b"))
					} else {
						g := r.group("x", 1, 1)
						two("b")(&g)
						r.submitGroup(ds[0], g)
					}
					r.passes(20 * time.Second)
					for i := range 2 {
						r.run(ds[0], fmt.Sprint("b", i), func(q *berth.Request) {
							wants("b", "h100")(q)
							q.StartTimeoutMS = 3_600_000
						})
						r.passes(time.Second)
					}
					if r.are("b0", "b1") != 2 {
						t.Fatalf("b %s", r.record("b"))
					}
					r.passes(20 * time.Second)
					r.run(ds[n-1], "c", func(q *berth.Request) {
						wants("c", "h100")(q)
						q.StartTimeoutMS = 3_600_000
					})
					r.passes(30 * time.Second)
					if r.are("c") != 1 {
						t.Errorf("it waits: %+v; b %s, c %s", r.state(ds[0], "c").Verdict, r.record("b"), r.record("c"))
					}
					r.quiet()
					stop()
					checked()
				})
			})
		}
	}
}
