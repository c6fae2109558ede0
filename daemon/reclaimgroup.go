package daemon

import (
	"math"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// groupHelpedAgain is when it is asked again for a group whether what is reclaimed would make room for it: no worker that changes is noted for
// that, as it is for a request.
const groupHelpedAgain = 5 * time.Second

// firstReclaiming is the first group of a lender that waits with a daemon for what is guaranteed to it, and its members; nil: none does
// that is known here.
func (l *loop) firstReclaiming(of account, d berth.DaemonID) (*gang, []*waiting) {
	gs, st := l.gangs, l.quotas.of[of]
	if p := l.peers.byID[d]; p != nil {
		gs = p.gangs
	}
	if st == nil {
		return nil, nil
	}
	s := l.balance(of, st, nil)
	room, _ := l.ownRoom(of, &s)
	c, ok := gs.over.first(of, look{within: s.bound(room)}, func(c *gangClass) bool { return l.couldEver(c.members[0].request, c.members[0].need, &s) })
	if !ok {
		return nil, nil
	}
	members, _, ok := l.readyMembers(c.members[0].id, l.now())
	if !ok {
		return nil, nil
	}
	return c.members[0], members
}

// firstReclaimingAlone is the first request that waits so, behind groups for which nothing can be done; or nil.
func (l *loop) firstReclaimingAlone(of account, d berth.DaemonID) *berth.Request {
	q, st := l.queue, l.quotas.of[of]
	if p := l.peers.byID[d]; p != nil {
		q = p.queue
	}
	if st == nil {
		return nil
	}
	s := l.balance(of, st, nil)
	room, _ := l.ownRoom(of, &s)
	c := q.firstOver(of, look{within: s.bound(room)}, func(w *waiting) bool { return l.couldEver(w.request, 0, &s) })
	if c == nil {
		return nil
	}
	return c.members[0].request
}

// helpingFirst is what is to end for the first group that waits so with a daemon, or else for the first request behind it. Not known: there is no
// such group here, and all are to end.
func (l *loop) helpingFirst(r *reclaim, of account, d berth.DaemonID, need berth.Amounts, could []scheduler.Holding, all []berth.RequestID) (victims []berth.RequestID, known bool) {
	g, members := l.firstReclaiming(of, d)
	if g == nil {
		return all, false
	}
	if victims := l.helpingGroup(g, members, need, could, all); len(victims) > 0 {
		return victims, true
	}
	l.timers.set(tenantKey(r.of.tenant), l.now().Add(groupHelpedAgain))
	one := l.firstReclaimingAlone(of, d)
	if one == nil {
		return nil, true
	}
	lacks := l.lacksOf(of, d, one, need)
	for d := range lacks {
		lacks[d] -= r.need[d] - need[d] // what leaves is for it
	}
	return l.helpingOne(one, lacks, could, scheduler.Reclaim(lacks, could)), true
}

// helpingGroup is what is to end for a group: all, the fewest that free so much, where it has room, or they make it; or else what makes
// room for as many members as must begin together, and what more it takes.
func (l *loop) helpingGroup(g *gang, members []*waiting, need berth.Amounts, could []scheduler.Holding, all []berth.RequestID) []berth.RequestID {
	rec, _ := l.view.group(g.id)
	if rec == nil {
		return nil
	}
	ask := l.gangOf(g.id, rec, members)
	for i := range ask.Members {
		ask.Members[i].Again, ask.Members[i].Priority = true, math.MaxInt32 // whatever theirs is
	}
	kept, _ := l.keep(g.pool)
	ask.Beside = kept != nil && kept.Group != g.id
	d := l.fleet.PlaceGang(ask)
	if l.fleet.Undo(d); d.Verdict == nil {
		return all
	}
	may, fewest := make(map[berth.RequestID]*scheduler.Holding, len(could)), make(map[berth.RequestID]bool, len(all))
	for i := range could {
		may[could[i].Request] = &could[i]
	}
	for _, id := range all {
		fewest[id] = true
	}
	if room, ok := l.fleet.PreemptGang(ask, l.mayEnd(func(id berth.RequestID) bool { return fewest[id] })); ok || room.Anyway {
		return all
	}
	room, ok := l.fleet.PreemptGang(ask, l.mayEnd(func(id berth.RequestID) bool { return may[id] != nil }))
	if !ok {
		return nil
	}
	return enough(need, room.Victims, may, could)
}
