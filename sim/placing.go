package sim

import (
	"container/heap"
	"fmt"
	"slices"
)

// place tries what waits. Of a kind that has found no place, no other is tried until
// something ends, where it may have room now. Who was stopped meanwhile is tried behind all others, and so is who may
// have those stopped that have come, and who follows a group.
func (r *replay) place(fresh []int, freed bool) error {
	try := &attempt{replay: r, blocked: make(map[int]bool)}
	r.turns.alone(func(j int) {
		if _, known := try.blocked[r.kind[j]]; !known && !r.over(j) { // who is was not tried
			try.blocked[r.kind[j]] = !freed || !r.mayFitAgain(j)
		}
	})
	for again := freed || len(fresh) > 0; again; {
		for _, unit := range fresh {
			r.turns.arrive(r, unit)
		}
		if r.gangs != nil {
			r.gangs.wake()
		}
		try.placed, try.waits, try.stopped, try.late, try.gave, try.yields, try.helpless = 0, false, nil, nil, false, false, make(map[[2]int64]bool)
		if err := (&pass{r, try.open, try.one}).each(); err != nil {
			return err
		}
		try.takeBack()
		if fresh = slices.Concat(try.stopped, try.late); len(try.stopped) > 0 || try.gave {
			clear(try.blocked)
		}
		again = len(fresh) > 0 || try.gave || try.waits && try.placed > 0
	}
	return nil
}

// mayFitAgain says whether a job that has found no place may find one on what has become free. Limits that are given
// back, and what was kept for a group, may help anyone.
func (r *replay) mayFitAgain(j int) bool {
	return r.gangs != nil || len(r.limits) > 0 || slices.ContainsFunc(r.emptied, func(machine int) bool {
		return r.cluster.machines[machine].fits(&r.shapes[r.of[j]])
	})
}

// attempt is one look at all that waits.
type attempt struct {
	*replay
	blocked  map[int]bool // kinds
	helpless map[[2]int64]bool
	placed   int
	waits    bool // somebody who preempts
	stopped  []int
	late     []int // jobs of groups that were placed without them
	gave     bool  // what was kept is so no more
	yields   bool  // for who goes first: nothing else is tried before all is looked at anew
}

// open says whether a job that waits alone may fit.
func (a *attempt) open(j int) bool { return !a.blocked[a.kind[j]] && !a.over(j) }

// one tries a job, or a group, which is the complement of its number: it says how many jobs
// have got their places, or another way to wait.
func (a *attempt) one(unit int) (int, error) {
	if a.yields {
		return 0, nil
	}
	if unit < 0 {
		return a.gang(^unit)
	}
	r, j, kind := a.replay, unit, a.kind[unit]
	if r.over(j) || r.gangs != nil && r.gangs.waitsWhole(r.gangOf(j)) {
		return 0, nil
	}
	at, ok := place{}, false
	if !a.blocked[kind] {
		at, ok = a.choose(kind, r.fates[j].asked)
		r.fates[j].asked = true
		a.blocked[kind] = !ok
	}
	if !ok && r.preempts(j) {
		if r.takesKept(j) {
			a.gave, a.yields = r.giveUpKept(keptOffFor), true
			return 0, nil
		}
		if stopped := a.evict(j, [2]int64{int64(kind), r.jobs[j].Priority}); len(stopped) > 0 {
			a.stopped = append(a.stopped, stopped...)
			if at, ok = a.choose(kind, true); !ok {
				return 0, fmt.Errorf("policy %s, job %d: fits nowhere, though room was made for it", r.name, j+1)
			}
		}
		a.waits = a.waits || !ok
	}
	if !ok {
		return 0, nil
	}
	at.gpus = slices.Clone(at.gpus)
	a.placed++
	return 1, r.settle(j, at)
}

// choose asks the policy for a job of a kind, for the first time since it waits, or again.
func (a *attempt) choose(kind int, again bool) (at place, ok bool) {
	b := a.gangs
	if b == nil {
		return a.policy.place(kind, again)
	}
	if at, ok = b.by.place(kind, again); !ok && b.keep.by != nil {
		b.keep.off[kind] = b.keep.rec != nil && b.keep.by.keptOff()
	}
	return at, ok
}

// settle has a job run where it was placed.
func (r *replay) settle(j int, at place) error {
	s, f := &r.shapes[r.of[j]], &r.fates[j]
	if err := r.cluster.take(s, at); err != nil {
		return fmt.Errorf("policy %s, job %d: %w", r.name, j+1, err)
	}
	r.turns.hold(r.jobs[j].Tenant, s.bulk(), 1)
	f.placed, f.asked, f.waited, f.at = true, false, r.now-r.jobs[j].ArrivalMS, at
	r.evictions.come(r, j)
	if r.gangs != nil {
		r.gangs.keep.touch(at.machine)
	}
	if g := r.gangOf(j); g >= 0 {
		r.gangs.fates[g].running++
	}
	if r.jobs[j].RunMS > 0 {
		heap.Push(&r.ends, ending{at: r.now + r.jobs[j].RunMS, job: j, stopped: f.stopped})
	}
	return nil
}

// gang tries a group that waits whole: as many of its jobs as fit, and as its tenant's limit has
// room for, get their places, if those are enough. The others wait by themselves from then on.
func (a *attempt) gang(g int) (int, error) {
	r, b := a.replay, a.gangs
	f := &b.fates[g]
	count := min(r.allowed(f.members[0], len(f.members)), len(f.members))
	if count < r.needs(g) {
		return 0, nil
	}
	c := r.classOf(g, count)
	if !c.open() {
		return 0, nil
	}
	got := b.by.placeGang(&c.ask)
	f.asked = true
	if len(got.places) > 0 && b.keep.group == g {
		b.keep.by.undoGang()
		if yields := r.takesBefore(g); yields > 0 {
			a.yieldKept(yields)
			return 0, nil
		}
		c.ask.again = true
		got = b.by.placeGang(&c.ask)
	}
	if len(got.places) == 0 {
		c.block(&got)
		return 0, nil
	}
	waited := len(f.members)
	for i, at := range got.places {
		if err := r.settle(f.members[i], at); err != nil {
			return 0, err
		}
	}
	a.placed += len(got.places)
	f.whole, f.placed, f.waited, f.domain, f.link = false, true, r.now-r.jobs[f.members[0]].ArrivalMS, got.domain, got.link
	b.waiting--
	for _, j := range f.members[len(got.places):] {
		if c.ask.topology != "" || c.ask.linked {
			r.kind[j] = r.kindOf(j, Site{c.ask.topology, got.domain, got.link})
		}
		a.late = append(a.late, j)
	}
	if b.keep.group == g {
		b.keep.served = true
		a.gave = r.keepNothing() || a.gave
	}
	return waited, nil
}

// evict makes room for a job, unless there was none to be made for one like it.
func (a *attempt) evict(j int, kind [2]int64) []int {
	if a.helpless[kind] {
		return nil
	}
	stopped := a.makeRoom(j)
	a.helpless[kind] = len(stopped) == 0
	return stopped
}

// takeBack has those wait with their group that were to follow it, where it was stopped.
func (a *attempt) takeBack() {
	a.late = slices.DeleteFunc(a.late, func(j int) bool { return a.gangs.waitsWhole(a.gangOf(j)) })
	for _, unit := range a.stopped {
		if unit >= 0 {
			continue
		}
		for _, j := range a.gangs.fates[^unit].members {
			a.turns.leave(a.jobs[j].Tenant, j, 1)
		}
	}
}
