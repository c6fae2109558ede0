package sim_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/snapshot"
)

// cpuRuns puts a request of 4 cores on a worker of racked.
func (l *live) cpuRuns(id, on string, change func(*berth.Request, *berth.Allocation)) {
	r := berth.Request{ID: berth.RequestID(id), Command: []string{"x"}}.Normalize()
	r.Resources.CPUMilli = 4000
	a := &berth.Allocation{State: berth.StateRunning, Share: berth.Share{Quantities: r.Resources.Quantities}, PlacedAt: takenAt.Add(-time.Minute), StartedAt: takenAt.Add(-time.Minute)}
	if change != nil {
		change(&r, a)
	}
	l.put(berth.KindState, "", id, &berth.Progress{State: berth.StatePlaced, Worker: berth.WorkerID(on)})
	l.put(berth.KindRequest, "", id, &berth.Submission{Spec: r})
	l.put(berth.KindAllocation, on, id, a)
}

// pressing is a group of a trace, of jobs of 4 cores that have others make room.
func pressing(size string) string {
	return "500,1000,,4000,1,0,0,default,5,lower,,press," + size + ",,"
}

// TestLive_MakesRoom: what runs in a store makes room for a group of a trace, by the grace period of its
// request.
func TestLive_MakesRoom(t *testing.T) {
	for _, tt := range []struct {
		name  string
		build func(*live)
		size  string
		waits map[string][2]int64 // of groups: for how long, and how many jobs were placed
		stops int
		jobs  int // that are told of
	}{
		{"alone", func(l *live) { l.cpuRuns("x", "w1", nil); l.cpuRuns("y", "w2", nil) }, "3", map[string][2]int64{"press": {10_000, 3}}, 1, 4},
		{"not who matters as much", func(l *live) {
			for _, w := range []string{"w1", "w2"} {
				l.cpuRuns(w, w, func(r *berth.Request, _ *berth.Allocation) { r.Priority = 5 })
			}
		}, "3", map[string][2]int64{"press": {60_000, 3}}, 0, 3},
		{"what a trace cannot say does not come again", func(l *live) {
			for _, w := range []string{"w1", "w2"} {
				l.cpuRuns(w, w, func(r *berth.Request, _ *berth.Allocation) { r.Image = "train:3" })
			}
		}, "4", map[string][2]int64{"press": {10_000, 4}}, 2, 4},
		{"a group whole, with who was to follow", func(l *live) {
			g := &berth.Group{Size: 3, MinCount: 2, State: berth.GroupPlaced, Attempt: 1, Domain: "a"}
			for i, on := range []string{"w1", "w1", ""} {
				l.member(g, "gang."+string(rune('0'+i)), on, 1, nil)
			}
			l.put(berth.KindGroup, "", "gang", g)
			l.cpuRuns("y", "w2", func(r *berth.Request, _ *berth.Allocation) { r.Priority = 9 })
		}, "2", map[string][2]int64{"gang": {11_000, 3}, "press": {10_000, 2}}, 2, 5},
		{"nobody where a request has a claim", func(l *live) {
			l.cpuRuns("x", "w1", nil)
			l.cpuRuns("y", "w2", nil)
			w := l.Workers()[0]
			ledger := w.Ledger
			ledger.Claims = []berth.Claim{{Request: "claims", Attempt: 1}}
			l.put(berth.KindLedger, "", string(w.ID), &ledger)
		}, "4", map[string][2]int64{"press": {60_000, 4}}, 0, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
			l.racked("w1", "a", 4000)
			l.racked("w2", "b", 4000)
			tt.build(l)
			from, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 60_000)
			if err != nil {
				t.Fatal(err)
			}
			trace, err := from.Trace(readGroups(t, pressing(tt.size)))
			if err != nil {
				t.Fatal(err)
			}
			r := run(t, trace, sim.PolicyBerth)
			if diff := cmp.Diff(tt.waits, waitsOf(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.ForGroup != tt.stops || r.Jobs != tt.jobs {
				t.Errorf("%d stopped, want %d; %d jobs, want %d", r.ForGroup, tt.stops, r.Jobs, tt.jobs)
			}
		})
	}
}

// What a trace cannot say has left when it has made room: nothing is in the way of who comes later.
func TestLive_Gone(t *testing.T) {
	l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
	l.racked("w1", "a", 8000)
	for i := range 2 {
		l.member(&berth.Group{Size: 2, MinCount: 2}, "gang."+string(rune('0'+i)), "w1", 1, func(r *berth.Request) { r.Image = "train:3" })
	}
	l.put(berth.KindGroup, "", "gang", &berth.Group{Size: 2, MinCount: 2, State: berth.GroupPlaced, Attempt: 1})
	from, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 0)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := from.Trace(readGroups(t, pressing("1"), "20000,1000,,8000,1,0,0,late,,,,,,,"))
	if err != nil {
		t.Fatal(err)
	}
	if r := run(t, trace, sim.PolicyBerth); r.ForGroup != 2 || r.Jobs != 2 || r.Placed != 2 || r.Classes[0].MaxMS != 0 {
		t.Errorf("%d stopped, %d jobs, %d placed, the later one waited %d ms", r.ForGroup, r.Jobs, r.Placed, r.Classes[0].MaxMS)
	}
}

// What is emptied for a drain comes again when it has stopped; what is cancelled does not. Neither was
// stopped for another.
func TestLive_ToldToStopBefore(t *testing.T) {
	for reason, jobs := range map[berth.StopReason]int{berth.StopDrain: 2, berth.StopCancel: 1} {
		l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
		l.racked("w1", "a", 4000)
		l.cpuRuns("x", "w1", func(_ *berth.Request, a *berth.Allocation) {
			a.Stop = &berth.StopOrder{Reason: reason, Deadline: takenAt.Add(3 * time.Second)}
		})
		from, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 60_000)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := from.Trace(readGroups(t, "500,1000,,8000,1,0,0,default,,,,,,,"))
		if err != nil {
			t.Fatal(err)
		}
		for _, policy := range sim.Policies {
			if r := run(t, trace, policy); r.Jobs != jobs || r.Placed != jobs || r.Preempted != 0 || r.Running != 1 {
				t.Errorf("%s, %s: %d jobs, want %d; %d placed, %d stopped, %d ran", reason, policy, r.Jobs, jobs, r.Placed, r.Preempted, r.Running)
			}
		}
	}
}

// Others make room for a group when the snapshot is taken: nobody else is told to, and it is placed
// when they have ended.
func TestLive_RoomIsMade(t *testing.T) {
	l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
	l.racked("w1", "a", 4000)
	l.racked("w2", "b", 4000)
	l.cpuRuns("x", "w1", func(_ *berth.Request, a *berth.Allocation) {
		a.Stop = &berth.StopOrder{Reason: berth.StopPreempt, Deadline: takenAt.Add(3 * time.Second)}
	})
	l.cpuRuns("y", "w2", nil)
	three := &berth.Group{Size: 3, MinCount: 3, State: berth.GroupPending, Attempt: 1}
	for _, id := range []string{"three.0", "three.1", "three.2"} {
		l.member(three, id, "", 0, func(r *berth.Request) {
			r.Group.Topology, r.Priority, r.Preemption = "", 5, berth.PreemptionLower
		})
	}
	l.put(berth.KindGroup, "", "three", three)
	at := takenAt.Add(-7 * time.Second)
	kept := func(w berth.WorkerID, cpu int64) berth.KeptWorker {
		return berth.KeptWorker{Worker: w, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: cpu}}}
	}
	l.put(berth.KindKeep, "", string(berth.DefaultPool), &berth.Keep{
		Group: "three", Since: at, Chosen: at, MadeRoom: at, By: takenAt.Add(3 * time.Second), Workers: []berth.KeptWorker{kept("w1", 8000), kept("w2", 4000)},
	})
	from, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := from.Trace(readGroups(t, "500,1000,,4000,1,0,0,less,,,,,,,"))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, trace, sim.PolicyBerth)
	if got := waitsOf(r)["three"]; got != [2]int64{3000, 3} || r.Preempted != 0 {
		t.Errorf("the group: %v; %d were stopped besides", got, r.Preempted)
	}
}
