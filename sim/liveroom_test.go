package sim_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/snapshot"
)

// slotted is a store with workers of equal slots.
type slotted struct {
	*live
	t       *rapid.T
	free    []int64 // by worker
	tenants []berth.TenantID
}

func newSlotted(t *rapid.T) *slotted {
	s := &slotted{live: &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}, t: t, tenants: []berth.TenantID{"a", "b"}}
	for _, id := range s.tenants {
		s.put(berth.KindTenant, "", string(id), &berth.Tenant{Weight: rapid.Int64Range(1, 3).Draw(t, "weight")})
	}
	for range rapid.IntRange(1, 4).Draw(t, "workers") {
		s.free = append(s.free, rapid.Int64Range(1, 5).Draw(t, "slots"))
	}
	return s
}

// drawn changes a request: whose it is, and how much it matters.
func (s *slotted) drawn() func(*berth.Request) {
	tenant, priority := rapid.SampledFrom(s.tenants).Draw(s.t, "tenant"), rapid.Int32Range(0, 3).Draw(s.t, "priority")
	return func(r *berth.Request) {
		r.Tenant, r.Priority, r.Resources.CPUMilli = tenant, priority, 1000
		if r.Group != nil {
			r.Group.Topology = ""
		}
	}
}

// age is since when something runs: all of it since another time.
func (s *slotted) age() time.Duration {
	return time.Hour - time.Duration(s.rev)*time.Second
}

// adds adds a worker, and returns its ledger.
func (s *slotted) adds(id string, cpu int64) berth.Ledger {
	c := berth.Capacity{Quantities: berth.Quantities{CPUMilli: cpu, MemoryBytes: 1 << 30}}
	s.put(berth.KindWorker, "", id, &berth.Worker{Pool: berth.DefaultPool, Capacity: c})
	return berth.Ledger{Epoch: berth.Epoch(s.rev), Capacity: c}
}

// places puts a request on a worker.
func (s *slotted) places(on, id string, change func(*berth.Request), a berth.Allocation) {
	at := takenAt.Add(-s.age())
	r := berth.Request{ID: berth.RequestID(id), Command: []string{"x"}}.Normalize()
	change(&r)
	s.put(berth.KindState, "", id, &berth.Progress{State: berth.StatePlaced, Worker: berth.WorkerID(on)})
	s.put(berth.KindRequest, "", id, &berth.Submission{Spec: r})
	a.State, a.Share, a.Tenant, a.PlacedAt, a.StartedAt = berth.StateRunning, berth.Share{Quantities: r.Resources.Quantities}, r.Tenant, at, at
	s.put(berth.KindAllocation, on, id, &a)
}

// uneven has each tenant hold a little on a worker of its own, so that no two ever hold as much by their
// weights: whose turn it is then, would be another rule in a simulation.
func (s *slotted) uneven() {
	ledger := s.adds("uneven", 448)
	for i, cpu := range []int64{137, 311} {
		s.places("uneven", fmt.Sprint("base-", i), func(r *berth.Request) {
			r.Tenant, r.Priority, r.Resources.CPUMilli = s.tenants[i], berth.MaxPriority, cpu
		}, berth.Allocation{})
		ledger.Count, ledger.Reserved.CPUMilli = ledger.Count+1, ledger.Reserved.CPUMilli+cpu
	}
	s.put(berth.KindLedger, "", "uneven", &ledger)
}

// runs puts requests alone and in groups on the workers, members of which may wait. Where something does, or more
// is to wait, nothing is free: on which of the workers it goes would decide who makes room.
func (s *slotted) runs(more bool) {
	full := slices.Clone(s.free)
	slot := berth.Share{Quantities: berth.Quantities{CPUMilli: 1000}}
	ledgers := make([]berth.Ledger, len(full))
	for w, size := range full {
		ledgers[w] = s.adds(fmt.Sprint("w", w), 1000*size)
	}
	place := func(w int, id string, change func(*berth.Request), a berth.Allocation) {
		s.free[w]--
		s.places(fmt.Sprint("w", w), id, change, a)
	}
	for i := range rapid.IntRange(0, 8).Draw(s.t, "running") {
		change := s.drawn()
		size := rapid.Int64Range(1, 3).Draw(s.t, "size")
		if size == 1 {
			if w := rapid.IntRange(0, len(s.free)-1).Draw(s.t, "on"); s.free[w] > 0 {
				place(w, fmt.Sprint("runs-", i), change, berth.Allocation{})
			}
			continue
		}
		id, placed := fmt.Sprint("gang-", i), int64(0)
		for m := range size {
			name := fmt.Sprintf("%s.%d", id, m)
			member := func(r *berth.Request) {
				r.Group = &berth.Membership{ID: berth.GroupID(id), Size: size, MinCount: 1}
				change(r)
			}
			if w := rapid.IntRange(0, len(s.free)-1).Draw(s.t, "on"); s.free[w] > 0 && (m == 0 || rapid.Bool().Draw(s.t, "placed")) {
				place(w, name, member, berth.Allocation{Group: berth.GroupID(id), GroupAttempt: 1})
				placed++
			} else {
				s.submit(name, "", slot, member)
				more = true
			}
		}
		g := &berth.Group{Size: size, MinCount: 1, State: berth.GroupPlaced, Attempt: 1}
		if placed == 0 {
			g.State = berth.GroupPending
		}
		s.put(berth.KindGroup, "", id, g)
	}
	for w := range s.free {
		for more && s.free[w] > 0 {
			place(w, fmt.Sprintf("fills-%d-%d", w, s.free[w]), s.drawn(), berth.Allocation{})
		}
	}
	s.uneven()
	for w := range ledgers {
		used := full[w] - s.free[w]
		ledgers[w].Count, ledgers[w].Reserved.CPUMilli = used, 1000*used
		s.put(berth.KindLedger, "", fmt.Sprint("w", w), &ledgers[w])
	}
}

// waits has a group wait.
func (s *slotted) waits(id string, preemption berth.Preemption) {
	change := s.drawn()
	g := &berth.Group{Size: rapid.Int64Range(1, 6).Draw(s.t, "size"), State: berth.GroupPending, Attempt: 1}
	g.MinCount = rapid.Int64Range(1, g.Size).Draw(s.t, "min_count")
	for m := range g.Size {
		s.member(g, fmt.Sprintf("%s.%d", id, m), "", 0, func(r *berth.Request) {
			change(r)
			r.Preemption = preemption
		})
	}
	s.put(berth.KindGroup, "", id, g)
}

// Of a store those make room for a group, in a simulation, who do by berth plan, which is what a daemon
// does; and when they have ended what waits is where it says, who was stopped among it.
func TestLive_RoomIsWhatAPlanSays(t *testing.T) {
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		s := newSlotted(t)
		waiting := rapid.IntRange(0, 3).Draw(t, "waiting")
		s.runs(waiting > 0)
		for i := range waiting {
			if rapid.Bool().Draw(t, "alone") {
				s.submit(fmt.Sprint("one-", i), "", berth.Share{}, s.drawn())
			} else {
				s.waits(fmt.Sprint("waits-", i), berth.PreemptionNever)
			}
		}
		s.waits("presses", berth.PreemptionLower)
		outcomes, err := s.Forecast(&snapshot.Change{Requests: []berth.Request{{ID: "none", Command: []string{"x"}, Tenant: "none"}}})
		if err != nil {
			t.Fatal(err)
		}
		placed, told := make(map[string]int), map[string]int(nil)
		for _, o := range outcomes {
			name := string(o.Request)
			if o.Group != "" {
				name = string(o.Group)
			}
			if o.Worker != "" {
				placed[name]++
			}
			if o.For == "presses" {
				if told == nil {
					told = make(map[string]int)
				}
				told[name]++
			}
		}
		from, err := sim.NewLive(s.Snapshot, berth.DefaultPool, 0)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := from.Trace([]sim.Job{{ArrivalMS: 5, RunMS: 1, Tenant: "none", Pod: sim.Pod{Name: "none"}}})
		if err != nil {
			t.Fatal(err)
		}
		gotPlaced, gotTold, err := trace.Settled()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(told, gotTold); diff != "" {
			t.Fatalf("told to make room (-plan +simulation):\n%s", diff)
		}
		if diff := cmp.Diff(placed, gotPlaced); diff != "" {
			t.Fatalf("placed (-plan +simulation):\n%s", diff)
		}
		if len(told) > 0 {
			made++
		}
	})
	if made == 0 {
		t.Error("no group had others make room: the stores show nothing")
	}
}
