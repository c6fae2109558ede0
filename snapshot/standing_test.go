package snapshot_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// stops adds a request that runs and is told to stop, of a group that is to be placed anew
// where one is named.
func (s *store) stops(id string, cpu int64, on, group string, stop berth.StopReason) {
	for _, f := range s.facts {
		if l, ok := f.Record.(*berth.Ledger); ok && f.Key.ID == on {
			l.Reserved.CPUMilli += cpu
			l.Count++
		}
	}
	r := request(id, cpu)
	a := &berth.Allocation{State: berth.StateRunning, Attempt: 1, Tenant: berth.DefaultTenant, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: cpu}}, Stop: &berth.StopOrder{Reason: stop}}
	if group != "" {
		r.Group = &berth.Membership{ID: berth.GroupID(group), Size: 2, MinCount: 2}
		a.Group, a.GroupAttempt = r.Group.ID, 1
	}
	s.put(berth.KindState, "", id, &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: berth.WorkerID(on), Epoch: 1})
	s.put(berth.KindRequest, "", id, &berth.Submission{SubmittedAt: time.Unix(int64(s.rev), 0).UTC(), Spec: r})
	s.put(berth.KindAllocation, on, id, a)
}

// For a claim that stands, all are told that end for it: a group whole, wherever its members
// are; and of each, for whom it makes room. Who ends there anyway makes room for nobody.
func TestForecast_StandingClaim(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w1", 4000, berth.Intent{})
	s.worker("w2", 1000, berth.Intent{})
	s.stops("drained", 1000, "w1", "", berth.StopDrain)
	s.stops("g.0", 1000, "w1", "g", berth.StopPreempt)
	s.stops("g.1", 1000, "w2", "g", berth.StopGroup)
	s.stops("low", 1000, "w1", "", berth.StopPreempt)
	s.put(berth.KindGroup, "", "g", &berth.Group{Size: 2, MinCount: 2, Attempt: 2, State: berth.GroupPending})
	hot := request("hot", 3500)
	hot.Priority, hot.Preemption = 9, berth.PreemptionLower
	s.put(berth.KindRequest, "", "hot", &berth.Submission{SubmittedAt: time.Unix(int64(s.rev), 0).UTC(), Spec: hot})
	s.put(berth.KindState, "", "hot", &berth.Progress{State: berth.StatePending, Attempt: 1, ClaimOn: "w1"})
	for _, f := range s.facts {
		if l, ok := f.Record.(*berth.Ledger); ok && f.Key.ID == "w1" {
			wants := berth.Share{Quantities: berth.Quantities{CPUMilli: 3500}}
			l.Claims = []berth.Claim{{Request: "hot", Attempt: 1, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 1000}}, Wants: wants, Victims: []berth.RequestID{"drained", "g.0", "low"}}}
			l.Held.CPUMilli = 1000
		}
	}
	outcomes, err := s.taken().Forecast(&snapshot.Change{})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Worker, From berth.WorkerID
		For          berth.RequestID
		Victims      []berth.RequestID
	}
	got := map[berth.RequestID]row{}
	for _, o := range outcomes {
		got[o.Request] = row{o.Worker, o.From, o.For, slices.Sorted(slices.Values(o.Victims))}
	}
	want := map[berth.RequestID]row{
		"hot":     {Worker: "w1", Victims: []berth.RequestID{"drained", "g.0", "g.1", "low"}},
		"drained": {From: "w1", Worker: "w2"},
		"g.0":     {From: "w1", For: "hot"},
		"g.1":     {From: "w2", For: "hot"},
		"low":     {From: "w1", For: "hot"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
