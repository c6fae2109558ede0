package daemon

import "github.com/berthd/berth"

// Where others make room for a group its members will be, as who has a claim: nobody who is to be apart from them has room made there. The fleet is
// told so of what is kept since the room is made, until it is kept no more.

// seeComing tells the fleet of the members of a group for which a pool's room is made.
func (l *loop) seeComing(p berth.PoolID) {
	s := l.keepOf(p)
	rec, _ := l.keep(p)
	if rec == s.comingOf {
		return
	}
	for _, one := range s.coming {
		l.fleet.Claim(one.worker, one.labels, -1)
		l.wakeRelated(one, -1)
	}
	s.comingOf, s.coming = rec, nil
	first := l.roomTaker(p) // their labels are the same
	if first == nil || len(first.Labels) == 0 {
		return
	}
	for i := range rec.Workers {
		if k := &rec.Workers[i]; !k.Share.IsZero() {
			l.fleet.Claim(k.Worker, first.Labels, 1)
			s.coming = append(s.coming, placing{k.Worker, p, first.Labels})
		}
	}
}

// butOwn has who makes room for a group not keep apart from the room that is made for it already, until done.
func (l *loop) butOwn(g *gang) (done func()) {
	rec, _ := l.keep(g.pool)
	if rec == nil || rec.Group != g.id {
		return func() {}
	}
	coming := l.keepOf(g.pool).coming
	count := func(by int64) {
		for _, one := range coming {
			l.fleet.Claim(one.worker, one.labels, by)
		}
	}
	count(-1)
	return func() { count(1) }
}
