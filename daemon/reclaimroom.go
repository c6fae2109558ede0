package daemon

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What is reclaimed is of use where who waits gets a place by it. Where it has no room, what ends on one worker is to make some, for a
// group on as many as it needs; and where nothing of the borrowers' could, nothing ends. What ends makes room for one of them at a
// time, and the room is set aside for that one at once: by a claim, as where others make room for a request, which is counted
// in the quota when that is back (see reclaimclaim.go); for a group by what is kept in the pool. So
// the next has others end for it, and nobody takes the place that was made for another.
//
// It may take more than what is lacking of the quota: as much as the borrowers use beyond what is guaranteed to them. What of that is not
// wanted back they have again, elsewhere.

// roomTries bounds the workers on which room is looked for, those with most of the borrowers' first.
const roomTries = 64

// roomFor is what is to end so that one has room, and what it lacks of its quota is back. Those who are due to give back end before others
// who have borrowed, too. Room: it has some without that when what leaves has ended.
func (k *reclaimLook) roomFor(x *reclaimer, lacks berth.Amounts) (ends reclaimEnds, room bool) {
	need := make(berth.Amounts, len(lacks))
	for d, v := range lacks {
		need[d] = v - max(k.comes[d]-k.lacks[d], 0)
	}
	for _, due := range []bool{true, false} {
		s, ok := k.room(x, need, due), false
		switch {
		case len(s.could) == 0:
			continue
		case x.group == nil:
			ends, ok = s.forOne()
		default:
			ends, ok, room = s.forGroup()
		}
		if ok || room {
			return ends, room
		}
	}
	return reclaimEnds{}, false
}

// reclaimRoom looks for what makes room for one who waits.
type reclaimRoom struct {
	*reclaim
	x     *reclaimer
	need  berth.Amounts
	could []scheduler.Holding // end
	may   map[berth.RequestID]*scheduler.Holding
	all   []berth.RequestID // the fewest of them that free so much
}

func (r *reclaim) room(x *reclaimer, need berth.Amounts, due bool) *reclaimRoom {
	s := &reclaimRoom{reclaim: r, x: x, need: need, may: make(map[berth.RequestID]*scheduler.Holding)}
	for i := range r.from {
		if !due || r.from[i].due {
			s.could = append(s.could, r.from[i].could...)
		}
	}
	for i := range s.could {
		s.may[s.could[i].Request] = &s.could[i]
	}
	s.all = scheduler.Reclaim(need, s.could)
	return s
}

// forOne is that for a request: what makes room on one worker, and what more it takes.
func (s *reclaimRoom) forOne() (reclaimEnds, bool) {
	on := make(map[berth.WorkerID]int)
	for id := range s.may {
		on[s.l.view.lives[id].worker.Value()]++
	}
	workers := slices.SortedFunc(maps.Keys(on), func(a, b berth.WorkerID) int { return cmp.Or(cmp.Compare(on[b], on[a]), cmp.Compare(a, b)) })
	workers = workers[:min(len(workers), roomTries)]
	if room, ends, ok := s.best(workers); ok {
		return s.claims(room, ends), true
	}
	for _, needed := range []bool{true, false} {
		if room, ends, ok := s.clear(workers, s.mayEnd, needed); ok {
			return s.claims(room, ends), true
		}
		for i := range workers { // what makes room by itself may be one too many with what more it takes
			if room, ends, ok := s.clear(workers[i:i+1], s.mayEnd, needed); ok {
				return s.claims(room, ends), true
			}
		}
	}
	return reclaimEnds{}, false
}

// best is the best by the fewest that free so much, by what makes room anywhere, and by what does of one borrower's: the fewest that end in
// all, and of equally many those of fewer tenants, for the next may need what two of them have on one worker.
func (s *reclaimRoom) best(workers []berth.WorkerID) (best scheduler.Preemption, ends []scheduler.Holding, ok bool) {
	tenants := 0
	try := func(may func(berth.RequestID) bool) {
		room, all, could := s.clear(workers, may, true)
		of := make(map[*borrower]bool)
		for _, h := range all {
			of[s.owner[h.Request]] = true
		}
		if could && (!ok || cmp.Or(cmp.Compare(len(all), len(ends)), cmp.Compare(len(of), tenants)) < 0) {
			best, ends, tenants, ok = room, all, len(of), true
		}
	}
	try(s.isFewest)
	try(s.mayEnd)
	for i := range s.from[:min(len(s.from), borrowersMost)] {
		try(func(id berth.RequestID) bool { return s.mayEnd(id) && s.owner[id] == &s.from[i] })
	}
	return best, ends, ok
}

// borrowersMost bounds those of whom alone it is asked whether they could make room.
const borrowersMost = 8

func (s *reclaimRoom) mayEnd(id berth.RequestID) bool { return s.may[id] != nil }

func (s *reclaimRoom) isFewest(id berth.RequestID) bool { return slices.Contains(s.all, id) }

// clear finds on which of some workers room is made by the ends of those that may, and who ends in all.
func (s *reclaimRoom) clear(workers []berth.WorkerID, may func(berth.RequestID) bool, needed bool) (room scheduler.Preemption, ends []scheduler.Holding, ok bool) {
	occupants := s.l.occupants(nil)
	ends, ok = s.within(needed, func(spared map[berth.RequestID]bool) (victims []berth.RequestID, ok bool) {
		room, ok = s.l.fleet.Clear(s.x.members.Members[0], workers, func(w berth.WorkerID) []scheduler.Occupant {
			return slices.DeleteFunc(occupants(w), func(o scheduler.Occupant) bool { return !o.Leaving && (!may(o.Request) || spared[o.Request]) })
		})
		return room.Victims, ok
	})
	return room, ends, ok
}

// sparedMost bounds how often it is looked for others to end where a borrower would be left with less than its own.
const sparedMost = 32

// within finds who ends so that no borrower is left with less than its own: one of those that would be too many is spared, and it is looked for
// others; where there are none without that one, another is spared.
func (s *reclaimRoom) within(needed bool, find func(spared map[berth.RequestID]bool) ([]berth.RequestID, bool)) ([]scheduler.Holding, bool) {
	spared, tried := make(map[berth.RequestID]bool), make(map[berth.RequestID]bool)
	var last []berth.RequestID
	for range sparedMost {
		victims, ok := find(spared)
		if ok {
			var ends []scheduler.Holding
			if ends, ok = s.enough(victims, spared, needed); ok {
				over := s.overdrawn(ends)
				if len(over) == 0 {
					return ends, true
				}
				one := tooMany(over, victims, tried)
				if one == nil {
					return nil, false
				}
				last = s.together(one)
				for _, id := range last {
					spared[id], tried[id] = true, true
				}
				continue
			}
		}
		if len(last) == 0 {
			return nil, false
		}
		for _, id := range last {
			delete(spared, id)
		}
		last = nil
	}
	return nil, false
}

// together are those of a group of which one is, or that one.
func (s *reclaimRoom) together(one *scheduler.Holding) (all []berth.RequestID) {
	for i := range s.could {
		if h := &s.could[i]; h.Request == one.Request || one.Group != "" && h.Group == one.Group {
			all = append(all, h.Request)
		}
	}
	return all
}

// claims is what ends for a request.
func (s *reclaimRoom) claims(room scheduler.Preemption, ends []scheduler.Holding) reclaimEnds {
	out := reclaimEnds{of: s.x, claim: room}
	for i := range ends {
		if !slices.Contains(out.claim.Victims, ends[i].Request) {
			out.stops = append(out.stops, ends[i].Request)
		}
	}
	return out
}

// forGroup is that for a group: on as many workers as those of its members need that must begin together. Where something is kept for another
// group, it waits for that: one at a time has room made in a pool.
func (s *reclaimRoom) forGroup() (ends reclaimEnds, ok, anyway bool) {
	residents := s.l.residents(s.l.now())
	if kept, _ := s.l.keep(s.x.group.pool); !s.l.mayMakeRoom(s.x.group, kept) {
		return ends, false, false // what ends would be nobody's, and be there again at once
	}
	defer s.l.butOwn(s.x.group)()
	for _, try := range []struct {
		may    func(berth.RequestID) bool
		needed bool
	}{{s.isFewest, true}, {s.mayEnd, true}, {s.mayEnd, false}} {
		var room scheduler.GangRoom
		all, ok := s.within(try.needed, func(spared map[berth.RequestID]bool) (victims []berth.RequestID, ok bool) {
			room, ok = s.l.fleet.PreemptGang(s.x.members, func(w berth.WorkerID) []scheduler.Occupant {
				return slices.DeleteFunc(residents(w), func(o scheduler.Occupant) bool { return !o.Leaving && (!try.may(o.Request) || spared[o.Request]) })
			})
			return room.Victims, ok
		})
		if room.Anyway {
			return ends, false, true
		}
		if !ok {
			continue
		}
		ends.of, ends.room = s.x, room
		for i := range all {
			ends.stops = append(ends.stops, all[i].Request)
		}
		return ends, true, false
	}
	return ends, false, false
}

// enough are victims with what more has to end so that so much is free; needed: where all of them are needed for that.
func (s *reclaimRoom) enough(victims []berth.RequestID, spared map[berth.RequestID]bool, needed bool) ([]scheduler.Holding, bool) {
	ends, left := parted(victims, s.may, s.could)
	rest := maps.Clone(s.need)
	for _, h := range ends {
		for d := range rest {
			rest[d] -= h.Amounts[d]
		}
	}
	left = slices.DeleteFunc(left, func(h scheduler.Holding) bool { return spared[h.Request] })
	more, _ := parted(scheduler.Reclaim(rest, left), s.may, left)
	all := slices.Concat(ends, more)
	if needed && slices.ContainsFunc(ends, func(h scheduler.Holding) bool { return !neededFor(s.need, all, h) }) {
		return nil, false
	}
	return all, true
}

// overdrawn are those that end of borrowers of whom one would not be needed so that what the lender has lent comes back: these would be left with
// less than their own.
func (s *reclaimRoom) overdrawn(ends []scheduler.Holding) (out []scheduler.Holding) {
	of := make(map[*borrower][]scheduler.Holding)
	for _, h := range ends {
		of[s.owner[h.Request]] = append(of[s.owner[h.Request]], h)
	}
	for i := range s.from {
		from := &s.from[i]
		if slices.ContainsFunc(of[from], func(h scheduler.Holding) bool { return !neededFor(from.most, of[from], h) }) {
			out = append(out, of[from]...)
		}
	}
	return out
}

// tooMany is the one of these that is spared first, of those that were not before: who makes no room, then what matters most, then the oldest; nil: there
// is none.
func tooMany(over []scheduler.Holding, victims []berth.RequestID, before map[berth.RequestID]bool) (one *scheduler.Holding) {
	makesRoom := func(h *scheduler.Holding) int { return order(!slices.Contains(victims, h.Request)) }
	for i := range over {
		h := &over[i]
		if !before[h.Request] && (one == nil || cmp.Or(cmp.Compare(makesRoom(h), makesRoom(one)), cmp.Compare(one.Priority, h.Priority), cmp.Compare(h.Placed, one.Placed)) < 0) {
			one = h
		}
	}
	return one
}

// parted are those that end when victims do, of a group all, and the others.
func parted(victims []berth.RequestID, may map[berth.RequestID]*scheduler.Holding, could []scheduler.Holding) (ends, left []scheduler.Holding) {
	groups := make(map[berth.GroupID]bool)
	for _, id := range victims {
		if h := may[id]; h != nil && h.Group != "" {
			groups[h.Group] = true
		}
	}
	for _, h := range could {
		if h.Group != "" && groups[h.Group] || slices.Contains(victims, h.Request) {
			ends = append(ends, h)
		} else {
			left = append(left, h)
		}
	}
	slices.SortFunc(ends, func(a, b scheduler.Holding) int { return cmp.Compare(a.Request, b.Request) })
	return ends, left
}

// neededFor says whether too little would be free without one of those that end, or without its group.
func neededFor(need berth.Amounts, ends []scheduler.Holding, one scheduler.Holding) bool {
	sum, without := make(berth.Amounts), make(berth.Amounts)
	for _, h := range ends {
		addTo(sum, h.Amounts)
		if h.Request != one.Request && (one.Group == "" || h.Group != one.Group) {
			addTo(without, h.Amounts)
		}
	}
	for d, v := range need {
		if v > 0 && without[d] < v && without[d] < sum[d] {
			return true
		}
	}
	return false
}
