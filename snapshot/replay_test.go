package snapshot_test

import (
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// A worker on probation takes one start at a time, and the members of a group are one:
// what the others of a plan reserve closes it, and what its own members do does not.
func TestDecided_ProbingTakesAGroup(t *testing.T) {
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}}
	s := snapshot.New(snapshot.Header{Revision: 9})
	s.Put(berth.Fact{Key: berth.Key{Kind: berth.KindWorker, ID: "w"}, Create: 3, Record: &berth.Worker{Pool: "default", Capacity: capacity}})
	s.Put(berth.Fact{Key: berth.Key{Kind: berth.KindLedger, ID: "w"}, Record: &berth.Ledger{Epoch: 3, Capacity: capacity}})
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}
	request := berth.Request{ID: "r", Pool: "default", Resources: berth.Demand{Quantities: share.Quantities}}
	for _, tt := range []struct {
		name  string
		group *berth.PlannedGroup
		fits  bool
	}{
		{name: "another's start", fits: false},
		{name: "before the group", group: &berth.PlannedGroup{ID: "g", From: 1, Need: 2}, fits: false},
		{name: "of the group", group: &berth.PlannedGroup{ID: "g", Need: 2}, fits: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &berth.PlanBasis{
				Daemon: "d", Revision: 9, Group: tt.group, Seats: []berth.PlannedSeat{{Worker: "w", Probing: true}},
				Shares: []berth.Share{share}, Steps: []berth.PlannedStep{{Worker: "w"}, {Worker: "w"}},
			}
			f, err := s.Decided(b, 1, "default", func(berth.WorkerID) bool { return false })
			if err != nil {
				t.Fatal(err)
			}
			if d := f.Place(scheduler.Candidate{Request: &request}); (d.Verdict == nil) != tt.fits {
				t.Errorf("it is placed on %q: %+v", d.Worker, d.Verdict)
			}
		})
	}
}

// What was reserved several times is taken as often.
func TestDecided_AgainAndAgain(t *testing.T) {
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}}
	s := snapshot.New(snapshot.Header{Revision: 9})
	s.Put(berth.Fact{Key: berth.Key{Kind: berth.KindWorker, ID: "w"}, Create: 3, Record: &berth.Worker{Pool: "default", Capacity: capacity}})
	s.Put(berth.Fact{Key: berth.Key{Kind: berth.KindLedger, ID: "w"}, Record: &berth.Ledger{Epoch: 3, Capacity: capacity}})
	b := &berth.PlanBasis{
		Daemon: "d", Revision: 9, Shares: []berth.Share{{Quantities: berth.Quantities{CPUMilli: 100}}},
		Steps: []berth.PlannedStep{{Worker: "w", More: 6}, {Worker: "w", Free: true, More: 1}},
	}
	for step, want := range []int64{0, 700, 500} {
		f, err := s.Decided(b, int64(step), "default", func(berth.WorkerID) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Worker("w").Ledger.Reserved.CPUMilli; got != want {
			t.Errorf("before step %d, %d are reserved, want %d", step, got, want)
		}
	}
}

// Where others ran is as it was told for the decision that is made again, in its pool alone.
func TestDecided_Relations(t *testing.T) {
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}}
	s := snapshot.New(snapshot.Header{Revision: 9})
	s.Put(berth.Fact{Key: berth.Key{Kind: berth.KindWorker, ID: "w"}, Create: 3, Record: &berth.Worker{Pool: "default", Capacity: capacity}})
	s.Put(berth.Fact{Key: berth.Key{Kind: berth.KindLedger, ID: "w"}, Record: &berth.Ledger{Epoch: 3, Capacity: capacity}})
	web := berth.RequestLabel{Label: "app", Value: "web"}
	b := &berth.PlanBasis{
		Daemon: "d", Revision: 9, Shares: make([]berth.Share, 1), Steps: make([]berth.PlannedStep, 4),
		Relations: []berth.PlannedRelation{
			{Pool: "default", Topology: berth.TopologyHost, Requests: web, Told: []berth.PlannedCounts{{From: 1}, {From: 2, Counts: map[string]int64{"w": 1, "v": 2}}, {From: 3, Counts: map[string]int64{"w": 0}}}},
			{Pool: "other", Topology: berth.TopologyHost, Requests: web, Told: []berth.PlannedCounts{{Counts: map[string]int64{"w": 1}}}},
		},
	}
	r := berth.Request{ID: "r", Pool: "default", AntiAffinity: []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}}}
	for step, fits := range []bool{true, true, false, true} {
		f, err := s.Decided(b, int64(step), "default", func(berth.WorkerID) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		if d := f.Place(scheduler.Candidate{Request: &r}); (d.Verdict == nil) != fits {
			t.Errorf("at step %d it is placed on %q: %+v", step, d.Worker, d.Verdict)
		}
	}
}
