package daemon

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// taken fills a worker with a request that runs there.
func (s *stage) taken(w berth.WorkerID, id berth.RequestID, cpu int64) {
	_, epoch := s.view.worker(w)
	spec := berth.Request{ID: id, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: cpu}}}.Normalize()
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: cpu}}
	ledger, _ := s.view.ledger(w)
	held := *ledger
	held.Count, held.Reserved = 1, share
	s.tell(ledgerKey(w), &held)
	s.tell(requestKey(id), &berth.Submission{Spec: spec})
	s.tell(stateKey(id), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: epoch})
	s.tell(allocationKey(w, id), &berth.Allocation{State: berth.StateRunning, Attempt: 1, Epoch: epoch, Tenant: spec.Tenant, Share: share})
}

// Whoever asks meanwhile why a request waits: when its daemon is silent, others step in
// for one for which room can be made.
func TestPeers_SilentBeforePreemption(t *testing.T) {
	for name, ask := range map[string]func(*stage){
		"nobody asks": func(*stage) {},
		"blocked":     func(s *stage) { s.blocked() },
		"verdict":     func(s *stage) { s.verdict("urgent") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, 1000)
			for i := range 10 {
				s.taken(berth.WorkerID("w"+string(rune('0'+i))), berth.RequestID("r"+string(rune('0'+i))), 1000)
			}
			s.tell(requestKey("urgent"), &berth.Submission{Planner: "other", Spec: berth.Request{
				ID: "urgent", Priority: 9, Preemption: berth.PreemptionLower, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 1000}},
			}.Normalize()})
			s.step()
			ask(s)
			if p := s.pass(stepInAfter - time.Millisecond); p != nil {
				t.Fatalf("planned another's at once: %+v", p)
			}
			if p := s.pass(10 * time.Millisecond); p == nil || len(p.Claims) != 1 || len(p.Stops) != 1 {
				t.Errorf("nobody makes room for the request of a silent daemon: %+v", p)
			}
		})
	}
}
