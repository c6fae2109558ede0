package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A quota may have enough of a type of devices for some members of a group, and not for all: these get devices of that type,
// and the others of another. So the fleet is told how much there is of each.

// gangWay is how a group's quota allows it.
type gangWay struct {
	members []*waiting // the first ones, who are allowed together, with those types of devices that one at least may have
	left    berth.Amounts
}

// kindsOf is what is left of devices, by their types; nil: nothing is limited.
func kindsOf(left berth.Amounts) map[string]int64 {
	if len(left) == 0 {
		return nil
	}
	out := make(map[string]int64, len(left))
	for d, v := range left {
		if kind, ok := d.DeviceType(); ok {
			out[kind] = v
		}
	}
	return out
}

// wayOf is a way for so many members with what of devices there is by one of the measures of a quota.
func (l *loop) wayOf(r *berth.Request, members []*waiting, s *balance, has bounding) gangWay {
	return gangWay{l.restricted(members, s.typed(r, 1, has)), s.devicesLeft(r, has)}
}

func sameTypes(a, b *berth.Request) bool {
	return slices.EqualFunc(a.Resources.Devices, b.Resources.Devices, func(x, y berth.DeviceDemand) bool { return slices.Equal(x.Types, y.Types) })
}

// chooseWay asks the fleet where a group goes: with what its quota has of devices, or could take; or with what others
// would lend, too. over: it would go where that is not there yet, for which it waits.
func (l *loop) chooseWay(g *gang, rec *berth.Group, members []*waiting, b *builder) (d scheduler.GangDecision, as gangWay, over berth.Amounts) {
	for _, m := range members {
		m.asked = g.asked
	}
	g.asked = true
	st := l.limited(g.request)
	if st == nil {
		as = gangWay{members: members}
		return l.choosePlaces(g.id, rec, as), as, nil
	}
	of := l.balance(accountOf(g.request), st, b)
	s := of.of(askedByGroup(g))
	for _, has := range []bounding{s.takeable, s.obtainable} {
		if next := l.wayOf(g.request, members, s, has); as.members == nil || !next.left.Equal(as.left) {
			as = next
			d = l.choosePlaces(g.id, rec, as)
		}
		for _, m := range members {
			m.asked = true
		}
		if d.Verdict == nil {
			break
		}
	}
	if d.Verdict != nil {
		return d, as, nil
	}
	needs := l.amountsOfGang(&d)
	if s.fits(needs) {
		return d, as, nil
	}
	l.fleet.Undo(d)
	here := l.wayOf(g.request, members, s, s.room)
	if again := l.choosePlaces(g.id, rec, here); again.Verdict == nil {
		if s.fits(l.amountsOfGang(&again)) {
			return again, here, nil
		}
		l.fleet.Undo(again)
	}
	return d, as, needs
}

// amountsOfGang is what the members of a group would get.
func (l *loop) amountsOfGang(d *scheduler.GangDecision) berth.Amounts {
	var sum berth.Amounts
	for _, one := range d.Placed {
		next, err := sum.Plus(berth.AmountsOf(&one.Share, &l.fleet.Worker(one.Worker).Ledger.Capacity))
		if err != nil {
			return sum // more than any quota
		}
		sum = next
	}
	return sum
}

// withinQuota is the way in which a group's quota allows it, by whichever daemon plans it.
func (l *loop) withinQuota(id berth.GroupID, members []*waiting) gangWay {
	r := members[0].request
	st := l.limited(r)
	if st == nil {
		return gangWay{members: members}
	}
	s := l.balanceOfGroup(id, st, members)
	return l.wayOf(r, members, s, s.obtainable)
}

// restricted are members that ask for those types of devices that they may have.
func (l *loop) restricted(members []*waiting, as *berth.Request) []*waiting {
	if len(members) == 0 || len(as.Resources.Devices) == 0 || sameTypes(as, members[0].request) {
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
