package daemon

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// taken fills a worker with a request that runs there.
func (s *stage) taken(w berth.WorkerID, id berth.RequestID) { s.takenBy(w, berth.Request{ID: id}) }

func (s *stage) takenBy(w berth.WorkerID, r berth.Request) {
	_, epoch := s.view.worker(w)
	r.Resources.CPUMilli = 1000
	id, spec := r.ID, r.Normalize()
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 1000}}
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
				s.taken(berth.WorkerID("w"+string(rune('0'+i))), berth.RequestID("r"+string(rune('0'+i))))
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

// A claim that the request left behind, on a worker of another daemon's: until that one has taken
// it off the request waits, and the daemon goes on.
func TestPreempt_ClaimOfBefore(t *testing.T) {
	s := newStage(t, 1000)
	workers := map[berth.DaemonID]berth.WorkerID{}
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000}}
	for _, w := range []berth.WorkerID{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"} {
		if by := s.share.ofWorker(w); workers[by] == "" {
			workers[by] = w
			s.tell(workerKey(w), &berth.Worker{Pool: "p", Capacity: capacity})
			s.tell(ledgerKey(w), &berth.Ledger{Epoch: berth.Epoch(s.rev), Capacity: capacity})
		}
	}
	s.takenBy(workers["daemon"], berth.Request{ID: "high", Pool: "p", Priority: 50})
	s.takenBy(workers["other"], berth.Request{ID: "low", Pool: "p"})
	k := ledgerKey(workers["other"])
	held, _ := s.view.ledger(workers["other"])
	before := *held
	before.Claims = []berth.Claim{{Request: "urgent", Attempt: 1}}
	s.tell(k, &before)
	s.tell(stateKey("urgent"), &berth.Progress{State: berth.StatePending, Attempt: 2})
	s.tell(requestKey("urgent"), &berth.Submission{Planner: "daemon", Spec: berth.Request{
		ID: "urgent", Pool: "p", Priority: 9, Preemption: berth.PreemptionLower, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 1000}},
	}.Normalize()})
	if p := s.step(); !p.Empty() {
		t.Fatalf("planned: %+v", p)
	}
	s.tell(k, held)
	if p := s.pass(time.Second); p == nil || len(p.Claims) != 1 || len(p.Stops) != 1 {
		t.Errorf("no room is made when it is gone: %+v", p)
	}
}

// Who is leaving already is told nothing by a claim that waits for it, and so is compared: the
// answer of another plan may have brought a ledger of after its end, which the watch has not told.
func TestPreempt_ComparesWhoIsLeaving(t *testing.T) {
	s := newStage(t, 1000)
	var w berth.WorkerID
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000}}
	for _, x := range []berth.WorkerID{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"} {
		if s.share.ofWorker(x) == "daemon" {
			w = x
		}
	}
	s.tell(workerKey(w), &berth.Worker{Pool: "p", Capacity: capacity})
	_, epoch := s.view.worker(w)
	half := berth.Share{Quantities: berth.Quantities{CPUMilli: 500}}
	s.tell(ledgerKey(w), &berth.Ledger{Epoch: epoch, Capacity: capacity, Count: 2, Reserved: berth.Share{Quantities: berth.Quantities{CPUMilli: 1000}}})
	for _, id := range []berth.RequestID{"gone", "low"} {
		spec := berth.Request{ID: id, Pool: "p", Resources: berth.Demand{Quantities: half.Quantities}}.Normalize()
		a := &berth.Allocation{State: berth.StateRunning, Attempt: 1, Epoch: epoch, Tenant: spec.Tenant, Share: half}
		if id == "gone" {
			a.Stop = &berth.StopOrder{Reason: berth.StopPreempt, Deadline: s.clock.Add(time.Hour)}
		}
		s.tell(requestKey(id), &berth.Submission{Spec: spec})
		s.tell(stateKey(id), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: epoch})
		s.tell(allocationKey(w, id), a)
	}
	s.tell(requestKey("urgent"), &berth.Submission{Planner: "daemon", Spec: berth.Request{
		ID: "urgent", Pool: "p", Priority: 9, Preemption: berth.PreemptionLower, Resources: berth.Demand{Quantities: capacity.Quantities},
	}.Normalize()})
	p := s.step()
	if len(p.Claims) != 1 || len(p.Stops) != 1 || p.Stops[0].Request != "low" {
		t.Fatalf("no room is made: %+v", p)
	}
	k := allocationKey(w, "gone")
	if want := (berth.Guard{Key: k, Was: s.view.mod(k)}); !slices.Contains(p.Guards, want) {
		t.Errorf("compared: %v; want %v among them", p.Guards, want)
	}
}
