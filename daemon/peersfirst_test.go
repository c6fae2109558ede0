package daemon

import (
	"fmt"
	"slices"
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
// looked at: each try has others of its tenant looked at, too. Meanwhile nobody is stopped for it.
func TestPeersFirst_OnceForEach(t *testing.T) {
	for _, preemption := range []berth.Preemption{berth.PreemptionNever, berth.PreemptionLower} {
		s, w := peerWaits(t)
		if preemption == berth.PreemptionLower { // it could have room made beside
			_, epoch := s.view.worker(w)
			other := s.ownWorker()
			for _, one := range []berth.WorkerID{"w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9"} {
				if one != w && s.share.ofWorker(one) == "daemon" {
					other = one
				}
			}
			share := berth.Share{Quantities: berth.Quantities{CPUMilli: bigWorker}}
			s.tell(requestKey("victim"), &berth.Submission{Spec: berth.Request{ID: "victim", Resources: berth.Demand{Quantities: share.Quantities}}.Normalize()})
			s.tell(stateKey("victim"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: other, Epoch: epoch})
			_, epoch = s.view.worker(other)
			s.tell(allocationKey(other, "victim"), &berth.Allocation{State: berth.StateRunning, Attempt: 1, Epoch: epoch, Tenant: "default", Share: share})
		}
		own := berth.RequestID("new")
		for s.share.ofRequest(&berth.Request{ID: own, Pool: "default"}, "") != "daemon" {
			own += "er"
		}
		r := berth.Request{ID: own, Priority: 3, Preemption: preemption, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: bigWorker}}}.Normalize()
		s.tell(requestKey(own), &berth.Submission{Spec: r})
		if p := s.step(); len(p.Stops) > 0 {
			t.Errorf("preemption %s: %v is to stop, though room is left to another", preemption, p.Stops)
		}
		waits := func() bool { return s.queue.len() == 1 && !s.queue.anyOpen() }
		if !waits() {
			t.Fatalf("preemption %s: it has not left the room", preemption)
		}
		s.due.add(tenantKey(r.Tenant))
		s.lookTenant(r.Tenant, newBuilder(s.loop, s.clock))
		if !waits() {
			t.Errorf("preemption %s: it is tried again at once", preemption)
		}
		s.clock = s.clock.Add(stepInAfter/2 + time.Millisecond)
		s.otherCommits()
		s.lookTenant(r.Tenant, newBuilder(s.loop, s.clock))
		s.lookWorker(w, newBuilder(s.loop, s.clock))
		if waits() {
			t.Errorf("preemption %s: it is not tried again though its time is over", preemption)
		}
	}
}

// has tells of a request with so many thousandths of a core that a daemon plans.
func (s *stage) has(by berth.DaemonID, id berth.RequestID, priority int32, cpu int64) {
	s.hasOf("b", by, id, priority, cpu)
}

func (s *stage) hasOf(t berth.TenantID, by berth.DaemonID, id berth.RequestID, priority int32, cpu int64) {
	r := requestOf(t, id, cpu)
	r.Priority = priority
	s.tell(requestKey(id), &berth.Submission{Spec: r, Planner: by})
}

// wantPlaced wants this daemon to place these requests alone, when quota has moved for them.
func (s *stage) wantPlaced(ids ...berth.RequestID) {
	s.t.Helper()
	var got []berth.RequestID
	for range 5 {
		plan := s.step()
		for _, p := range plan.Places {
			got = append(got, p.Request)
		}
		if len(got) > 0 {
			break
		}
		for i := range plan.Tenants {
			s.tell(tenantKey(plan.Tenants[i].ID), plan.Tenants[i].Tenant)
		}
		for i := range plan.Blocks {
			if k, block := blockKey(blockRef{plan.Blocks[i].Tenant, plan.Blocks[i].Daemon}), plan.Blocks[i].Block; block != nil {
				s.tell(k, block)
			} else {
				s.tell(k, nil)
			}
		}
	}
	if !slices.Equal(got, ids) {
		s.t.Errorf("placed %v, want %v", got, ids)
	}
}

// roomComes has room come on n workers of this daemon's, when what others have is known to wait.
func roomComes(t *testing.T, n int, room int64, others func(*stage)) *stage {
	t.Helper()
	s := newStage(t, bigWorker)
	s.usedOf("daemon", bigWorker)
	s.usedOf("other", bigWorker)
	others(s)
	s.otherCommits()
	for known := s.clock.Add(stepInAfter/2 + time.Millisecond); s.clock.Before(known); {
		s.pass(time.Millisecond)
	}
	if s.peers.byID["other"].queue.len() == 0 {
		t.Fatal("nothing is in the other's queue")
	}
	for i := 0; n > 0; i++ {
		if w := berth.WorkerID(fmt.Sprintf("w%d", i)); s.share.ofWorker(w) == "daemon" {
			s.used(w, bigWorker-room)
			n--
		}
	}
	return s
}

// Of several workers that are free each of those that go first is left one, and no more.
func TestPeersFirst_OneEach(t *testing.T) {
	s := roomComes(t, 2, 1000, func(s *stage) {
		s.has("other", "first", 9, 1000)
		s.has("other", "last", 0, 1000) // equal to the first but for its priority
	})
	s.has("daemon", "own", 5, 1000)
	s.has("daemon", "behind", 4, 1000)
	s.wantPlaced("own")
}

// Of another tenant whose turn is before one is left a worker: with that it holds more, and its turn may be over.
func TestPeersFirst_OneOfATenant(t *testing.T) {
	s := roomComes(t, 2, 1000, func(s *stage) {
		_, epoch := s.view.worker("w0")
		spec := requestOf("b", "runs", 1000)
		s.tell(requestKey("runs"), &berth.Submission{Spec: spec})
		s.tell(stateKey("runs"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "w0", Epoch: epoch})
		s.tell(allocationKey("w0", "runs"), &berth.Allocation{State: berth.StateRunning, Attempt: 1, Epoch: epoch, Tenant: "b", Share: berth.Share{Quantities: spec.Resources.Quantities}})
		s.hasOf("less", "other", "first", 0, 1000)
		s.hasOf("less", "other", "second", 0, 1000)
	})
	s.has("daemon", "own", 5, 1000)
	s.has("daemon", "behind", 4, 1000)
	s.wantPlaced("own")
}

// Where a worker has room beside what is left there, others have that.
func TestPeersFirst_BesideOnAWorker(t *testing.T) {
	s := roomComes(t, 1, 3000, func(s *stage) {
		s.has("other", "first", 9, 1000)
		s.has("other", "second", 8, 1000)
	})
	s.has("daemon", "own", 5, 1000)
	s.has("daemon", "behind", 4, 1000)
	s.wantPlaced("own")
}

// Others' requests for which their tenant's quota has not enough, all together, are left no workers.
func TestPeersFirst_NoWorkersWithoutQuota(t *testing.T) {
	s := roomComes(t, 2, 2000, func(s *stage) {
		s.tellQuota("b", berth.Quota{Limits: cpu(3000), Taken: cpu(3000), Blocks: 2})
		s.tellBlock("b", "daemon", berth.Block{Block: cpu(3000), Used: cpu(3000)})
		s.tellBlock("b", "other", berth.Block{Block: cpu(0)})
		s.has("other", "first", 9, 2000)
		s.has("other", "second", 8, 2000)
	})
	s.tellBlock("b", "daemon", berth.Block{Block: cpu(3000)})
	s.has("daemon", "own", 5, 1000)
	s.wantPlaced("own")
}

// What is placed leaves quota to those that go before it, also to those only that go before what comes behind it.
func TestPeersFirst_QuotaBetween(t *testing.T) {
	s := roomComes(t, 3, 1000, func(s *stage) {
		s.tellQuota("b", berth.Quota{Limits: cpu(2000), Taken: cpu(2000), Blocks: 2})
		s.tellBlock("b", "daemon", berth.Block{Block: cpu(2000), Used: cpu(2000)})
		s.tellBlock("b", "other", berth.Block{Block: cpu(0)})
		s.has("other", "first", 9, 1000)
		s.has("other", "between", 7, 1000)
	})
	s.tellBlock("b", "daemon", berth.Block{Block: cpu(2000)})
	s.has("daemon", "own", 8, 1000)
	s.has("daemon", "behind", 6, 1000)
	s.wantPlaced("own")
}

// What goes first here, and needs what others have of the quota beside what is here, is left that by what comes behind it here, for a moment.
func TestPeersFirst_OwnQuota(t *testing.T) {
	s := roomComes(t, 3, 3000, func(s *stage) {
		s.tellQuota("b", berth.Quota{Limits: cpu(3000), Taken: cpu(3000), Blocks: 2})
		s.tellBlock("b", "daemon", berth.Block{Block: cpu(1000), Used: cpu(1000)})
		s.tellBlock("b", "other", berth.Block{Block: cpu(2000), Used: cpu(1000)})
		s.has("other", "least", 0, 1000)
	})
	s.tellBlock("b", "daemon", berth.Block{Block: cpu(1000)})
	s.has("daemon", "first", 9, 2000)
	s.has("daemon", "behind", 8, 1000)
	s.wantPlaced()
	began := s.clock
	for s.clock.Sub(began) < time.Second {
		s.otherCommits()
		if p := s.pass(time.Millisecond); p != nil && len(p.Places) > 0 {
			if after := s.clock.Sub(began); after < stepInAfter/2 {
				t.Errorf("%s is placed after %s", p.Places[0].Request, after)
			}
			return
		}
	}
	t.Error("nothing is placed though there is room, and nobody takes it")
}

// A group leaves its workers, too, and is tried again when their time is over.
func TestPeersFirst_Groups(t *testing.T) {
	s := roomComes(t, 2, 1000, func(s *stage) {
		r := berth.Request{ID: "first", Priority: 9, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 1000}}}.Normalize()
		s.tell(requestKey("first"), &berth.Submission{Spec: r, Planner: "other"})
	})
	group := "g"
	for s.share.ofTask(group) != "daemon" {
		group += "g"
	}
	s.group(group, 2, 1000)
	began := s.clock
	for s.clock.Sub(began) < time.Second {
		s.otherCommits()
		if p := s.step(); len(p.Places) > 0 {
			if after := s.clock.Sub(began); after < stepInAfter/2 {
				t.Errorf("the group is placed after %s", after)
			}
			return
		}
		s.clock = s.clock.Add(time.Millisecond)
	}
	t.Error("the group is not placed though there is room")
}
