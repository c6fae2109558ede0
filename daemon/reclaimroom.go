package daemon

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What is reclaimed is of use where the lender's request gets a place by it. So what ends for it is chosen by that: where
// the quota alone keeps the request waiting, anything will do; where it has no room, what ends on one worker is to
// make some, for a group on as many as it needs; and where nothing of the borrower's could, nothing ends.

// helping is what is to end so that so much is free, and that helps one who waits; nothing where that is free, or nothing
// helps anybody. Who does not say what waits, and it is no group that is known here, is helped by anything: a program before this one.
func (l *loop) helping(r *reclaim, need berth.Amounts, could []scheduler.Holding) []berth.RequestID {
	all := scheduler.Reclaim(need, could)
	if len(all) == 0 {
		return nil
	}
	told := false
	for _, lender := range r.lenders {
		rec, _ := l.view.tenant(lender)
		waits := rec.Pools[r.of.pool].Waits
		for _, d := range slices.Sorted(maps.Keys(waits)) {
			w := waits[d]
			if !w.Own || d != l.d.opts.ID && l.peers.byID[d] == nil {
				continue
			}
			if w.Request == "" {
				victims, known := l.helpingFirst(r, account{lender, r.of.pool}, d, need, could, all)
				if !known || len(victims) > 0 {
					return victims
				}
				told = true
				continue
			}
			told = true
			sub, _ := l.view.submission(w.Request)
			if sub == nil || sub.Spec.Pool != r.of.pool {
				continue // it has ended
			}
			victims := l.helpingOne(&sub.Spec, need, could, all)
			if len(victims) == 0 && l.quotas.inVain(account{lender, r.of.pool}, r.of.tenant, &sub.Spec) {
				victims = scheduler.Reclaim(l.lacksOf(account{lender, r.of.pool}, d, &sub.Spec, need), could)
			}
			if len(victims) > 0 {
				return victims
			}
		}
	}
	if told {
		return nil
	}
	return all
}

// helpingOne is that for one request: all, the fewest that free so much, where they make room for it too; or else what makes
// room on one worker, and what more it takes.
func (l *loop) helpingOne(request *berth.Request, need berth.Amounts, could []scheduler.Holding, all []berth.RequestID) []berth.RequestID {
	c := scheduler.Candidate{Request: request, Priority: request.Priority}
	if len(l.fleet.Explain(c).Reasons) == 0 {
		return all
	}
	may, on := make(map[berth.RequestID]*scheduler.Holding, len(could)), make(map[berth.WorkerID]int)
	for i := range could {
		may[could[i].Request] = &could[i]
		on[l.view.lives[could[i].Request].worker.Value()]++
	}
	workers := slices.SortedFunc(maps.Keys(on), func(a, b berth.WorkerID) int { return cmp.Or(cmp.Compare(on[b], on[a]), cmp.Compare(a, b)) })
	workers = workers[:min(len(workers), roomTries)]
	fewest := make(map[berth.RequestID]bool, len(all))
	for _, id := range all {
		fewest[id] = true
	}
	if _, ok := l.clear(c, workers, func(id berth.RequestID) bool { return fewest[id] }); ok {
		return all
	}
	mayEnd := func(id berth.RequestID) bool { return may[id] != nil }
	room, ok := l.clear(c, workers, mayEnd)
	if !ok {
		return nil
	}
	if out := enough(need, room.Victims, may, could); out != nil {
		return out
	}
	for i := range workers { // what is best by itself was one too many with what more it takes
		if room, ok := l.clear(c, workers[i:i+1], mayEnd); ok {
			if out := enough(need, room.Victims, may, could); out != nil {
				return out
			}
		}
	}
	return nil
}

// roomTries bounds the workers on which room is looked for, those with most of the borrower's first.
const roomTries = 64

// clear finds on which of some workers room is made for a candidate by the ends of those that may.
func (l *loop) clear(c scheduler.Candidate, workers []berth.WorkerID, may func(berth.RequestID) bool) (scheduler.Preemption, bool) {
	return l.fleet.Clear(c, workers, l.mayEnd(may))
}

// mayEnd tells who leaves a worker, or may end there.
func (l *loop) mayEnd(may func(berth.RequestID) bool) func(berth.WorkerID) []scheduler.Occupant {
	occupants := l.occupants(nil)
	return func(w berth.WorkerID) []scheduler.Occupant {
		return slices.DeleteFunc(occupants(w), func(o scheduler.Occupant) bool { return !o.Leaving && !may(o.Request) })
	}
}

// enough are victims with what more has to end so that so much is free; nil: one of the victims is not needed for that.
func enough(need berth.Amounts, victims []berth.RequestID, may map[berth.RequestID]*scheduler.Holding, could []scheduler.Holding) (out []berth.RequestID) {
	ends, left := parted(victims, may, could)
	sum, rest := make(berth.Amounts), maps.Clone(need)
	for _, of := range ends {
		addTo(sum, of.Amounts)
		out = append(out, of.Request)
	}
	for d := range rest {
		rest[d] -= sum[d]
	}
	more := scheduler.Reclaim(rest, left)
	for _, id := range more {
		addTo(sum, may[id].Amounts)
	}
	for i := range ends {
		if !neededFor(need, sum, ends, ends[i]) {
			return nil
		}
	}
	return append(out, more...)
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
func neededFor(need, sum berth.Amounts, ends []scheduler.Holding, one scheduler.Holding) bool {
	without := maps.Clone(sum)
	for _, h := range ends {
		if h.Request == one.Request || one.Group != "" && h.Group == one.Group {
			for d, v := range h.Amounts {
				without[d] -= v
			}
		}
	}
	for d, v := range need {
		if v > 0 && without[d] < v && without[d] < sum[d] {
			return true
		}
	}
	return false
}
