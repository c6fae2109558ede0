package sim

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A group that does not fit may have others make room, on however many machines. They are told to
// stop, and what they free is kept for the group: when the last has ended it is placed as any
// other. Whom it takes is the scheduler's choice, and which group is asked about when the daemon's:
// one group at a time has others make room, what is kept for one of lower priority is taken over, and
// nothing is chosen anew while those who were told have their grace. They end all the same where
// the group has left meanwhile.

// roomTries is of how many groups it is asked, at a time, who could make room for them: of the first ones, and of others in turn.
const roomTries = 4

// roomSeekers are groups that may have others make room, the first by priority and those that have not been asked for longest, which do not
// fit, where nothing is kept for a group that matters more, or as much and its round is not over.
func (r *replay) roomSeekers() []int {
	k := &r.gangs.keep
	var all []int
	for _, one := range r.turns.order {
		for _, unit := range one.whole {
			g := ^unit
			if !r.groupPreempts(g) || k.rec != nil && k.group != g && r.first(k.group).Priority >= r.first(g).Priority && (!r.besideKept(g) || !r.anew(k.group)) {
				continue
			}
			if !r.hopeless(g) && !r.classOf(g, r.countOf(g)).open() {
				all = append(all, g)
			}
		}
	}
	before := func(a, b int) int {
		return cmp.Or(cmp.Compare(r.first(b).Priority, r.first(a).Priority), cmp.Compare(a, b))
	}
	slices.SortFunc(all, before)
	firsts, rest := all[:min(len(all), roomTries)], all[min(len(all), roomTries):]
	slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(r.gangs.fates[a].noRoom, r.gangs.fates[b].noRoom) })
	return append(firsts, rest[:min(len(rest), roomTries)]...)
}

// besideKept says whether something is kept for another group that matters as much as this one, and nobody makes room for it, or can.
func (r *replay) besideKept(g int) bool {
	k := &r.gangs.keep
	if k.rec == nil || k.group == g || r.first(k.group).Priority != r.first(g).Priority {
		return false
	}
	return !r.first(k.group).Preempts || k.rec.MadeRoom.IsZero() && !r.endsForKept()
}

// groupPreempts says whether a group may have others make room: not where it had to do so itself
// when it ran last.
func (r *replay) groupPreempts(g int) bool {
	return r.first(g).Preempts && r.gangs.fates[g].stopped == 0
}

// makeGroupRoom has others make room for the first group that they can make it for; replaced:
// something was kept for another.
func (r *replay) makeGroupRoom() (made, replaced bool) {
	e, k := r.evictions, &r.gangs.keep
	if e.by == nil {
		return false, false
	}
	for _, g := range r.roomSeekers() {
		of, ask := r.first(g), r.classOf(g, r.countOf(g)).ask
		ask.beside = r.besideKept(g)
		d, ok := e.by.evictForGang(&ask, int32(of.Priority), r.patienceOf(g), r.groupOccupants) //nolint:gosec // at most berth.MaxPriority
		if !ok {
			r.gangs.fates[g].noRoom = r.now
			continue
		}
		next := &berth.Keep{Group: idOf(g), Workers: d.Workers, MadeRoom: time.UnixMilli(r.clock())}
		if d.Within > 0 {
			next.By = time.UnixMilli(r.clock() + d.Within)
		}
		replaced = k.rec != nil && k.group != g
		r.keepFor(g, next, r.now)
		r.tellAll(g, d.Victims)
		return true, replaced
	}
	return false, false
}

// groupOccupants are those on a machine who may have to go for a group: only what leaves anyway where a
// request of a store has a claim.
func (r *replay) groupOccupants(machine int) []scheduler.Occupant {
	all := slices.Clone(r.everyone(machine))
	if r.claimed[machine] {
		all = slices.DeleteFunc(all, func(o scheduler.Occupant) bool { return !o.Leaving })
	}
	for i := range r.gangs.keep.running[machine] {
		if h := &r.gangs.keep.running[machine][i]; h.LeavesMS > 0 {
			o := leavingOf(h.held)
			o.Left = max(h.LeavesMS-(r.now-r.jobs[0].ArrivalMS), 1)
			all = append(all, o)
		}
	}
	return all
}

// leavingOf is something that was told to stop before the trace began, and does not come again.
func leavingOf(h *held) scheduler.Occupant {
	return scheduler.Occupant{Request: "leaves", Priority: scheduler.PriorityLeaving, Share: h.share(), Leaving: true}
}

// tellAll tells those to stop who make room for a group, and of groups all that run.
func (r *replay) tellAll(g int, victims []berth.RequestID) {
	for _, id := range victims {
		j := jobOf(id)
		in := r.gangOf(j)
		switch {
		case r.fates[j].leaving: // with another of its group
		case in < 0:
			r.tell(g, j)
		default:
			r.tellGroup(g, in)
		}
	}
}

// tellGroup tells all of a group to stop that runs. Who was to follow waits with it, once all have
// ended.
func (r *replay) tellGroup(g, in int) {
	of := &r.groups[in]
	r.gangs.fates[in].stopped++
	for j := of.first; j < of.first+int(of.Size); j++ {
		switch f := &r.fates[j]; {
		case f.over || f.left:
		case f.placed:
			r.gangs.fates[in].leaving++
			r.tell(g, j)
		default:
			r.turns.leave(r.jobs[j].Tenant, j, 1)
		}
	}
}

// tell tells a job to stop for a group: it has ended when its grace is over.
func (r *replay) tell(g, j int) {
	f := &r.fates[j]
	r.gangs.fates[g].room++
	f.leaving, f.leaves = true, r.now+r.jobs[j].GraceMS
	r.evictions.told(r, j)
	heap.Push(&r.ends, ending{at: f.leaves, job: j, stopped: f.stopped, told: true})
}

// told counts a job as one that ends anyway.
func (e *evictions) told(r *replay, job int) {
	if e.by == nil {
		return
	}
	at := r.fates[job].at.machine
	i := slices.IndexFunc(e.on[at], func(o scheduler.Occupant) bool { return o.Request == jobID(job) })
	o := &e.on[at][i]
	e.by.seat(at, o, -1)
	o.Leaving, o.Priority, o.Group, o.Members = true, scheduler.PriorityLeaving, "", 0
	e.by.seat(at, o, 1)
}

// leave stops a job that was told to, and says what waits again now: the job, or its whole group.
func (r *replay) leave(j int) []int {
	if h := r.fates[j].held; h != nil && h.LeavesMS > 0 {
		r.halt(j) // as it was told before the trace began
	} else {
		r.stopFor(j)
		r.evictions.groups++
	}
	if r.gangOf(j) < 0 {
		return r.waitsAgain([]int{j})
	}
	return r.waitsAgain(r.gone(j))
}

// gone notes that a job has ended that was told to stop, or did so by itself meanwhile: the last
// one of a group lets the group wait again, if any of it does.
func (r *replay) gone(j int) []int {
	g := r.gangOf(j)
	if g < 0 {
		return nil
	}
	f := &r.gangs.fates[g]
	if f.leaving--; f.leaving > 0 {
		return nil
	}
	first, size := r.groups[g].first, int(r.groups[g].Size)
	if !slices.ContainsFunc(r.fates[first:first+size], func(f fate) bool { return !f.over && !f.left }) {
		return nil // all of it has run to its end
	}
	r.arriveWhole(g)
	return []int{^g}
}

// roomComes says whether some of those who make room for what is kept are still there.
func (r *replay) roomComes() bool {
	return r.gangs.keep.made && r.endsForKept()
}

// endsForKept says whether somebody is still to make room where something is kept.
func (r *replay) endsForKept() bool {
	for machine := range r.gangs.keep.on { // in which order decides nothing
		if slices.ContainsFunc(r.evictions.on[machine], func(o scheduler.Occupant) bool { return o.Leaving }) {
			return true
		}
	}
	return false
}
