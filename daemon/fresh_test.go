package daemon

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// leftToOther is told of a request that a third daemon has left to "other".
func leftToOther(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, bigWorker)
	r := berth.Request{ID: "r", Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100}}}.Normalize()
	s.tell(requestKey("r"), &berth.Submission{Spec: r, Planner: "other"})
	s.step()
	return s
}

// What was left to another daemon is looked at by no third one while its planner may
// place it at once; it is owed all the same.
func TestFresh_NotLookedAt(t *testing.T) {
	s := leftToOther(t)
	p := s.peers.byID["other"]
	if p.queue.len() > 0 || !p.owes() {
		t.Fatalf("%d are queued, owed %t; want none, and owed", p.queue.len(), p.owes())
	}
	w := s.workerOf("other")
	_, epoch := s.view.worker(w)
	s.tell(stateKey("r"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: epoch})
	if p.owes() || len(p.fresh) > 0 {
		t.Error("it is owed, though it was placed")
	}
}

// It is queued when half of the planner's time has passed, and placed by another when
// all of it has.
func TestFresh_Late(t *testing.T) {
	s := leftToOther(t)
	p := s.peers.byID["other"]
	if s.pass(stepInAfter/2+time.Millisecond) != nil || p.queue.len() != 1 || len(p.fresh) > 0 {
		t.Errorf("%d are queued, %d fresh; want it queued after half of the time", p.queue.len(), len(p.fresh))
	}
	plan := s.pass(stepInAfter/2 + time.Millisecond)
	if plan == nil || len(plan.Places) != 1 || plan.Places[0].Request != "r" {
		t.Errorf("planned %+v; want the request placed after all of the time", plan)
	}
	s.wantStepIns(1)
}

// It is placed by another at once when its planner is gone.
func TestFresh_PlannerGone(t *testing.T) {
	s := leftToOther(t)
	s.tell(daemonKey("other"), nil)
	if p := s.step(); len(p.Places) != 1 || p.Places[0].Request != "r" {
		t.Errorf("planned %+v; want the request placed", p.Places)
	}
}

// Who asks why a request waits is told, however fresh it is.
func TestFresh_Asked(t *testing.T) {
	s := newStage(t, 50)
	r := berth.Request{ID: "r", Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100}}}.Normalize()
	s.tell(requestKey("r"), &berth.Submission{Spec: r, Planner: "other"})
	s.step()
	s.view.passed(s.rev)
	if v := s.verdict("r"); v == nil || len(v.Reasons) == 0 {
		t.Errorf("the verdict is %+v; want that no worker is large enough", v)
	}
	if n := s.blocked(); n != 1 {
		t.Errorf("%d are blocked, want 1", n)
	}
}
