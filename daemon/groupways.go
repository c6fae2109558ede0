package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A quota may have enough of a type of devices for some members of a group, and not for all. Then there are several
// ways to place it: more members, of fewer types, or fewer members, of more. As many as must be placed
// together may have the most types: where these do not fit, no more of them do.

// gangWays are the ways in which a group's quota allows it.
type gangWays struct {
	of     [][]*waiting   // the most members first, each with the types that it may have
	fewest *berth.Request // with those that as few as must be placed may have, or could; nil: there is one way
	later  *berth.Verdict // set: quota is to be taken first, for these
	over   int64          // for so many members
}

// waysOf are those of members for whom, of one type or another, there is room.
func (l *loop) waysOf(r *berth.Request, members []*waiting, least int64, s *balance) (w gangWays) {
	n := int64(len(members))
	for n >= least {
		a := s.judge(r, n)
		if a.verdict == nil {
			w.of = append(w.of, l.restricted(members[:n], a.request))
		}
		n = mostUpTo(least-1, n-1, func(fewer int64) bool {
			b := s.judge(r, fewer)
			return (a.verdict == nil) != (b.verdict == nil) || !sameTypes(a.request, b.request)
		})
	}
	if a := s.judge(r, least); a.verdict != nil {
		w.later, w.over = a.verdict, least
	}
	if len(w.of) > 1 || w.later != nil {
		w.fewest = s.couldHave(r, least)
	}
	return w
}

func sameTypes(a, b *berth.Request) bool {
	return slices.EqualFunc(a.Resources.Devices, b.Resources.Devices, func(x, y berth.DeviceDemand) bool { return slices.Equal(x.Types, y.Types) })
}

// chooseWay places a group in the first way that fits. wait: none does, until its quota has more for as few as must
// be placed, who fit then.
func (l *loop) chooseWay(g *gang, rec *berth.Group, members []*waiting, ways *gangWays) (d scheduler.GangDecision, counted []*waiting, wait bool) {
	if ways.fewest == nil {
		counted = ways.of[0]
		d = l.choosePlaces(g.id, rec, counted)
		return d, counted, false
	}
	d = l.choosePlaces(g.id, rec, l.restricted(members, ways.fewest))
	l.fleet.Undo(d)
	if d.Verdict != nil {
		return d, members, false
	}
	for _, counted = range ways.of {
		for _, m := range counted {
			m.asked = true
		}
		if d = l.choosePlaces(g.id, rec, counted); d.Verdict == nil {
			return d, counted, false
		}
	}
	return d, counted, ways.later != nil
}

// withinQuota are the members of a group with those types of devices that as few as must be placed may have, or could.
func (l *loop) withinQuota(id berth.GroupID, rec *berth.Group, members []*waiting) []*waiting {
	r := members[0].request
	st := l.limited(r)
	if st == nil {
		return members
	}
	return l.restricted(members, l.balanceOfGroup(id, st, members).couldHave(r, min(l.needs(id, rec), int64(len(members)))))
}

// restricted are members that ask for those types of devices that they may have.
func (l *loop) restricted(members []*waiting, as *berth.Request) []*waiting {
	if len(members) == 0 || len(as.Resources.Devices) == 0 {
		return members
	}
	out := make([]*waiting, len(members))
	for i, m := range members {
		one := *m
		r := *m.request
		r.Resources.Devices = as.Resources.Devices
		one.request = &r
		out[i] = &one
	}
	return out
}
