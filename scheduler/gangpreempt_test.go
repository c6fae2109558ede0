package scheduler_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// genCrowded draws workers with who is on them, and a gang: any of those that other tests draw, or
// workers that are all but full, so that a gang needs the ends of several.
func genCrowded(t *rapid.T) (workers []scheduler.Worker, f *scheduler.Fleet, who crowd, r *berth.Request, g scheduler.Gang) {
	if rapid.IntRange(0, 3).Draw(t, "any") == 0 {
		workers = genWorkers(t)
		f = fleet(workers...)
		who = genCrowd(t, f, 7)
		who.alike(f)
		r, g = genGang(t)
		return workers, f, who, r, g
	}
	who = crowd{}
	for i := range rapid.IntRange(2, 4).Draw(t, "workers") {
		w := worker(fmt.Sprintf("w%d", i), 4, 4)
		w.Labels = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")}
		workers = append(workers, w)
	}
	f = fleet(workers...)
	for i := range rapid.IntRange(2, 9).Draw(t, "occupants") {
		w := workers[rapid.IntRange(0, len(workers)-1).Draw(t, "on")].ID
		o := scheduler.Occupant{
			Priority: rapid.Int32Range(0, 3).Draw(t, "priority"), Placed: rapid.Int64Range(0, 3).Draw(t, "placed"),
			Leaving: rapid.IntRange(0, 9).Draw(t, "leaves") == 0,
		}
		if !o.Leaving {
			o.Group = rapid.SampledFrom([]berth.GroupID{"", "", "", "g", "h"}).Draw(t, "of group")
		}
		now := f.Worker(w)
		cpu := rapid.Int64Range(1, 4).Draw(t, "cpu")
		if free := 4 - now.Ledger.Reserved.CPUMilli; free > 0 {
			who.held(f, w, fmt.Sprintf("o%d", i), min(cpu, free), o)
		}
	}
	who.alike(f)
	size := map[berth.GroupID]int{}
	for _, of := range who {
		for _, o := range of {
			size[o.Group]++
		}
	}
	for _, of := range who {
		for i := range of {
			if of[i].Group != "" {
				of[i].Members = size[of[i].Group]
			}
		}
	}
	r = request("g", rapid.Int64Range(1, 4).Draw(t, "of each"), 0)
	n := rapid.IntRange(1, 5).Draw(t, "size")
	g = gangOf(r, n, rapid.IntRange(1, n).Draw(t, "need"), rapid.SampledFrom([]string{"", "zone"}).Draw(t, "topology"))
	return workers, f, who, r, g
}

// alike gives all members of a group the priority that they were submitted with.
func (c crowd) alike(f *scheduler.Fleet) {
	for w, of := range c {
		for i := range of {
			if o := &of[i]; o.Group != "" && !o.Leaving {
				f.Occupy(w, o.Priority, &o.Share, -1)
				o.Priority = int32(len(o.Group)) + int32(o.Group[0])%2 // 1, or 2
				f.Occupy(w, o.Priority, &o.Share, 1)
			}
		}
	}
}

// partiesOf are those of a crowd who may end for a priority, by what they end with.
func partiesOf(who crowd, priority int32) (all [][]scheduler.Occupant) {
	of := map[string][]scheduler.Occupant{}
	for _, w := range slices.Sorted(maps.Keys(who)) {
		for _, o := range who[w] {
			key := string(o.Request)
			if o.Group != "" {
				key = "group " + string(o.Group)
			}
			if !o.Leaving {
				of[key] = append(of[key], o)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(of)) {
		if p, _, _ := rankOf(of[key]); p < priority {
			all = append(all, of[key])
		}
	}
	return all
}

// without is the workers where these have ended, and what leaves.
func without(f *scheduler.Fleet, workers []scheduler.Worker, who crowd, gone map[berth.RequestID]bool) (out []scheduler.Worker) {
	for _, w := range snapshot(f, workers) {
		for _, o := range who[w.ID] {
			if o.Leaving || gone[o.Request] {
				ledger, err := w.Ledger.Release(o.Share)
				if err != nil {
					panic(err)
				}
				w.Ledger = ledger
			}
		}
		out = append(out, w)
	}
	return out
}

func all(parties ...[]scheduler.Occupant) map[berth.RequestID]bool {
	gone := map[berth.RequestID]bool{}
	for _, p := range parties {
		for _, o := range p {
			gone[o.Request] = true
		}
	}
	return gone
}

func costOf(parties [][]scheduler.Occupant) (n int) {
	for _, p := range parties {
		n += max(p[0].Members, 1)
	}
	return n
}

// bruteParties tries every set of parties, and says what the cheapest that suffices costs; 0: none does.
func bruteParties(parties [][]scheduler.Occupant, suffices func([][]scheduler.Occupant) bool) (least int) {
	for bits := 1; bits < 1<<len(parties); bits++ {
		var some [][]scheduler.Occupant
		for i, p := range parties {
			if bits>>i&1 == 1 {
				some = append(some, p)
			}
		}
		if cost := costOf(some); (least == 0 || cost < least) && suffices(some) {
			least = cost
		}
	}
	return least
}

// TestProperty_GangMakesRoom: room is made for a gang if and only if it does not fit when what leaves has
// ended, and there are victims that suffice. None of them need not end, none is of equal priority, a
// group goes whole, and of what is in no group no smaller set would do.
func TestProperty_GangMakesRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers, f, who, r, g := genCrowded(t)
		if rapid.Bool().Draw(t, "nobody in groups") {
			for _, of := range who {
				for i := range of {
					of[i].Group, of[i].Members = "", 0
				}
			}
		}
		priority := rapid.Int32Range(0, 4).Draw(t, "of priority")
		for i := range g.Members {
			g.Members[i].Priority = priority
		}
		suffices := func(some [][]scheduler.Occupant) bool {
			return bruteGang(r, without(f, workers, who, all(some...)), g) >= g.Need
		}
		parties := partiesOf(who, priority)
		least := 0
		if !suffices(nil) {
			least = bruteParties(parties, suffices)
		}
		before := snapshot(f, workers)
		if got, want := f.MostWithRoom(g, who.on), min(bruteGang(r, without(f, workers, who, all(parties...)), g), g.Need); got != want {
			t.Fatalf("%d have room when all have ended, want %d", got, want)
		}
		d, ok := f.PreemptGang(g, who.on)
		if diff := cmp.Diff(before, snapshot(f, workers)); diff != "" {
			t.Fatalf("left its mark:\n%s", diff)
		}
		if ok != (least > 0) {
			t.Fatalf("found %t %+v, by force at the cost of %d", ok, d, least)
		}
		if !ok {
			return
		}
		ends := victimsOf(parties, d.Victims)
		if costOf(ends) != d.Cost || d.Cost < least || !slices.IsSorted(d.Victims) {
			t.Fatalf("victims %v of cost %d; they cost %d, by force %d", d.Victims, d.Cost, costOf(ends), least)
		}
		if !slices.ContainsFunc(parties, func(p []scheduler.Occupant) bool { return p[0].Group != "" }) && d.Cost > least {
			t.Fatalf("%d end, and %d would do", d.Cost, least)
		}
		for _, id := range d.Victims {
			if !slices.ContainsFunc(ends, func(p []scheduler.Occupant) bool {
				return slices.ContainsFunc(p, func(o scheduler.Occupant) bool { return o.Request == id })
			}) {
				t.Fatalf("%s may not end", id)
			}
		}
		if !suffices(ends) {
			t.Fatalf("%v does not suffice", d.Victims)
		}
		for i := range ends {
			if suffices(slices.Delete(slices.Clone(ends), i, i+1)) {
				t.Fatalf("%v need not end: %v", ends[i], d.Victims)
			}
		}
		for _, k := range d.Workers {
			at := slices.IndexFunc(workers, func(w scheduler.Worker) bool { return w.ID == k.Worker })
			if _, err := without(f, workers, who, all(ends...))[at].Ledger.Reserve(k.Share); err != nil {
				t.Fatalf("what is kept of %s: %v", k.Worker, err)
			}
		}
		if err := f.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// victimsOf are the parties that have one of these.
func victimsOf(parties [][]scheduler.Occupant, ids []berth.RequestID) (some [][]scheduler.Occupant) {
	for _, p := range parties {
		if slices.ContainsFunc(p, func(o scheduler.Occupant) bool { return slices.Contains(ids, o.Request) }) {
			some = append(some, p)
		}
	}
	return some
}

// Beside what is kept for another group, members go where nothing is: also where what is kept is free, or comes free sooner.
func TestPreemptGang_BesideWhatIsKept(t *testing.T) {
	t.Parallel()
	f := fleet(worker("w0", 4, 4), worker("w1", 4, 4), worker("w2", 4, 4))
	who := crowd{}
	who.held(f, "w1", "a", 4, scheduler.Occupant{Priority: 1})
	who.held(f, "w2", "b", 4, scheduler.Occupant{Priority: 2})
	k := &berth.Keep{Group: "other", Workers: []berth.KeptWorker{
		{Worker: "w0", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 4}}}, {Worker: "w1", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 4}}},
	}}
	f.Keep(berth.DefaultPool, k)
	g := gangOf(request("g", 4, 0), 1, 1, "")
	g.Members[0].Priority = 5
	on := func(w berth.WorkerID) []scheduler.Occupant { return who[w] }
	if d, ok := f.PreemptGang(g, on); ok || !d.Anyway {
		t.Errorf("what is kept counts as free: %+v, %t", d, ok)
	}
	g.Beside = true
	d, ok := f.PreemptGang(g, on)
	if !ok || !slices.Equal(d.Victims, []berth.RequestID{"b"}) || len(d.Workers) != 1 || d.Workers[0].Worker != "w2" {
		t.Errorf("beside it: %+v, %t", d, ok)
	}
	g.Members[0].Priority = 2
	if d, ok = f.PreemptGang(g, on); ok {
		t.Errorf("nobody else matters less: %+v", d)
	}
}
