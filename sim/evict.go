package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// evictor is a policy that has others make room for a job. Berth does; what it is compared
// with was published without.
type evictor interface {
	// seat says who has come to a machine, 1, or has left it, -1.
	seat(machine int, o *scheduler.Occupant, by int64)
	// evict chooses who is to end, so that a job of a shape fits; none: nothing would help.
	evict(shape int, priority int32, on func(machine int) []scheduler.Occupant) []berth.RequestID
	// keepsRoomOff says whether somebody would be chosen on a machine, were nothing of it kept for a group.
	keepsRoomOff(shape int, priority int32, machine string, on func(machine int) []scheduler.Occupant) bool
	// evictForGang chooses who is to end, so that a group fits that waits for so many ms yet, 0: for ever; false: nothing would help.
	evictForGang(a *gangAsk, priority int32, patience int64, on func(machine int) []scheduler.Occupant) (scheduler.GangRoom, bool)
	// share is what a job of a shape holds at a place.
	share(shape int, at place) berth.Share
}

// evictions are the jobs that run, by machines, and what it has cost to stop some.
type evictions struct {
	by       evictor                // nil: nobody makes room
	on       [][]scheduler.Occupant // nil: nobody asks who is there
	sharesOf func(shape int, at place) berth.Share
	seq      int64 // of the last that was placed
	count    int
	gpuLost  float64 // thousandths times milliseconds that ran for nothing
	coreLost float64
	groups   int    // of these, for groups
	since    [2]int // how many of both when the series looked last
}

// newEvictions is of a run; where no job asks for it, and nothing is kept for a group, nothing
// is noted.
func newEvictions(t *Trace, p policy, c *cluster) *evictions {
	e := &evictions{}
	by, ok := p.(evictor)
	if !ok {
		return e
	}
	e.sharesOf = by.share
	if slices.ContainsFunc(t.jobs, func(j Job) bool { return j.Preempts }) {
		e.by = by
	}
	if e.by != nil || len(t.groups) > 0 {
		e.on = make([][]scheduler.Occupant, len(c.machines))
	}
	return e
}

func jobID(job int) berth.RequestID { return berth.RequestID(fmt.Sprintf("j%08d", job)) }

func jobOf(id berth.RequestID) int {
	n, err := strconv.Atoi(strings.TrimPrefix(string(id), "j"))
	if err != nil {
		panic("sim: the scheduler has named a victim that it was not told of: " + string(id))
	}
	return n
}

// come notes that a job was placed.
func (e *evictions) come(r *replay, job int) {
	if e.on == nil {
		return
	}
	at, h := r.fates[job].at, r.fates[job].held
	o := scheduler.Occupant{Request: jobID(job), Priority: int32(r.jobs[job].Priority)} //nolint:gosec // at most berth.MaxPriority
	if h != nil {
		o.Placed, o.Share = -h.AgeMS, h.share()
	} else {
		e.seq++
		o.Placed, o.Share = e.seq, e.sharesOf(r.of[job], at)
	}
	if g := r.gangOf(job); g >= 0 {
		o.Group = idOf(g)
	}
	e.on[at.machine] = append(e.on[at.machine], o)
	if e.by != nil {
		e.by.seat(at.machine, &o, 1)
	}
}

// leave notes that a job has ended.
func (e *evictions) leave(r *replay, job int) {
	if e.on == nil {
		return
	}
	on := &e.on[r.fates[job].at.machine]
	i := slices.IndexFunc(*on, func(o scheduler.Occupant) bool { return o.Request == jobID(job) })
	if e.by != nil {
		e.by.seat(r.fates[job].at.machine, &(*on)[i], -1)
	}
	*on = slices.Delete(*on, i, i+1)
}

// occupants are those on a machine; a group goes whole, and counts as all of it that runs. Where a
// request of a store has a claim it is nobody.
func (r *replay) occupants(machine int) []scheduler.Occupant {
	if r.claimed[machine] {
		return nil
	}
	return r.everyone(machine)
}

// everyone is all that may end on a machine.
func (r *replay) everyone(machine int) []scheduler.Occupant {
	on := r.evictions.on[machine]
	for i := range on {
		o, j := &on[i], jobOf(on[i].Request)
		if g := r.gangOf(j); g >= 0 && !o.Leaving {
			o.Members = r.gangs.fates[g].running
		}
		o.Grace, o.Left = r.jobs[j].GraceMS, 0
		if left, known := r.leftOf(j); known {
			o.Left = max(left, 1)
		}
	}
	return on
}

// preempts says whether others may have to make room for a job that waits alone: not for who follows a
// group, nor for who had to make room itself when it ran last.
func (r *replay) preempts(j int) bool {
	return r.evictions.by != nil && r.jobs[j].Preempts && r.gangOf(j) < 0 && r.fates[j].stopped == 0
}

// makeRoom stops those of lower priority that a job needs gone, and of groups all, and says who
// they were: they wait again, a group whole, and all that they have done is lost.
func (r *replay) makeRoom(job int) (stopped []int) {
	for _, id := range r.evictions.by.evict(r.kind[job], int32(r.jobs[job].Priority), r.occupants) { //nolint:gosec // at most berth.MaxPriority
		victim := jobOf(id)
		g := r.gangOf(victim)
		switch {
		case r.fates[victim].leaving: // it was told to already
			stopped = append(stopped, r.leave(victim)...)
		case g < 0:
			r.stopFor(victim)
			stopped = append(stopped, r.waitsAgain([]int{victim})...)
		case !r.gangs.waitsWhole(g): // not one whose group was stopped with another of it
			r.stopGang(g)
			stopped = append(stopped, r.waitsAgain([]int{^g})...)
		}
	}
	return stopped
}

// stopGang stops all of a group that runs.
func (r *replay) stopGang(g int) {
	of := &r.groups[g]
	for j := of.first; j < of.first+int(of.Size); j++ {
		if f := &r.fates[j]; f.placed && !f.over {
			r.stopFor(j)
		}
	}
	r.gangs.fates[g].stopped++
	r.arriveWhole(g)
}

// stopFor stops a job for another: what it has done is lost.
func (r *replay) stopFor(victim int) {
	e, f, s := r.evictions, &r.fates[victim], &r.shapes[r.of[victim]]
	ran, gpu, cpu := float64(r.now-r.jobs[victim].ArrivalMS-f.waited), s.gpuMilli(), s.cpu
	if f.held != nil {
		b := f.held.bulk()
		gpu, cpu = b[bulkGPU], b[bulkCPU]
	}
	e.count++
	e.gpuLost += ran * float64(gpu)
	e.coreLost += ran * float64(cpu)
	r.halt(victim)
}

// halt has a job that runs wait again.
func (r *replay) halt(job int) {
	r.stop(job)
	r.fates[job].placed = false
	r.fates[job].stopped++
}

// lately is how many were stopped since the last look, and how many of these for groups.
func (e *evictions) lately() (all, groups int) {
	all, groups = e.count-e.since[0], e.groups-e.since[1]
	e.since = [2]int{e.count, e.groups}
	return all, groups
}
