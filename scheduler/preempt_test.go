package scheduler_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// crowd is who is on the workers of a fleet.
type crowd map[berth.WorkerID][]scheduler.Occupant

func (c crowd) on(w berth.WorkerID) []scheduler.Occupant { return c[w] }

// seat places a request, and notes who it is.
func (c crowd) seat(f *scheduler.Fleet, r *berth.Request, o scheduler.Occupant) {
	d := f.Place(ask(r))
	if d.Verdict != nil {
		return
	}
	o.Request, o.Share, o.Labels = r.ID, d.Share, r.Labels
	c.add(f, d.Worker, o)
}

func (c crowd) add(f *scheduler.Fleet, w berth.WorkerID, o scheduler.Occupant) {
	c[w] = append(c[w], o)
	f.Count(w, o.Labels, 1)
	p := o.Priority
	if o.Leaving {
		p = scheduler.PriorityLeaving
	}
	f.Occupy(w, p, &o.Share, 1)
}

// genCrowd fills workers with what has priorities 0 to 3; some are in groups that also
// have members elsewhere.
func genCrowd(t *rapid.T, f *scheduler.Fleet, most int) crowd {
	c := crowd{}
	elsewhere := map[berth.GroupID]int{}
	for i := range rapid.IntRange(0, most).Draw(t, "occupants") {
		r := genRequest(t, fmt.Sprintf("o%02d", i))
		r.AffinityKey = ""
		if rapid.IntRange(0, 2).Draw(t, "labelled") == 0 {
			r.Labels = map[string]string{"app": "x"}
		}
		o := scheduler.Occupant{Placed: rapid.Int64Range(0, 3).Draw(t, "placed"), Priority: rapid.Int32Range(0, 3).Draw(t, "priority")}
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			o.Leaving = true
		case 1, 2, 3:
			o.Group = rapid.SampledFrom([]berth.GroupID{"g", "h"}).Draw(t, "group")
			if elsewhere[o.Group] == 0 {
				elsewhere[o.Group] = rapid.IntRange(1, 3).Draw(t, "elsewhere")
			}
		}
		c.seat(f, r, o)
	}
	of := map[berth.GroupID]int{}
	for _, all := range c {
		for _, o := range all {
			of[o.Group]++
		}
	}
	for _, all := range c {
		for i := range all {
			if g := all[i].Group; g != "" {
				all[i].Members = of[g] + elsewhere[g] - 1
			}
		}
	}
	return c
}

// set is occupants of one worker that might end.
type set struct {
	worker berth.WorkerID
	units  [][]scheduler.Occupant
}

func rankOf(unit []scheduler.Occupant) (priority int32, placed int64, id berth.RequestID) {
	priority, placed, id = unit[0].Priority, unit[0].Placed, unit[0].Request
	for _, o := range unit {
		priority, placed, id = max(priority, o.Priority), min(placed, o.Placed), min(id, o.Request)
	}
	return priority, placed, id
}

func compareUnits(a, b []scheduler.Occupant) int {
	p, at, _ := rankOf(a)
	q, bt, _ := rankOf(b)
	return cmp.Or(cmp.Compare(p, q), cmp.Compare(bt, at))
}

func (s *set) cost() (n int) {
	for _, u := range s.units {
		n += max(u[0].Members, 1)
	}
	return n
}

// compare is the rule: the fewest, then what matters least, compared from the one that
// matters most.
func (s *set) compare(o *set) int {
	full := func(a, b []scheduler.Occupant) int {
		_, _, x := rankOf(a)
		_, _, y := rankOf(b)
		return cmp.Or(compareUnits(a, b), cmp.Compare(x, y))
	}
	for _, one := range []*set{s, o} {
		slices.SortFunc(one.units, func(a, b []scheduler.Occupant) int { return full(b, a) })
	}
	by := compareUnits
	if s.worker == o.worker {
		by = full
	}
	return cmp.Or(cmp.Compare(s.cost(), o.cost()), slices.CompareFunc(s.units, o.units, by), cmp.Compare(s.worker, o.worker))
}

// without is the worker with occupants gone; ok: the request fits there then.
func fitsWithout(r *berth.Request, w scheduler.Worker, gone []scheduler.Occupant) bool {
	for _, o := range gone {
		ledger, err := w.Ledger.Release(o.Share)
		if err != nil {
			panic(err)
		}
		w.Ledger = ledger
	}
	return bruteFits(r, w)
}

func split(all []scheduler.Occupant, priority int32) (leaving []scheduler.Occupant, units [][]scheduler.Occupant) {
	groups := map[berth.GroupID][]scheduler.Occupant{}
	for _, o := range all {
		switch {
		case o.Leaving:
			leaving = append(leaving, o)
		case o.Group != "":
			groups[o.Group] = append(groups[o.Group], o)
		case o.Priority < priority:
			units = append(units, []scheduler.Occupant{o})
		}
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		if p, _, _ := rankOf(groups[g]); p < priority {
			units = append(units, groups[g])
		}
	}
	return leaving, units
}

// bruteVictims tries every set on every worker.
func bruteVictims(c scheduler.Candidate, f *scheduler.Fleet, workers []scheduler.Worker, who crowd) (best *set) {
	for _, w := range workers {
		leaving, units := split(who[w.ID], c.Priority)
		for bits := range 1 << len(units) {
			s, gone := &set{worker: w.ID}, slices.Clone(leaving)
			for i, u := range units {
				if bits>>i&1 == 1 {
					s.units = append(s.units, u)
					gone = append(gone, u...)
				}
			}
			if fitsWithout(c.Request, *f.Worker(w.ID), gone) && (best == nil || s.compare(best) < 0) {
				best = s
			}
		}
	}
	return best
}

func fitsNow(c scheduler.Candidate, f *scheduler.Fleet, workers []scheduler.Worker) bool {
	return slices.ContainsFunc(workers, func(w scheduler.Worker) bool { return bruteFits(c.Request, *f.Worker(w.ID)) })
}

// checkVictims: none too many, none of equal priority, groups whole, and the share is
// there once they have ended.
func checkVictims(t *rapid.T, c scheduler.Candidate, f *scheduler.Fleet, who crowd, d scheduler.Preemption) []scheduler.Occupant {
	var gone []scheduler.Occupant
	cost, groups := 0, map[berth.GroupID]bool{}
	for _, o := range who[d.Worker] {
		taken := slices.Contains(d.Victims, o.Request)
		if o.Group != "" && !o.Leaving {
			if was, known := groups[o.Group]; known && was != taken {
				t.Fatalf("of group %s some end and some do not: %v", o.Group, d.Victims)
			} else if !known && taken {
				cost += o.Members
			}
			groups[o.Group] = taken
		} else if taken && !o.Leaving {
			cost++
		}
		if taken && !o.Leaving && o.Priority >= c.Priority {
			t.Fatalf("%s of priority %d ends for one of %d", o.Request, o.Priority, c.Priority)
		}
		if taken {
			gone = append(gone, o)
		}
	}
	if len(gone) != len(d.Victims) || cost != d.Cost || !slices.IsSorted(d.Victims) {
		t.Fatalf("victims %v of cost %d, they cost %d", d.Victims, d.Cost, cost)
	}
	w := *f.Worker(d.Worker)
	if !fitsWithout(c.Request, w, gone) {
		t.Fatalf("%v does not suffice", d.Victims)
	}
	for _, spared := range gone {
		left := slices.DeleteFunc(slices.Clone(gone), func(o scheduler.Occupant) bool {
			return o.Request == spared.Request || spared.Group != "" && !spared.Leaving && o.Group == spared.Group
		})
		if fitsWithout(c.Request, w, left) {
			t.Fatalf("%s need not end: %v", spared.Request, d.Victims)
		}
	}
	for _, o := range gone {
		w.Ledger, _ = w.Ledger.Release(o.Share)
	}
	if _, err := w.Ledger.Reserve(d.Share); err != nil {
		t.Fatalf("the share: %v", err)
	}
	return gone
}

func genPreemptor(t *rapid.T) scheduler.Candidate {
	r := genRequest(t, "candidate")
	return scheduler.Candidate{Request: r, Priority: rapid.Int32Range(0, 3).Draw(t, "of priority")}
}

// TestProperty_PreemptCheapest: victims are found if and only if there are some, and
// they are the ones that the rule names.
func TestProperty_PreemptCheapest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		who := genCrowd(t, f, 9)
		c := genPreemptor(t)
		if fitsNow(c, f, workers) {
			return
		}
		best := bruteVictims(c, f, workers, who)
		d, ok := f.Preempt(c, who.on)
		if ok != (best != nil) {
			t.Fatalf("found %t %+v, by force %+v", ok, d, best)
		}
		for _, w := range workers {
			leaving, units := split(who[w.ID], c.Priority)
			all := fitsWithout(c.Request, *f.Worker(w.ID), append(leaving, slices.Concat(units...)...))
			if can := f.CanPreemptOn(c, w.ID, who.on); can != all {
				t.Fatalf("room can be made on %s: %t, by force %t", w.ID, can, all)
			}
		}
		if !ok {
			return
		}
		gone := checkVictims(t, c, f, who, d)
		got := &set{worker: d.Worker}
		_, got.units = split(gone, c.Priority)
		if got.compare(best) != 0 {
			t.Fatalf("victims %v on %s, by force %v on %s", got.units, got.worker, best.units, best.worker)
		}
	})
}

// TestProperty_PreemptMany is beyond what is searched through: still no victim is one
// too many.
func TestProperty_PreemptMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worker("w", 60, 60)
		w.Ledger.Capacity.Custom = map[string]int64{"licence": 8}
		for i := range 8 {
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprintf("g%d", i), Type: deviceTypes[i%2]})
		}
		w.Ledger.Capacity.Ports = berth.PortRange{First: 80, Last: 90}
		f := fleet(w)
		who := genCrowd(t, f, scheduler.MaxVictims)
		c := genPreemptor(t)
		c.Request.Resources.CPUMilli *= rapid.Int64Range(1, 15).Draw(t, "larger")
		if fitsNow(c, f, []scheduler.Worker{w}) {
			return
		}
		leaving, units := split(who["w"], c.Priority)
		want := fitsWithout(c.Request, *f.Worker("w"), append(leaving, slices.Concat(units...)...))
		d, ok := f.Preempt(c, who.on)
		if ok != want {
			t.Fatalf("found %t, all of lower priority suffice: %t", ok, want)
		}
		if ok {
			checkVictims(t, c, f, who, d)
		}
	})
}

// Two leave anyway, and one of them would do: which one does not depend on the order in which
// a daemon tells of them.
func TestPreempt_LeavingInAnyOrder(t *testing.T) {
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 4}}
	c := scheduler.Candidate{Request: request("c", 4, 0), Priority: 1}
	for _, ids := range [][]berth.RequestID{{"a", "b"}, {"b", "a"}} {
		w := worker("w", 8, 8)
		w.Ledger.Reserved.CPUMilli, w.Ledger.Count = 8, 2
		f, who := fleet(w), crowd{}
		for _, id := range ids {
			who.add(f, "w", scheduler.Occupant{Request: id, Leaving: true, Share: share})
		}
		if d, ok := f.Preempt(c, who.on); !ok || !slices.Equal(d.Victims, []berth.RequestID{"a"}) {
			t.Errorf("told of in order %v: %t %+v", ids, ok, d)
		}
	}
}

// TestProperty_PreemptAnyOrder: the order in which the fleet hears of who is where
// decides nothing.
func TestProperty_PreemptAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		who := genCrowd(t, f, 12)
		c := genPreemptor(t)
		if fitsNow(c, f, workers) {
			return
		}
		d, ok := f.Preempt(c, who.on)
		other := scheduler.NewFleet()
		mixed := crowd{}
		for _, w := range rapid.Permutation(workers).Draw(t, "workers") {
			other.Put(*f.Worker(w.ID))
			for _, o := range rapid.Permutation(who[w.ID]).Draw(t, "on it") {
				mixed.add(other, w.ID, o)
			}
		}
		again, okAgain := other.Preempt(c, mixed.on)
		if ok != okAgain || d.Worker != again.Worker || d.Cost != again.Cost || !slices.Equal(d.Victims, again.Victims) {
			t.Fatalf("%+v, and in another order %+v", d, again)
		}
	})
}
