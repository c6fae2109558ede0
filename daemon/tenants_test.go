package daemon

import (
	"testing"

	"github.com/berthd/berth"
)

// What was left to another daemon a moment ago waits, too.
func TestQuotaStatus_CountsWhatIsFresh(t *testing.T) {
	s := newStage(t, bigWorker)
	s.tell(tenantKey("a"), &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: berth.Amounts{berth.DimensionCPU: 100}}}})
	s.step()
	r := berth.Request{ID: "r", Tenant: "a", Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 200}}}.Normalize()
	s.tell(requestKey("r"), &berth.Submission{Planner: "other", Spec: r})
	of := account{"a", "default"}
	if q := s.quotaStatus(of, s.waitingAll()[of]); q.Waiting != 1 {
		t.Errorf("%d wait, want 1", q.Waiting)
	}
}

// A tenant that waits for its quota is told what the pool has, beside what is guaranteed of it: to
// guarantee more than that would help nobody.
func TestTellStands_Have(t *testing.T) {
	s := newStage(t, bigWorker)
	s.tell(workerKey("elsewhere"), &berth.Worker{Pool: "other", Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 7}}})
	for _, tenant := range []berth.TenantID{"a", "b"} {
		s.tell(tenantKey(tenant), &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {
			Limits: berth.Amounts{berth.DimensionCPU: 100}, Guaranteed: berth.Amounts{berth.DimensionCPU: 50},
		}}})
	}
	s.step()
	v := &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonQuota, Detail: string(berth.DimensionCPU), Want: 200}}}
	s.tellStands(v, account{"a", "default"})
	if st := v.Reasons[0].Stands; st == nil || st.Ever != 100 || st.Have != 10*bigWorker {
		t.Errorf("it stands so: %+v; want 100 guaranteed of %d", st, 10*bigWorker)
	}
	s.tell(workerKey("w0"), nil)
	s.tellStands(v, account{"a", "default"})
	if got := v.Reasons[0].Stands.Have; got != 9*bigWorker {
		t.Errorf("without a worker that is lost there is %d, want %d", got, 9*bigWorker)
	}
}
