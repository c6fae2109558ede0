package daemon

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A drain that stops one member of a group stops all, and the group is placed anew when the last has ended, and a moment after that (drainsSettle). Who
// is behind it would have meanwhile what it gives up, and what is free for it elsewhere, and it would wait for that for as long as they run. So
// the transaction that begins its next attempt, with the first stop order or the end of what had not started, writes what is kept for it: where
// something is kept in its pool for another that matters as much, beside that. Until the answer nothing is placed: see gather, mayGather.

// keepDrained keeps for a group of which a member was drained its quota, and the places that it could have once its members have ended, and what leaves anyway.
func (b *builder) keepDrained(id berth.GroupID) {
	l := b.l
	members := l.stillMembers(id)
	if len(members) == 0 {
		return
	}
	l.gatherDrained(id, b.group(id), members, b.plan.Ends)
	b.keepMoved(id, members)
}

// keepMoved keeps the places alone.
func (b *builder) keepMoved(id berth.GroupID, members []*waiting) {
	l := b.l
	if !l.mayPlace() {
		return
	}
	p, priority := members[0].request.Pool, members[0].priority
	if s := l.keepOf(p); s.writing || l.flights.keeps[p] != nil || b.now.Before(s.without) || l.view.unreadable(keepKey(p)) {
		return
	}
	b.drained++
	l.seatClosed(b)
	kept, _ := l.keep(p)
	now, written := kept, b.keepsIn(p)
	if written != nil {
		now = written
		l.fleet.Keep(p, now) // as it will be
		defer l.fleet.Keep(p, kept)
	}
	beside := now != nil && now.Group != id && !b.takesOver(p, now, priority)
	workers, by, ok := b.roomAgain(id, members, beside)
	if !ok {
		workers = b.roomToMake(id, members, beside)
		ok = len(workers) > 0
	}
	if !ok || b.bytes+keptBytes(now.All())+keptBytes(workers) > int64(l.store.Limits().Bytes)*2/3 {
		return
	}
	since := b.now.UTC().Truncate(time.Millisecond)
	next := now.Instead(berth.Keep{Group: id, Since: since, Chosen: since, By: by, Workers: withinBytes(workers)})
	if beside {
		next = l.keptBeside(now, berth.KeptBeside{Group: id, Since: since, By: by, Workers: workers}, priority)
	}
	if written != nil {
		*written = next
		b.bytes += keptBytes(workers)
		return
	}
	b.keep(p, next)
	b.keys = append(b.keys, keepKey(p))
}

// keepAgain keeps something for a group whose next attempt has begun so, where there was no room for it then, or that is gone: once in a plan.
func (b *builder) keepAgain(id berth.GroupID) {
	if _, asked := b.movedAsked[id]; asked || b.drained >= drainedMost {
		return
	}
	if b.movedAsked == nil {
		b.movedAsked = make(map[berth.GroupID]struct{}, 1)
	}
	b.movedAsked[id] = struct{}{}
	members := b.l.stillMembers(id)
	if len(members) == 0 {
		return
	}
	p := members[0].request.Pool
	if kept, _ := b.l.keep(p); kept.For(id) == nil && b.keepsIn(p).For(id) == nil {
		b.keepMoved(id, members)
	}
}

// opensFor keeps something for groups of this daemon's that a drain moves, where a worker takes requests that took none: before others that wait have it.
func (l *loop) opensFor(p berth.PoolID, b *builder) {
	var all []*gang
	for id, of := range l.moving {
		if of != p {
			continue
		}
		if g := l.drained(id, b.now); g != nil {
			all = append(all, g)
		} else {
			delete(l.moving, id)
		}
	}
	slices.SortFunc(all, func(a, b *gang) int { return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.id, b.id)) })
	for _, g := range all {
		b.keepAgain(g.id)
	}
}

// takesRequests says whether a worker is closed to nobody.
func takesRequests(w *scheduler.Worker) bool {
	return w != nil && w.Ready && !w.Cordoned && !w.Draining && !w.Removing && !w.Suspended
}

// keepsIn is what a plan keeps in a pool in place of what is, or nil.
func (b *builder) keepsIn(p berth.PoolID) *berth.Keep {
	for i := range b.plan.Keeps {
		if w := &b.plan.Keeps[i]; w.Pool == p {
			return &w.Keep
		}
	}
	return nil
}

// takesOver says whether a group of that priority has what is kept for it in place of another's: that gathers, and matters less, and nobody makes room
// for it.
func (b *builder) takesOver(p berth.PoolID, of *berth.Keep, priority int32) bool {
	if !of.MadeRoom.IsZero() || len(of.Beside) > 0 || b.l.groupPriority(of.Group) >= priority {
		return false
	}
	if b.l.view.newest(keepKey(p)) > b.l.view.revision { // how it is with that group is not known yet
		return false
	}
	rec, _ := b.groupNow(of.Group)
	_, _, ready := b.l.readyMembers(of.Group, b.now)
	return ready || rec == nil || rec.State != berth.GroupPending || rec.LastEnd != berth.EndDrained
}

// keptBeside is what is kept with that for one group more, behind those that matter as much.
func (l *loop) keptBeside(of *berth.Keep, one berth.KeptBeside, priority int32) berth.Keep {
	next := *of
	next.Beside = slices.DeleteFunc(slices.Clone(of.Beside), func(o berth.KeptBeside) bool { return o.Group == one.Group })
	at := slices.IndexFunc(next.Beside, func(o berth.KeptBeside) bool { return l.groupPriority(o.Group) < priority })
	if at < 0 {
		at = len(next.Beside)
	}
	next.Beside = slices.Insert(next.Beside, at, one)
	return next
}

// drainedMost bounds for how many groups a plan asks what is kept: the others' turn is the next one's.
const drainedMost = 4

// keepsLater says whether the end of a member of a group waits for what is being written of what is kept in its pool, for it begins the group's next
// attempt, and keeps something for it.
func (b *builder) keepsLater(e ending, k berth.Key) bool {
	if !b.endsGroup(e.allocation) {
		return false
	}
	e.group, _ = b.groupNow(e.allocation.Group)
	return judge(e).reason == berth.EndDrained && b.keepLater(e.submission.Spec.Pool, k)
}

// endsGroup says whether an allocation is of the attempt in which its group has its places, so that what ends it ends that.
func (b *builder) endsGroup(a *berth.Allocation) bool {
	if a.Group == "" {
		return false
	}
	g, _ := b.groupNow(a.Group)
	return g != nil && g.State == berth.GroupPlaced && g.Attempt == a.GroupAttempt
}

// keepLater says whether nothing can be kept in a pool in this plan; what a key is of is looked at again then.
func (b *builder) keepLater(p berth.PoolID, k berth.Key) bool {
	f, s := b.l.flights.keeps[p], b.l.keepOf(p)
	switch {
	case f != nil:
		f.again = append(f.again, k)
	case s.writing:
		s.again = append(s.again, k)
	case b.drained >= drainedMost:
		b.after = append(b.after, k)
	default:
		return false
	}
	return true
}

// stopDrained tells one to stop that a drain moves. With that the next attempt of its group begins, so its other members are told as well; and what is
// kept for it is so before anything has ended that stops with it, and goes behind it. False: it is told later, when a key is looked at again.
func (b *builder) stopDrained(at, again berth.Key, a *berth.Allocation, mod berth.Revision, p berth.PoolID, order *berth.StopOrder) bool {
	if b.endsGroup(a) {
		if b.l.view.aheadOfGroup(a) && b.l.behind(again, at) || b.keepLater(p, again) {
			return false
		}
		b.anew(a.Group, berth.EndDrained)
		b.group(a.Group).Excused++
	}
	b.stop(at, a, mod, order)
	return true
}

// roomAgain is where a group goes when its members have ended, and what leaves anyway, and by when: those whose workers take it yet to these again. false:
// it has no room then. beside: what is kept for who gathers stays so.
func (b *builder) roomAgain(id berth.GroupID, members []*waiting, beside bool) (workers []berth.KeptWorker, by time.Time, ok bool) {
	l := b.l
	rec, _ := l.view.group(id)
	need := l.needs(id, rec)
	own, others := b.places(members, need)
	if workers, ok = b.roomBeside(id, rec, own, others, need-int64(len(own)), beside); !ok && len(own) > 0 {
		workers, ok = b.roomBeside(id, rec, nil, members, need, beside)
	}
	if !ok {
		return nil, by, false
	}
	on, within := l.leavesWith(id, nil, b.now), int64(0)
	for i := range workers {
		for _, o := range on(workers[i].Worker) {
			if o.Left == 0 {
				return workers, by, true
			}
			within = max(within, o.Left)
		}
	}
	if within > 0 {
		by = b.now.UTC().Truncate(time.Millisecond).Add(time.Duration(within)*time.Millisecond + drainsSettle)
	}
	return workers, by, true
}

// places are so many of a group's members that could have the places again which they have, and the others.
func (b *builder) places(members []*waiting, most int64) (own []*life, others []*waiting) {
	l := b.l
	for _, m := range members {
		x := l.view.lives[m.id]
		if int64(len(own)) == most || x == nil || !x.placedWhole() || x.leaving() || l.flights.requests[m.id] != nil ||
			slices.ContainsFunc(b.plan.Ends, func(e berth.End) bool { return e.Request == m.id }) {
			others = append(others, m)
			continue
		}
		w := l.fleet.Worker(x.worker.Value())
		if !takesRequests(w) || w.Epoch != x.epoch || !x.isOn(w.ID) {
			others = append(others, m)
			continue
		}
		own = append(own, x)
	}
	return own, others
}

// roomBeside is where a group goes whose first members have these places again, and so many of the others some of their own.
func (b *builder) roomBeside(id berth.GroupID, rec *berth.Group, own []*life, others []*waiting, need int64, beside bool) ([]berth.KeptWorker, bool) {
	l := b.l
	shares := make(map[berth.WorkerID]berth.Share)
	add := func(w berth.WorkerID, share *berth.Share) bool {
		sum, err := shares[w].Plus(*share)
		shares[w] = sum
		return err == nil
	}
	stay := make(map[berth.RequestID]bool, len(own))
	for _, x := range own {
		if stay[x.id] = true; !add(x.worker.Value(), &x.terms.share) {
			return nil, false
		}
	}
	if need > 0 {
		ask := l.gangOf(id, rec, others)
		ask.Need, ask.Beside = int(need), beside
		if len(own) > 0 { // near to these
			ask.Topology, ask.Linked = "", false
			for i := range ask.Members {
				ask.Members[i].Request = new(ask.Members[i].Request.Beside(rec.Domain, rec.Link))
			}
		}
		ask.Members[0].Priority++ // those of its own that leave count as of less
		d, ok := l.fleet.RoomOnceLeft(ask, l.leavesWith(id, stay, b.now))
		if !ok {
			return nil, false
		}
		for i := range d.Workers {
			if !add(d.Workers[i].Worker, &d.Workers[i].Share) {
				return nil, false
			}
		}
	}
	var workers []berth.KeptWorker
	for _, w := range slices.Sorted(maps.Keys(shares)) {
		workers = append(workers, berth.KeptWorker{Worker: w, Share: shares[w]})
	}
	return workers, true
}

// stillMembers are the members of a group that have not ended for good, as they will wait.
func (l *loop) stillMembers(id berth.GroupID) (all []*waiting) {
	for _, m := range l.inGroup(id) {
		sub, seq := l.view.submission(m)
		if sub == nil || l.corrupt(m) {
			return nil
		}
		prog, _ := l.view.progress(m)
		all = append(all, waitingOf(m, sub, seq, prog))
	}
	return all
}

// leavesWith tells who leaves a worker anyway, and which members of a group are there, which end with it, but for those that stay.
func (l *loop) leavesWith(id berth.GroupID, stay map[berth.RequestID]bool, now time.Time) func(berth.WorkerID) []scheduler.Occupant {
	on := l.onceMoved(id, stay, now)
	return func(w berth.WorkerID) []scheduler.Occupant {
		return slices.DeleteFunc(on(w), func(o scheduler.Occupant) bool { return !o.Leaving })
	}
}

// onceMoved is residents, of whom those of a group leave that do not stay.
func (l *loop) onceMoved(id berth.GroupID, stay map[berth.RequestID]bool, now time.Time) func(berth.WorkerID) []scheduler.Occupant {
	on := l.residents(now)
	return func(w berth.WorkerID) []scheduler.Occupant {
		all := on(w)
		for i := range all {
			if o := &all[i]; o.Group == id && !o.Leaving && !stay[o.Request] {
				o.Leaving, o.Left = true, o.Grace
			}
		}
		return all
	}
}

// drained is a group of this daemon's that waits for the end of its members, or a moment after, to be placed anew; nil: it does not. Whose turn is
// before has what is kept for it.
func (l *loop) drained(id berth.GroupID, now time.Time) *gang {
	rec, _ := l.view.group(id)
	members := l.stillMembers(id)
	if _, _, ready := l.readyMembers(id, now); ready || rec == nil || rec.State != berth.GroupPending || rec.LastEnd != berth.EndDrained || len(members) == 0 || l.share.ofGroup(members[0].request) != l.d.opts.ID {
		return nil
	}
	first := members[0]
	return &gang{id: id, pool: first.request.Pool, priority: first.priority, size: int64(len(members)), request: first.request}
}
