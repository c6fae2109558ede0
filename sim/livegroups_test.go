package sim_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/snapshot"
)

// member adds one of a group of a store, on a worker unless that is empty, of an attempt.
func (l *live) member(group *berth.Group, id, on string, attempt int64, change func(*berth.Request)) {
	name := berth.GroupID(id[:len(id)-2])
	if on != "" {
		l.put(berth.KindState, "", id, &berth.Progress{State: berth.StatePlaced, Worker: berth.WorkerID(on)})
	}
	r := berth.Request{ID: berth.RequestID(id), Command: []string{"x"}}.Normalize()
	r.Resources.CPUMilli = 4000
	r.Group = &berth.Membership{ID: name, Size: group.Size, MinCount: group.MinCount, Topology: "rack"}
	if change != nil {
		change(&r)
	}
	l.put(berth.KindRequest, "", id, &berth.Submission{Spec: r})
	if on != "" {
		share := berth.Share{Quantities: berth.Quantities{CPUMilli: 4000}}
		l.put(berth.KindAllocation, on, id, &berth.Allocation{
			State: berth.StateRunning, Share: share, Group: name, GroupAttempt: attempt,
			PlacedAt: takenAt.Add(-time.Minute), StartedAt: takenAt.Add(-time.Minute),
		})
	}
}

func (l *live) racked(id, rack string, cpu int64) {
	c := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 8000, MemoryBytes: 1 << 30}}
	l.put(berth.KindWorker, "", id, &berth.Worker{Pool: berth.DefaultPool, Capacity: c, Labels: map[string]string{"rack": rack}})
	l.put(berth.KindLedger, "", id, &berth.Ledger{Epoch: berth.Epoch(l.rev), Capacity: c, Reserved: berth.Share{Quantities: berth.Quantities{CPUMilli: cpu}}})
}

// groupsOf is a store with groups in all states: one waits, of which one member has ended and one is
// still where it was in the attempt before; one is placed in rack b, and a member is to follow;
// one asks for linked devices; and what is being submitted, or ends, does not wait.
func groupsOf() *live {
	l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
	l.racked("w1", "a", 4000)
	l.racked("w2", "b", 4000)
	again := &berth.Group{Size: 4, MinCount: 3, State: berth.GroupPending, Attempt: 2}
	l.member(again, "again.1", "w1", 1, nil)
	l.member(again, "again.2", "", 0, nil)
	l.member(again, "again.3", "", 0, nil)
	l.put(berth.KindGroup, "", "again", again)
	placed := &berth.Group{Size: 2, MinCount: 1, State: berth.GroupPlaced, Attempt: 1, Domain: "b"}
	l.member(placed, "placed.0", "w2", 1, func(r *berth.Request) { r.RunLimitMS = 100_000 })
	l.member(placed, "placed.1", "", 0, nil)
	l.put(berth.KindGroup, "", "placed", placed)
	linked := &berth.Group{Size: 2, MinCount: 2, State: berth.GroupPending, Attempt: 1}
	for _, id := range []string{"linked.0", "linked.1"} {
		l.member(linked, id, "", 0, func(r *berth.Request) { r.Group.Linked = true })
	}
	l.put(berth.KindGroup, "", "linked", linked)
	l.member(&berth.Group{Size: 2, MinCount: 2}, "fresh.0", "", 0, nil)
	ending := &berth.Group{Size: 2, MinCount: 2, State: berth.GroupEnding}
	l.member(ending, "ending.0", "", 0, nil)
	l.put(berth.KindGroup, "", "ending", ending)
	return l
}

func TestNewLive_Groups(t *testing.T) {
	got, err := sim.NewLive(groupsOf().Snapshot, berth.DefaultPool, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	of := func(name string) sim.Job {
		return sim.Job{Pod: sim.Pod{Name: name, CPUMilli: 4000}, RunMS: 60_000, GraceMS: 10_000, Tenant: "default"}
	}
	again, placed := of("again.1"), of("placed.1")
	again.Group = &sim.Group{Name: "again", Size: 3, MinCount: 2, Topology: "rack"}
	placed.Group = &sim.Group{Name: "placed", Size: 2, MinCount: 1, Topology: "rack"}
	want := &sim.Live{
		Machines: []sim.Machine{
			{Name: "w1", CPUMilli: 8000, MemoryMiB: 1024, Labels: map[string]string{"rack": "a"}},
			{Name: "w2", CPUMilli: 8000, MemoryMiB: 1024, Labels: map[string]string{"rack": "b"}},
		},
		Standing: []sim.Standing{{
			Job: placed, Domain: "b",
			On: []sim.Running{{Machine: "w2", CPUMilli: 4000, RunMS: 40_000, AgeMS: 60_000, EndsMS: 50_000, Tenant: "default"}},
		}},
		Waiting: []sim.Job{again},
		LeftOut: 2, TakenAt: takenAt,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sim.Live{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The group of the store takes the rack where one of its own was, as many as fit there; who follows
// the other one goes to that one's rack, and a group of the trace waits for one of them.
func TestLive_Groups(t *testing.T) {
	l, err := sim.NewLive(groupsOf().Snapshot, berth.DefaultPool, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := l.Trace(readGroups(t, "500,1000,,8000,1,0,0,default,,,,whole,1,,rack"))
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range sim.Policies {
		r := run(t, trace, policy)
		want := map[string][2]int64{"again": {0, 3}, "whole": {60_000, 1}}
		if diff := cmp.Diff(want, waitsOf(r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", policy, diff)
		}
		if r.Running != 1 || len(r.Classes) != 1 || r.Classes[0].MaxMS != 0 || r.GroupRuns[0].Domain != "a" {
			t.Errorf("%s: %+v", policy, r)
		}
	}
}

// What is kept for a group of the store is kept from the beginning: who waits alone does not take it
// before the group is looked at, but when the round is over that has begun there.
func TestLive_Kept(t *testing.T) {
	for name, tt := range map[string]struct {
		kept string
		want int64
	}{"for the group": {"two", 6000}, "for another, which is gone": {"gone", 0}} {
		l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
		l.worker("w1", gpu("g0", 1000), nil)
		l.submit("runs", "w1", gpu("g0", 1000), nil)
		l.put(berth.KindAllocation, "w1", "runs", &berth.Allocation{State: berth.StateRunning, Share: gpu("g0", 1000), PlacedAt: takenAt.Add(-time.Minute)})
		two := &berth.Group{Size: 2, MinCount: 2, State: berth.GroupPending, Attempt: 1}
		for _, id := range []string{"two.0", "two.1"} {
			l.member(two, id, "", 0, func(r *berth.Request) {
				r.Group.Topology, r.Resources.Devices = "", []berth.DeviceDemand{{Count: 1, Milli: 1000}}
			})
		}
		l.put(berth.KindGroup, "", "two", two)
		l.submit("alone", "", gpu("", 1000), nil)
		kept := gpu("g1", 1000)
		kept.Devices = append([]berth.DeviceShare{{Name: "g0", Milli: 1000}}, kept.Devices...)
		l.put(berth.KindKeep, "", string(berth.DefaultPool), &berth.Keep{
			Group: berth.GroupID(tt.kept), Since: takenAt.Add(-4 * time.Second), Chosen: takenAt.Add(-4 * time.Second),
			Workers: []berth.KeptWorker{{Worker: "away", Share: kept}, {Worker: "w1", Share: kept}},
		})
		from, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 60_000)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := from.Trace(readGroups(t, "700,1000,,1,1,0,0,a,,,,,,,"))
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, trace, sim.PolicyBerth)
		for _, w := range r.Classes {
			if w.Name == "gpu" && w.MaxMS != tt.want {
				t.Errorf("%s: it waited %d ms, want %d", name, w.MaxMS, tt.want)
			}
		}
		if got := waitsOf(r)["two"]; got != [2]int64{60_000 + tt.want, 2} {
			t.Errorf("%s: the group %v", name, got)
		}
	}
}

// What is told to stop has ended by its deadline.
func TestNewLive_ToldToStop(t *testing.T) {
	l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
	l.racked("w1", "a", 4000)
	l.put(berth.KindState, "", "x", &berth.Progress{State: berth.StatePlaced, Worker: "w1"})
	l.put(berth.KindRequest, "", "x", &berth.Submission{Spec: berth.Request{ID: "x", Command: []string{"x"}}.Normalize()})
	l.put(berth.KindAllocation, "w1", "x", &berth.Allocation{
		State: berth.StateRunning, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 4000}},
		Stop: &berth.StopOrder{Reason: berth.StopCancel, Deadline: takenAt.Add(5 * time.Second)},
	})
	got, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 60_000)
	if err != nil || len(got.Running) != 1 || got.Running[0].RunMS != 5000 || got.Running[0].EndsMS != 5000 {
		t.Errorf("%+v, %v", got, err)
	}
}
