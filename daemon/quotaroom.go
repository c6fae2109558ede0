package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What may have devices of several types, of which its quota limits some, has others make room for it as it is judged: with those
// types that its quota leaves each demand whatever the others get. There may be more that it could have: other choices of types for all of
// its demands, and what other daemons have taken of its quota and do not use. So these are asked for, too: else it might wait for ever.

// maxRoomChoices bounds the choices of types that others are asked to make room for, beside what a request is judged as: each is
// looked for on all workers (BenchmarkPreemptFor). Two demands of four types each have no more.
const maxRoomChoices = 16

// roomChoices are as what others may make room for a request, in stages of which each is asked for where those before are in vain: as it is
// judged, and with the choices of types that its quota has enough of, or that could be taken; with those that other daemons have some of. For
// what would have to be borrowed nobody stops as long as the quota has anything else.
func (s *balance) roomChoices(r *berth.Request, own scheduler.Candidate) [][]scheduler.Candidate {
	all := []scheduler.Candidate{own}
	some := false
	add := func(has bounding) (added []scheduler.Candidate) {
		from := len(all)
		for _, as := range s.choices(r, has) {
			some = true
			if len(all) <= maxRoomChoices && !slices.ContainsFunc(all, func(o scheduler.Candidate) bool { return scheduler.Includes(o.Request, as) }) {
				one := own
				one.Request = as
				all = append(all, one)
			}
		}
		return all[from:]
	}
	add(s.takeable)
	first := all
	stages := [][]scheduler.Candidate{first, add(s.unlent)}
	if !some {
		stages = append(stages, add(s.obtainable))
	}
	return stages
}

// whoMakesRoom chooses who makes room for a request, and as what it is to have that: in a stage, that for which the least ends. nil: nobody can.
// s is the balance of its account, or nil.
func (l *loop) whoMakesRoom(r *berth.Request, own scheduler.Candidate, s *balance, on func(berth.WorkerID) []scheduler.Occupant) (scheduler.Preemption, *berth.Request) {
	stages := [][]scheduler.Candidate{{own}}
	if s != nil && own.Request != r { // else it may have all of its types
		stages = s.roomChoices(r, own)
	}
	for _, as := range stages {
		if p, chosen := l.fleet.PreemptFor(as, on); chosen >= 0 {
			return p, as[chosen].Request
		}
	}
	return scheduler.Preemption{}, nil
}

// roomNow is whoMakesRoom for a request of the queue, as it is judged now.
func (l *loop) roomNow(w *waiting, own scheduler.Candidate, b *builder) (scheduler.Preemption, *berth.Request) {
	var s *balance
	if st := l.limited(w.request); st != nil {
		of := l.balance(accountOf(w.request), st, b)
		s = of.of(askedBy(w))
	}
	return l.whoMakesRoom(w.request, own, s, l.occupants(b))
}

// couldHaveRoom says whether others could make room for a request, were it planned by that daemon.
func (l *loop) couldHaveRoom(w *waiting, by berth.DaemonID) bool {
	var s *balance
	own := l.patient(w)
	if st := l.limited(w.request); st != nil {
		of := l.balanceBy(accountOf(w.request), st, by)
		s, own.Request = of.of(askedBy(w)), l.withTypesOf(w, by)
	}
	_, as := l.whoMakesRoom(w.request, own, s, l.occupants(nil))
	return as != nil
}

// unlent is how much of a limited dimension there is, could be taken, or be had of other daemons.
func (s *balance) unlent(d berth.Dimension) int64 {
	return s.room(d) + max(s.free(d)+s.given(d), 0)
}
