package daemon

import (
	"math"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Why nobody makes room for a group that waits is searched for anew, where somebody asks about it: a list does not tell it.

// tellGroupVain puts behind why a group waits why nobody makes room for it, where that would help.
func tellGroupVain(v *berth.Verdict, vain func() (berth.Reason, bool)) *berth.Verdict {
	if v == nil {
		return nil
	}
	told := *v // it is the group's class's as well
	told.Reasons = slices.Clone(v.Reasons)
	tellVain(&told, vain)
	return &told
}

// groupInVain is why nobody makes room now for a group that waits for workers, and for which others may have to, and for how many of its
// members they could; false: it is not such a one, or they may yet.
func (l *loop) groupInVain(id berth.GroupID) (berth.Reason, bool) {
	now := l.now()
	rec, _ := l.view.group(id)
	members, _, ok := l.readyMembers(id, now)
	if rec == nil || !ok || members[0].request.Preemption != berth.PreemptionLower {
		return berth.Reason{}, false
	}
	p := members[0].request.Pool
	switch {
	case !l.groupPreempts(&gang{id: id}):
		return vain(berth.VainFirst), true
	case l.braked(p, now):
		return vain(berth.VainBrake), true
	}
	room := l.roomSearch(id, rec, members, now)
	why, most := room.vain(l.patienceOf(members[0], now), members[0].priority)
	if k, _ := l.keep(p); why == "" && k != nil && k.Group != id && l.groupPriority(k.Group) >= members[0].priority {
		return vain(berth.VainKept), true
	}
	if why == "" {
		return berth.Reason{}, false // it is about to be made
	}
	r := vain(why)
	r.Want, r.Best = room.need, most
	return r, true
}

// roomSearch asks who could make room for members of a group.
type roomSearch struct {
	fleet *scheduler.Fleet
	on    func(berth.WorkerID) []scheduler.Occupant
	gangs []scheduler.Gang // in each way that its quota allows
	need  int64            // members that must begin together
}

func (l *loop) roomSearch(id berth.GroupID, rec *berth.Group, members []*waiting, now time.Time) *roomSearch {
	s := &roomSearch{fleet: l.fleet, on: l.residents(now), need: min(l.needs(id, rec), int64(len(members)))}
	ways := []gangWay{{members: members}}
	if st := l.limited(members[0].request); st != nil {
		ways = l.affordable(l.balanceOfGroup(id, st, members), s.need, members)
	}
	for _, as := range ways {
		ask := l.gangOf(id, rec, as.members)
		ask.Left = kindsOf(as.left)
		s.gangs = append(s.gangs, ask)
	}
	return s
}

// most is how many members would have room when all have ended that may have to for somebody of that priority, who waits for so long at
// most.
func (s *roomSearch) most(patience int64, priority int32) (most int64) {
	for _, g := range s.gangs {
		g.Members = slices.Clone(g.Members)
		g.Members[0].Patience, g.Members[0].Priority = patience, priority
		most = max(most, int64(s.fleet.MostWithRoom(g, s.on)))
	}
	return most
}

// vain is why others could not make room, and for how many members they could; "": they could.
func (s *roomSearch) vain(patience int64, priority int32) (why berth.Vain, most int64) {
	most = s.most(patience, priority)
	switch {
	case most >= s.need:
		return "", most
	case patience > 0 && s.most(0, priority) >= s.need:
		return berth.VainLate, most
	case s.most(0, math.MaxInt32) >= s.need:
		return berth.VainPriority, most
	}
	return berth.VainRoom, most
}
