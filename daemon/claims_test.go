package daemon

import (
	"math"
	"slices"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// ownWorker is one that this daemon owns.
func (s *stage) ownWorker() berth.WorkerID {
	own := slices.DeleteFunc([]berth.WorkerID{"w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"}, func(w berth.WorkerID) bool { return s.share.ofWorker(w) != "daemon" })
	return own[0]
}

// promised tells of a request that waits, and of its claim on a worker.
func (s *stage) promised(r berth.Request, on berth.WorkerID, capacity berth.Capacity, victims ...berth.RequestID) {
	_, epoch := s.view.worker(on)
	wants := berth.Share{Quantities: r.Resources.Quantities}
	s.tell(ledgerKey(on), &berth.Ledger{Epoch: epoch, Capacity: capacity, Held: wants, Claims: []berth.Claim{{Request: r.ID, Attempt: 1, Share: wants, Wants: wants, Victims: victims}}})
	s.tell(stateKey(r.ID), &berth.Progress{State: berth.StatePending, Attempt: 1, ClaimOn: on})
	s.tell(requestKey(r.ID), &berth.Submission{Planner: "daemon", Spec: r})
}

// A claim whose request cannot be placed where it was promised, for whatever reason, ends
// nothing but itself: its request waits on.
func TestClaim_CannotBeMet(t *testing.T) {
	s := newStage(t, bigWorker)
	w := s.ownWorker()
	r := requestOf("a", "r", 100)
	r.Resources.Custom = map[string]int64{"x": 1}
	s.tellQuota("a", berth.Quota{Limits: cpu(1000), Taken: cpu(500), Blocks: 1})
	s.tellBlock("a", "daemon", berth.Block{Block: cpu(500), Used: berth.Amounts{berth.CustomDimension("x"): math.MaxInt64}}) // no more can be added
	s.promised(r, w, berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, Custom: map[string]int64{"x": 10}}})
	s.take(etcdstore.Delta{Revision: s.rev})
	p := s.step()
	if len(p.Claims) != 1 || p.Claims[0].State.ClaimOn != "" || len(p.Ledgers) != 1 || len(p.Ledgers[0].Ledger.Claims) > 0 || len(p.Places) > 0 {
		t.Errorf("the claim is not given up: %+v", p)
	}
}

// A claim is given up, and its request is looked at behind that, with room on other workers: the
// plan that puts its state does so once.
func TestClaim_GivenUpThenLookedAt(t *testing.T) {
	s := newStage(t, bigWorker)
	w := s.ownWorker()
	s.step()
	s.tell(berth.Key{Kind: berth.KindIntent, ID: string(w)}, &berth.Intent{Cordon: true})
	s.promised(requestOf("a", "r", 100), w, berth.Capacity{Quantities: berth.Quantities{CPUMilli: bigWorker}}, "victim")
	s.take(etcdstore.Delta{Revision: s.rev})
	s.due.add(requestKey("r")) // behind the worker
	if p := s.step(); len(p.Claims) != 1 || len(p.Places) > 0 {
		t.Errorf("%d puts of its state for the claim, %d for a place: %+v", len(p.Claims), len(p.Places), p)
	}
}
