package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// BenchmarkReclaim looks at what of a lender's waits, a thousand of each shape: for all of them nothing makes room, or all have some and wait for what
// stops already. Either is done each second while it is so. What is guaranteed has room for a few of each shape, or for more than are looked at.
func BenchmarkReclaim(b *testing.B) {
	for _, vain := range []bool{true, false} {
		for _, shapes := range []int{1, 10} {
			for _, guaranteed := range []int64{10_000, bigWorker} {
				b.Run(fmt.Sprintf("vain=%v/shapes=%d/guaranteed=%d", vain, shapes, guaranteed), func(b *testing.B) {
					s := reclaims(b, vain, shapes, guaranteed)
					for b.Loop() {
						if lacks := s.looksAtReclaim(b); vain != lacks.IsZero() {
							b.Fatalf("those that have room lack %v", lacks)
						}
					}
				})
			}
		}
	}
}

// looksAtReclaim is one look, and what those lack who have room.
func (s *stage) looksAtReclaim(tb testing.TB) berth.Amounts {
	tb.Helper()
	r := s.reclaimOf(account{"a", berth.DefaultPool}, s.clock, false)
	waits := s.reclaimers(r)
	look := r.begin()
	ends := look.choose(waits)
	look.undo()
	if ends.of != nil {
		tb.Fatalf("%v are to end", ends)
	}
	return look.lacks
}

// reclaims is a stage of a lender whose requests are for the workers of a rack: these others have, or nobody.
func reclaims(tb testing.TB, vain bool, shapes int, guaranteed int64) *stage {
	tb.Helper()
	s := newStage(tb, bigWorker)
	s.rack("w1", "r")
	if vain {
		s.used("w1", bigWorker)
	}
	s.step()
	s.tellQuota("b", berth.Quota{Limits: cpu(bigWorker), Guaranteed: cpu(0), Borrowed: berth.Loans{"a": cpu(guaranteed)}, Taken: cpu(guaranteed), Blocks: 1})
	s.tellBlock("b", "other", berth.Block{Block: cpu(guaranteed), Used: cpu(guaranteed)})
	s.tellQuota("a", berth.Quota{
		Limits: cpu(guaranteed), Guaranteed: cpu(guaranteed), Lent: berth.Loans{"b": cpu(guaranteed)}, Recalled: berth.Loans{"b": cpu(guaranteed)},
		RecalledSince: map[berth.TenantID]time.Time{"b": s.clock.Add(-time.Hour)}, ReclaimAfterMS: new(int64(30_000)),
		Waits: map[berth.DaemonID]berth.LoanWait{"daemon": {Since: 1, Own: true, Request: "x"}},
	})
	s.tell(requestKey("b0"), &berth.Submission{Spec: requestOf("b", "b0", guaranteed)})
	_, epoch := s.view.worker("w0")
	s.tell(stateKey("b0"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "w0", Epoch: epoch})
	s.tell(allocationKey("w0", "b0"), &berth.Allocation{
		State: berth.StateRunning, Attempt: 1, Epoch: epoch, Tenant: "b", QuotaBlock: "other", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: guaranteed}},
	})
	for i := range 1000 * shapes {
		r := requestOf("a", berth.RequestID(fmt.Sprintf("a%06d", i)), int64(1000+i%shapes))
		r.Constraints = []berth.Constraint{{Label: "rack", Operator: berth.OperatorIn, Values: []string{"r"}}}
		s.queue.put(&waiting{id: r.ID, request: &r, seq: berth.Revision(i + 1)})
		s.queue.block(r.ID, overQuota())
	}
	return s
}
