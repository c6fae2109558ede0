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
