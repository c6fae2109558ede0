package daemon

import (
	"testing"

	"github.com/berthd/berth"
)

func cpu(milli int64) berth.Amounts { return berth.Amounts{berth.DimensionCPU: milli} }

// tellQuota tells of a tenant's record in the default pool.
func (s *stage) tellQuota(t berth.TenantID, q berth.Quota) {
	s.tell(tenantKey(t), &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": q}})
}

func (s *stage) tellBlock(t berth.TenantID, d berth.DaemonID, b berth.Block) {
	s.tell(blockKey(blockRef{t, d}), &berth.QuotaBlock{Pools: map[berth.PoolID]berth.Block{"default": b}})
}

func requestOf(t berth.TenantID, id berth.RequestID, milli int64) berth.Request {
	return berth.Request{ID: id, Tenant: t, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: milli}}}.Normalize()
}

// A load tells of allocations before it tells of requests, by which their pool is known: what
// no block counts is counted all the same.
func TestQuota_RequestToldBehindItsAllocation(t *testing.T) {
	s := newStage(t, bigWorker)
	s.tellQuota("a", berth.Quota{Limits: cpu(1000)})
	k := allocationKey("w0", "r")
	s.tell(k, &berth.Allocation{State: berth.StateRunning, Attempt: 1, Tenant: "a", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 300}}})
	s.tell(stateKey("r"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "w0"})
	s.tell(requestKey("r"), &berth.Submission{Spec: requestOf("a", "r", 300)})
	if sum := s.quotas.of[account{"a", "default"}].sum; !sum.Equal(cpu(300)) {
		t.Errorf("%v are counted beside all blocks, want 300", sum)
	}
	s.tell(k, nil)
	if sum := s.quotas.of[account{"a", "default"}].sum; !sum.IsZero() {
		t.Errorf("%v are counted beside all blocks when it has ended", sum)
	}
}

// An answer has brought another daemon's block of after a take, and the watch not yet the
// tenant's record: what is taken is not less for that, and leaves no room in the own block.
func TestQuota_BlockNewerThanTheRecord(t *testing.T) {
	s := newStage(t, bigWorker)
	s.tellQuota("a", berth.Quota{Limits: cpu(550), Taken: cpu(100), Blocks: 2})
	s.tellBlock("a", "daemon", berth.Block{Block: cpu(100)})
	s.tellBlock("a", "other", berth.Block{Used: cpu(500)}) // of before there was such a limit
	s.tell(requestKey("r"), &berth.Submission{Planner: "daemon", Spec: requestOf("a", "r", 100)})
	for range 3 {
		if p := s.step(); len(p.Places) > 0 {
			t.Fatal("placed though 500 of 550 are used")
		}
	}
	s.tellBlock("a", "other", berth.Block{Block: cpu(500), Used: cpu(500)})
	for range 3 {
		if p := s.step(); len(p.Places) > 0 {
			t.Fatal("placed though 500 of 550 are used, for the record says that 100 are taken")
		}
	}
}
