package daemon

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// peerWaits has a request of priority 5 wait with the other daemon until a worker of this one's has room for it.
func peerWaits(t *testing.T) (s *stage, w berth.WorkerID) {
	t.Helper()
	s = newStage(t, bigWorker)
	s.usedOf("daemon", bigWorker)
	s.usedOf("other", bigWorker)
	r := berth.Request{ID: "first", Priority: 5, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: bigWorker}}}.Normalize()
	s.tell(requestKey("first"), &berth.Submission{Spec: r, Planner: "other"})
	s.otherCommits()
	if p := s.pass(stepInAfter/2 + time.Millisecond); p != nil || s.peers.byID["other"].queue.len() != 1 {
		t.Fatalf("planned %+v; want the request in the other's queue", p)
	}
	w = s.ownWorker()
	s.used(w, 0)
	return s, w
}

// What is submitted in the moment in which room comes leaves that to what another daemon has waiting, and waits; when that has its place
// elsewhere, the room is there for it.
func TestPeersFirst_New(t *testing.T) {
	s, w := peerWaits(t)
	own := berth.RequestID("new")
	for s.share.ofRequest(&berth.Request{ID: own, Pool: "default"}, "") != "daemon" {
		own += "er"
	}
	s.submit(own, bigWorker)
	b := s.gathered()
	if len(b.plan.Submits) != 1 || len(b.plan.Places) != 0 || b.plan.Submits[0].Planner != "" {
		t.Fatalf("plan %+v; want the request alone, left to nobody", b.plan)
	}
	s.applied(b)
	_, epoch := s.view.worker(w)
	s.tell(stateKey("first"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "elsewhere", Epoch: epoch})
	if p := s.step(); len(p.Places) != 1 || p.Places[0].Request != own {
		t.Errorf("planned %+v; want the request placed, for nothing is left to anybody", p.Places)
	}
}

// What is left to a request of another daemon's for which it is not told why that does not have it is left no longer than a moment.
func TestPeersFirst_ForAMoment(t *testing.T) {
	s, _ := peerWaits(t)
	began := s.clock
	for _, id := range []berth.RequestID{"a", "b", "c", "d", "e"} {
		r := berth.Request{ID: id, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: bigWorker}}}.Normalize()
		s.tell(requestKey(id), &berth.Submission{Spec: r})
	}
	for s.clock.Sub(began) < time.Second {
		s.otherCommits() // or its requests were this one's
		if p := s.step(); len(p.Places) > 0 {
			if after := s.clock.Sub(began); after < stepInAfter/2 {
				t.Errorf("%s is placed after %s", p.Places[0].Request, after)
			}
			return
		}
		s.clock = s.clock.Add(time.Millisecond)
	}
	t.Error("nothing is placed though there is room")
}

// What has left something is not tried again before its time is over, or something waits no more to which it was left, however often its tenant is
// looked at: each try has others of its tenant looked at, too.
func TestPeersFirst_OnceForEach(t *testing.T) {
	s, _ := peerWaits(t)
	own := berth.RequestID("new")
	for s.share.ofRequest(&berth.Request{ID: own, Pool: "default"}, "") != "daemon" {
		own += "er"
	}
	r := berth.Request{ID: own, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: bigWorker}}}.Normalize()
	s.tell(requestKey(own), &berth.Submission{Spec: r})
	s.step()
	c := s.queue.of[own]
	if c == nil || !c.parked {
		t.Fatalf("class %+v; want it to have left the room", c)
	}
	s.due.add(tenantKey(r.Tenant))
	s.lookTenant(r.Tenant, newBuilder(s.loop, s.clock))
	if !c.parked {
		t.Error("it is tried again at once")
	}
	s.clock = s.clock.Add(stepInAfter/2 + time.Millisecond)
	s.otherCommits()
	s.lookTenant(r.Tenant, newBuilder(s.loop, s.clock))
	if c.parked {
		t.Error("it is not tried again though its time is over")
	}
}
