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
	// share is what a job of a shape holds at a place.
	share(shape int, at place) berth.Share
}

// evictions are the jobs that run, by machines, and what it has cost to stop some.
type evictions struct {
	by       evictor // nil: nobody makes room
	on       [][]scheduler.Occupant
	seq      int64 // of the last that was placed
	count    int
	gpuLost  float64 // thousandths times milliseconds that ran for nothing
	coreLost float64
	since    int // how many when the series looked last
}

// newEvictions is of a run; where no job asks for it, nothing is kept.
func newEvictions(t *Trace, p policy, c *cluster) *evictions {
	e := &evictions{}
	if by, ok := p.(evictor); ok && slices.ContainsFunc(t.jobs, func(j Job) bool { return j.Preempts }) {
		e.by, e.on = by, make([][]scheduler.Occupant, len(c.machines))
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
	if e.by == nil {
		return
	}
	at := r.fates[job].at
	e.seq++
	o := scheduler.Occupant{Request: jobID(job), Priority: int32(r.jobs[job].Priority), Placed: e.seq, Share: e.by.share(r.of[job], at)} //nolint:gosec // at most berth.MaxPriority
	e.on[at.machine] = append(e.on[at.machine], o)
	e.by.seat(at.machine, &o, 1)
}

// leave notes that a job has ended.
func (e *evictions) leave(r *replay, job int) {
	if e.by == nil {
		return
	}
	on := &e.on[r.fates[job].at.machine]
	i := slices.IndexFunc(*on, func(o scheduler.Occupant) bool { return o.Request == jobID(job) })
	e.by.seat(r.fates[job].at.machine, &(*on)[i], -1)
	*on = slices.Delete(*on, i, i+1)
}

// makeRoom stops those of lower priority that a job needs gone, and says who they were:
// they wait again, and all that they have done is lost.
func (r *replay) makeRoom(job int) []int {
	e := r.evictions
	var stopped []int
	for _, id := range e.by.evict(r.of[job], int32(r.jobs[job].Priority), func(machine int) []scheduler.Occupant { return e.on[machine] }) { //nolint:gosec // at most berth.MaxPriority
		victim := jobOf(id)
		r.stop(victim)
		f, s := &r.fates[victim], &r.shapes[r.of[victim]]
		ran := float64(r.now - r.jobs[victim].ArrivalMS - f.waited)
		f.placed, f.stopped = false, f.stopped+1
		e.count++
		e.gpuLost += ran * float64(s.gpuMilli())
		e.coreLost += ran * float64(s.cpu)
		stopped = append(stopped, victim)
	}
	return stopped
}

// lately is how many were stopped since the last look.
func (e *evictions) lately() int {
	n := e.count - e.since
	e.since = e.count
	return n
}
