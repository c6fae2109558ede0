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
