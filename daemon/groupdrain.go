package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A drain that ends one member of a group ends all, and the group is placed anew when the last has ended, and a moment after that (drainsSettle). Who
// is behind it would have meanwhile what it gives up, and what is free for it elsewhere, and it would wait for that for as long as they run. So
// the transaction that begins its next attempt writes what is kept for it, if nothing is kept in its pool for another that matters as much.

// keepDrained keeps for a group of which a member was drained its quota, and the places that it could have once its members have ended, and what leaves anyway.
func (b *builder) keepDrained(id berth.GroupID) {
	l := b.l
	rec, _ := l.view.group(id)
	members := l.stillMembers(id)
	if len(members) == 0 {
		return
	}
	l.gatherDrained(id, b.group(id), members, b.plan.Ends)
	if !l.mayPlace() {
		return
	}
	first := members[0]
	p := first.request.Pool
	if !b.mayKeepFor(id, p, first.priority) {
		return
	}
	ask := l.gangOf(id, rec, members)
	ask.Members[0].Priority++ // those of its own that leave count as of less
	d, ok := l.fleet.RoomOnceLeft(ask, l.leavesWith(id, b.now))
	if !ok || b.bytes+keptBytes(d.Workers) > int64(l.store.Limits().Bytes)*2/3 {
		return
	}
	next := b.keepOf(id, &d)
	if !next.By.IsZero() {
		next.By = next.By.Add(drainsSettle)
	}
	b.keep(p, next)
	b.keys = append(b.keys, keepKey(p))
}

// mayKeepFor says whether a plan may write what is kept in a pool, for a group of that priority.
func (b *builder) mayKeepFor(id berth.GroupID, p berth.PoolID, priority int32) bool {
	l := b.l
	s := l.keepOf(p)
	if s.writing || l.flights.keeps[p] != nil || b.now.Before(s.without) || l.view.unreadable(keepKey(p)) ||
		slices.ContainsFunc(b.plan.Keeps, func(k berth.KeepWrite) bool { return k.Pool == p }) {
		return false
	}
	kept, _ := l.keep(p)
	return kept == nil || kept.Group == id || kept.MadeRoom.IsZero() && l.groupPriority(kept.Group) < priority
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

// leavesWith tells who leaves a worker anyway, and which members of a group are there, which end with it.
func (l *loop) leavesWith(id berth.GroupID, now time.Time) func(berth.WorkerID) []scheduler.Occupant {
	on := l.residents(now)
	return func(w berth.WorkerID) []scheduler.Occupant {
		all := on(w)
		for i := range all {
			if o := &all[i]; o.Group == id && !o.Leaving {
				o.Leaving, o.Left = true, o.Grace
			}
		}
		return slices.DeleteFunc(all, func(o scheduler.Occupant) bool { return !o.Leaving })
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
