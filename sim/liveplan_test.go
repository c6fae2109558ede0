package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/snapshot"
)

// In the first moment a simulation places of a store what berth plan says, which is what a daemon
// does (TestForecast_IsWhatADaemonDoes): tenants in their turns, priorities, groups whole and with
// as many as fit, who follows a group, and beside what is kept. What is kept is given up within seconds where that keeps off
// whose turn is before, which a plan tells with what is placed at once. Workers are of equal slots, so it
// does not matter which of them is chosen.
func TestLive_IsWhatAPlanSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
		tenants := []berth.TenantID{"a", "b", "c"}
		for _, id := range tenants {
			l.put(berth.KindTenant, "", string(id), &berth.Tenant{Weight: rapid.Int64Range(1, 3).Draw(t, "weight")})
		}
		slots := berth.Share{Quantities: berth.Quantities{CPUMilli: 1000}}
		var workers []berth.WorkerID
		free := int64(0)
		for w := range rapid.IntRange(1, 4).Draw(t, "workers") {
			id, size := fmt.Sprint("w", w), rapid.Int64Range(1, 5).Draw(t, "slots")
			used := rapid.Int64Range(0, size).Draw(t, "used")
			c := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000 * size, MemoryBytes: 1 << 30}}
			l.put(berth.KindWorker, "", id, &berth.Worker{Pool: berth.DefaultPool, Capacity: c})
			l.put(berth.KindLedger, "", id, &berth.Ledger{Epoch: berth.Epoch(l.rev), Capacity: c, Count: used, Reserved: berth.Share{Quantities: berth.Quantities{CPUMilli: 1000 * used}}})
			for i := range used {
				tenant := rapid.SampledFrom(tenants).Draw(t, "whose")
				name := fmt.Sprintf("runs-%d-%d", w, i)
				l.put(berth.KindState, "", name, &berth.Progress{State: berth.StatePlaced, Worker: berth.WorkerID(id)})
				l.submit(name, "", slots, func(r *berth.Request) { r.Tenant = tenant })
				l.put(berth.KindAllocation, id, name, &berth.Allocation{State: berth.StateRunning, Share: slots, Tenant: tenant, PlacedAt: takenAt.Add(-time.Hour)})
			}
			workers = append(workers, berth.WorkerID(id))
			free += size - used
		}
		var large []string // groups that do not fit: what is kept for one stays so
		for i := range rapid.IntRange(1, 8).Draw(t, "waiting") {
			change := func(r *berth.Request) {
				r.Tenant, r.Priority = rapid.SampledFrom(tenants).Draw(t, "tenant"), rapid.Int32Range(0, 2).Draw(t, "priority")
				r.Resources.CPUMilli = 1000
			}
			if rapid.Bool().Draw(t, "alone") {
				l.submit(fmt.Sprint("one-", i), "", slots, change)
				continue
			}
			group := &berth.Group{Size: rapid.Int64Range(1, 5).Draw(t, "size"), State: berth.GroupPending, Attempt: 1}
			group.MinCount = rapid.Int64Range(1, group.Size).Draw(t, "min_count")
			var first berth.Request
			for m := range group.Size {
				l.member(group, fmt.Sprintf("group-%d.%d", i, m), "", 0, func(r *berth.Request) {
					if m == 0 {
						change(r)
						first = *r
					}
					r.Tenant, r.Priority, r.Resources.CPUMilli, r.Group.Topology = first.Tenant, first.Priority, 1000, ""
				})
			}
			l.put(berth.KindGroup, "", fmt.Sprint("group-", i), group)
			if group.MinCount > free {
				large = append(large, fmt.Sprint("group-", i))
			}
		}
		if len(large) > 0 && rapid.Bool().Draw(t, "kept") {
			k := &berth.Keep{Group: berth.GroupID(rapid.SampledFrom(large).Draw(t, "for")), Since: takenAt, Chosen: takenAt}
			for _, w := range workers {
				if n := rapid.Int64Range(0, 2).Draw(t, "kept of it"); n > 0 {
					k.Workers = append(k.Workers, berth.KeptWorker{Worker: w, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 1000 * n}}})
				}
			}
			l.put(berth.KindKeep, "", string(berth.DefaultPool), k)
		}
		none := berth.Request{ID: "none", Command: []string{"x"}, Tenant: "none"} // a trace has a job
		outcomes, err := l.Forecast(&snapshot.Change{Requests: []berth.Request{none}})
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[string]int)
		for _, o := range outcomes {
			if name := string(o.Request); o.Worker != "" {
				if o.Group != "" {
					name = string(o.Group)
				}
				want[name]++
			}
		}
		from, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 0)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := from.Trace([]sim.Job{{ArrivalMS: 5, RunMS: 1, Tenant: "none", Pod: sim.Pod{Name: "none"}}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := trace.Within(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		soon, err := trace.Within(t.Context(), 5000)
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range want {
			if n <= soon[name] {
				got[name] = max(got[name], n) // with what was kept
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-plan +simulation):\n%s", diff)
		}
	})
}
