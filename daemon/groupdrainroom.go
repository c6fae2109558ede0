package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A group that a drain moves, and that fits only where others make room for it, has them do so in its turn, when its members have ended. Who is started
// meanwhile where it will go would be among them. So it is kept from the first stop order on where others could make room now, as if they were told already.

// roomToMake is where a group goes when its members have ended and others have made room for it, where they may; nil: nowhere. beside: as of roomAgain.
func (b *builder) roomToMake(id berth.GroupID, members []*waiting, beside bool) (workers []berth.KeptWorker) {
	l, m := b.l, members[0]
	if m.request.Preemption != berth.PreemptionLower || l.braked(m.request.Pool, b.now) {
		return nil
	}
	rec, _ := l.view.group(id)
	ask := l.gangOf(id, rec, members)
	ask.Beside = beside
	ask.Members[0].Patience = l.patienceOf(m, b.now)
	ask.Members[0].Priority++ // as of roomBeside; of the others none counts that matters as much
	on := l.onceMoved(id, nil, b.now)
	d, ok := l.fleet.PreemptGang(ask, func(w berth.WorkerID) []scheduler.Occupant {
		return slices.DeleteFunc(on(w), func(o scheduler.Occupant) bool { return !o.Leaving && o.Priority >= m.priority })
	})
	if !ok {
		return nil
	}
	return slices.DeleteFunc(d.Workers, func(k berth.KeptWorker) bool { return k.Share.IsZero() })
}

// hasTurnToCome says whether a group, of which it is known that it does not fit by what is kept for it beside who gathers, is to have others make room when that has
// its places, or has not had them for a while: until then it stays kept.
func (l *loop) hasTurnToCome(g *gang, rec *berth.Keep, now time.Time) bool {
	info := l.groups[g.id]
	if is, _ := l.view.group(g.id); is == nil || info.hurried != is.Attempt || !l.roomMayBeMade(g) {
		return false
	}
	return !rec.MadeRoom.IsZero() || now.Before(info.triedAt.Add(keptOffFor+keepEvery))
}

// hurryRoom has it asked soon who makes room for a group that a drain has moved, and that was tried in vain with what is kept for it: once in an attempt, for what
// is kept has been looked at while its members ended, and would not be for a while.
func (l *loop) hurryRoom(g *gang, rec *berth.Group) {
	info := l.groups[g.id]
	if info.hurried == rec.Attempt || rec.LastEnd != berth.EndDrained || g.request.Preemption != berth.PreemptionLower || !l.isKept(g) {
		return
	}
	info.hurried, info.triedAt = rec.Attempt, l.now()
	s := l.keepOf(g.pool)
	s.next, s.asked = time.Time{}, false
}
