package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// A plan that has placed a late member of a group makes no room by ending, or stopping,
// another of its members: the group would be PENDING again by the plan that places in it.
func TestPreempt_NobodyOfAGroupThatIsJoined(t *testing.T) {
	for name, state := range map[string]berth.State{"not started": berth.StatePlaced, "running": berth.StateRunning} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, 1000)
			var own []berth.WorkerID
			capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000}}
			for _, w := range []berth.WorkerID{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "xa", "xb", "xc", "xd"} {
				if s.share.ofWorker(w) == "daemon" && len(own) < 4 {
					own = append(own, w)
					s.tell(workerKey(w), &berth.Worker{Pool: "p", Capacity: capacity})
					s.tell(ledgerKey(w), &berth.Ledger{Epoch: berth.Epoch(s.rev), Capacity: capacity})
				}
			}
			g := berth.Request{ID: "g", Pool: "p", Tenant: "a", Group: &berth.Membership{Size: 2, MinCount: 1}}
			g.Resources.CPUMilli = 1000
			g = g.Normalize()
			members := g.Members()
			s.tell(groupKey("g"), &berth.Group{Size: 2, MinCount: 1, Attempt: 1, State: berth.GroupPlaced})
			s.takenBy(own[0], members[0])
			a, _ := s.view.allocation(own[0], members[0].ID)
			held := *a
			held.State, held.Group, held.GroupAttempt, held.PlacedAt, held.StartTimeoutMS = state, "g", 1, s.clock, 60_000
			s.tell(allocationKey(own[0], members[0].ID), &held)
			for i, id := range []berth.RequestID{"high", "higher"} { // so that it is the other tenant's turn
				s.takenBy(own[1+i], berth.Request{ID: id, Pool: "p", Tenant: "b", Priority: 50})
			}
			s.tell(stateKey(members[1].ID), &berth.Progress{State: berth.StatePending, Attempt: 1})
			s.tell(requestKey(members[1].ID), &berth.Submission{Planner: "daemon", Spec: members[1]})
			s.tell(requestKey("urgent"), &berth.Submission{Planner: "daemon", Spec: berth.Request{
				ID: "urgent", Pool: "p", Tenant: "b", Priority: 9, Preemption: berth.PreemptionLower, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 1000}},
			}.Normalize()})
			p := s.step()
			if !slices.ContainsFunc(p.Places, func(pl berth.Placement) bool { return pl.Request == members[1].ID }) {
				t.Fatalf("the member is not placed: %+v", p)
			}
			if len(p.Groups)+len(p.Ends)+len(p.Stops)+len(p.Claims) > 0 {
				t.Errorf("its group is changed by the plan that places in it: %+v", p)
			}
		})
	}
}

// Nor does it do what an end, or a cancel, means for the group: by a claim, a late member may be
// placed before these are looked at.
func TestBuilder_LeavesAGroupThatIsJoined(t *testing.T) {
	l := loopWith(t, groupFacts(2, 1, func(int) bool { return false })...)
	a, _ := l.view.allocation("w", "g.0")
	ended := *a
	ended.State, ended.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1}
	l.takeFact(berth.Fact{Key: allocationKey("w", "g.0"), Record: &ended, Mod: 10})
	l.groupCancels["g"] = &cancelOrder{}
	b := newBuilder(l, time.Unix(1000, 0))
	b.joined["g"] = struct{}{}
	keys := []berth.Key{allocationKey("w", "g.0"), groupKey("g")}
	for _, k := range keys {
		l.look(k, b)
	}
	if !b.plan.Empty() || !slices.Equal(b.after, keys) {
		t.Errorf("put off: %v; want %v; plan %+v", b.after, keys, b.plan)
	}
	b = newBuilder(l, time.Unix(1000, 0))
	for _, k := range keys {
		l.look(k, b)
	}
	if len(b.plan.Ends) != 1 || len(b.plan.Groups) != 1 {
		t.Errorf("in the next plan: %+v", b.plan)
	}
}

// What has ended on a worker that is yet to be looked at is free there for a group, too: nobody else makes room for that.
func TestPreempt_GroupLooksAtWorkersFirst(t *testing.T) {
	s := newStage(t, 1000)
	for i := range 10 {
		s.takenBy(berth.WorkerID(fmt.Sprint("w", i)), berth.Request{ID: berth.RequestID(fmt.Sprint("low", i)), Tenant: "b"})
	}
	s.step()
	g := berth.Request{Tenant: "a", Priority: 9, Preemption: berth.PreemptionLower, Group: &berth.Membership{Size: 2, MinCount: 2}}
	g.Resources.CPUMilli = 1000
	for i := 0; i < 100 && (g.ID == "" || s.share.ofGroup(&g.Members()[0]) != "daemon"); i++ {
		g.ID, g.Group.ID = berth.RequestID(fmt.Sprint("g", i)), ""
		g = g.Normalize()
	}
	s.tell(groupKey(berth.GroupID(g.ID)), &berth.Group{Size: 2, MinCount: 2, Attempt: 1, State: berth.GroupPending})
	for _, m := range g.Members() {
		s.tell(requestKey(m.ID), &berth.Submission{Planner: "daemon", Spec: m})
	}
	s.view.revision = s.rev
	if p := s.step(); !p.Empty() {
		t.Fatalf("%+v", p)
	}
	ledger, _ := s.view.ledger("w9")
	s.tell(ledgerKey("w9"), &berth.Ledger{Epoch: ledger.Epoch, Capacity: ledger.Capacity})
	s.tell(allocationKey("w9", "low9"), nil)
	s.tell(stateKey("low9"), nil)
	s.tell(requestKey("low9"), nil)
	s.view.revision = s.rev
	s.rooms[berth.DefaultPool] = struct{}{} // the group was about to be looked at when that became known
	if p := s.step(); len(p.Stops) != 1 {
		t.Errorf("%d make room, where one place is free and one is wanted: %+v", len(p.Stops), p.Stops)
	}
}
