package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// submit hands in a request, and returns where its answer comes.
func (s *stage) submit(id berth.RequestID, cpu int64) *submitCall {
	s.t.Helper()
	sub, err := s.d.prepare(berth.Request{
		ID: id, Command: []string{"true"}, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: cpu}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	c := newSubmitCall(1)
	c.add(sub, 0)
	s.receive(c.subs)
	return c
}

// used has a worker's ledger full up to so much.
func (s *stage) used(w berth.WorkerID, cpu int64) {
	ledger, _ := s.view.ledger(w)
	next := *ledger
	next.Count, next.Reserved.CPUMilli = 1, cpu
	s.tell(ledgerKey(w), &next)
}

// usedOf has all workers of a daemon full up to so much.
func (s *stage) usedOf(d berth.DaemonID, cpu int64) {
	for i := range 10 {
		if w := berth.WorkerID(fmt.Sprintf("w%d", i)); s.share.ofWorker(w) == d {
			s.used(w, cpu)
		}
	}
	s.step()
}

// applied has a plan that was gathered answered, as the store would.
func (s *stage) applied(b *builder) {
	for i := range b.plan.Submits {
		s.tell(requestKey(b.plan.Submits[i].Spec.ID), &b.plan.Submits[i].Submission)
	}
	for _, p := range b.plan.Places {
		s.tell(stateKey(p.Request), &p.State)
		s.tell(allocationKey(p.Worker, p.Request), &p.Allocation)
	}
	b.committed()
	for _, k := range b.after {
		s.due.add(k)
	}
	s.step()
}

func (s *stage) gathered() *builder {
	b := newBuilder(s.loop, s.clock)
	s.gather(b)
	return b
}

func answered(c *submitCall) (SubmitResult, bool) { return c.results[0], c.left == 0 }

// leftOne has left one request to the other daemon, whose workers are empty while this one's are not.
func leftOne(t *testing.T) (*stage, *submitCall) {
	t.Helper()
	s := newStage(t, bigWorker)
	s.usedOf("daemon", bigWorker/2)
	c := s.submit("r", 100)
	b := s.gathered()
	if len(b.plan.Submits) != 1 || len(b.plan.Places) != 0 || b.plan.Submits[0].Planner != "other" {
		t.Fatalf("plan %+v; want the request alone, left to the other daemon", b.plan)
	}
	s.applied(b)
	if _, ok := answered(c); ok {
		t.Fatal("answered before its planner had its time")
	}
	return s, c
}

// What a worker of its own share takes is placed with its submission; what another's
// would take better is left to that one, however many there are.
func TestLeave_ToTheOwner(t *testing.T) {
	s := newStage(t, bigWorker)
	s.submit("own", 100)
	b := s.gathered()
	if len(b.plan.Places) != 1 || b.plan.Submits[0].Planner != "" || s.share.ofWorker(b.plan.Places[0].Worker) != "daemon" {
		t.Fatalf("plan %+v; want the request placed on an own worker", b.plan)
	}
	s.applied(b)
	s.usedOf("daemon", bigWorker/2)
	for i := range 50 {
		s.submit(berth.RequestID(fmt.Sprintf("r%d", i)), 100)
	}
	if b := s.gathered(); len(b.plan.Submits) != 50 || len(b.plan.Ledgers) != 0 {
		t.Errorf("%d submissions and %d ledgers in the plan; want 50 and none", len(b.plan.Submits), len(b.plan.Ledgers))
	}
}

// The submitter hears when the planner has placed it, or has had its time.
func TestLeave_Answer(t *testing.T) {
	s, c := leftOne(t)
	w := s.workerOf("other")
	_, epoch := s.view.worker(w)
	s.tell(stateKey("r"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: epoch})
	s.tell(allocationKey(w, "r"), &berth.Allocation{State: berth.StatePlaced, Attempt: 1, Epoch: epoch})
	s.step()
	if r, ok := answered(c); !ok || r.Err != nil || r.Status.State != berth.StatePlaced || r.Status.Worker != w {
		t.Errorf("answered %t with %+v; want placed on %s", ok, r, w)
	}
	if len(s.incoming.left)+len(s.incoming.byID) > 0 {
		t.Errorf("it is kept: %v %v", s.incoming.left, s.incoming.byID)
	}

	s, c = leftOne(t)
	s.otherCommits() // it lives
	s.pass(stepInAfter - time.Millisecond)
	if _, ok := answered(c); ok {
		t.Error("answered before its planner had its time")
	}
	s.otherCommits()
	s.pass(2 * time.Millisecond)
	if r, ok := answered(c); !ok || r.Err != nil || r.Status.State != berth.StatePending {
		t.Errorf("answered %t with %+v; want pending", ok, r)
	}

	s, c = leftOne(t)
	s.stopping = true
	s.tellAllLeft()
	if r, ok := answered(c); !ok || r.Err != nil || r.Status.State != berth.StatePending {
		t.Errorf("answered %t with %+v when the daemon stops; want pending", ok, r)
	}
}

// A planner that is silent, gone, or without a worker has nothing left to it.
func TestLeave_PlannerGone(t *testing.T) {
	for name, goes := range map[string]func(s *stage){
		"silent":  func(s *stage) { s.clock = s.clock.Add(time.Millisecond) },
		"gone":    func(s *stage) { s.tell(daemonKey("other"), nil) },
		"no work": func(s *stage) { s.withoutWorkers("other") },
	} {
		t.Run(name, func(t *testing.T) {
			s, c := leftOne(t)
			goes(s)
			p := s.pass(stepInAfter + time.Millisecond)
			if p == nil || len(p.Places) != 1 {
				t.Fatalf("plan %+v; want the request placed", p)
			}
			if r, ok := answered(c); ok && r.Err != nil {
				t.Errorf("answered %+v", r)
			}
		})
	}
}

func (s *stage) withoutWorkers(d berth.DaemonID) {
	for i := range 10 {
		if w := berth.WorkerID(fmt.Sprintf("w%d", i)); s.share.ofWorker(w) == d {
			s.tell(workerKey(w), nil)
		}
	}
}

// What was left to a daemon goes to its own workers, though another's are emptier.
func TestLeave_PlacedOnOwn(t *testing.T) {
	s := newStage(t, bigWorker)
	s.usedOf("daemon", bigWorker/2)
	r := berth.Request{ID: "r", Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100}}}.Normalize()
	s.tell(requestKey("r"), &berth.Submission{Spec: r, Planner: "daemon"})
	p := s.step()
	if len(p.Places) != 1 || s.share.ofWorker(p.Places[0].Worker) != "daemon" {
		t.Errorf("placed %+v; want it on an own worker", p.Places)
	}
}

// What the fleet had reserved for what was left is given up: its planner decides.
func TestLeave_NothingReserved(t *testing.T) {
	s, _ := leftOne(t)
	for i := range 10 {
		w := berth.WorkerID(fmt.Sprintf("w%d", i))
		if ledger, _ := s.view.ledger(w); s.fleet.Worker(w).Ledger.Reserved.CPUMilli != ledger.Reserved.CPUMilli {
			t.Errorf("%s has %d reserved; the ledger %d", w, s.fleet.Worker(w).Ledger.Reserved.CPUMilli, ledger.Reserved.CPUMilli)
		}
	}
}

// While the rest of the store is being loaded nobody looks at requests: the submitter
// is answered when its own is durable.
func TestLeave_Early(t *testing.T) {
	s := newStage(t, bigWorker)
	s.usedOf("daemon", bigWorker/2)
	c := s.submit("r", 100)
	b := s.gathered()
	s.loaded = false
	s.tell(requestKey("r"), &b.plan.Submits[0].Submission)
	b.committed()
	if r, ok := answered(c); !ok || r.Err != nil || r.Status.ID != "r" {
		t.Errorf("answered %t with %+v", ok, r)
	}
}
