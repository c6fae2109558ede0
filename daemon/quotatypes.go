package daemon

import (
	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What its quota leaves fewer types of devices than it names, and fits nowhere then, waits for a worker, and for its quota: with
// more of that it may have other types. No worker has more to give for that, so the quota opens it.

// judgedFor is what of devices a class was judged for.
type judgedFor struct {
	types *berth.Request
	left  berth.Amounts // of several demands: what there was of each type that could be too little for all of them
}

// noteNarrowed notes what a request was judged for that fits nowhere, where its quota leaves it fewer types than it names.
func (l *loop) noteNarrowed(w *waiting, as *berth.Request, b *builder) {
	was := &judgedFor{types: as}
	if st := l.limited(w.request); st != nil && len(w.request.Resources.Devices) > 1 {
		s := l.balance(accountOf(w.request), st, b)
		s = *s.of(askedBy(w))
		was.left = s.shortOf(w.request, 1, s.obtainable)
	}
	l.queue.narrow(w.id, was)
}

// narrow notes that of a blocked class.
func (q *queue) narrow(id berth.RequestID, was *judgedFor) {
	c := q.of[id]
	if c == nil || c.verdict == nil || c.over != nil {
		return
	}
	q.narrowTo(c, was)
}

func (q *queue) narrowTo(c *class, was *judgedFor) {
	c.narrow = was
	if q.narrowed[c.line.of] == nil {
		q.narrowed[c.line.of] = make(classSet)
	}
	q.narrowed[c.line.of][c] = struct{}{}
}

// widen forgets that.
func (q *queue) widen(c *class) {
	if c.narrow == nil {
		return
	}
	c.narrow = nil
	if delete(q.narrowed[c.line.of], c); len(q.narrowed[c.line.of]) == 0 {
		delete(q.narrowed, c.line.of)
	}
}

// narrow is that of a group, and how much of devices that was.
func (s *gangs) narrow(g *gang, as berth.Amounts) {
	g.class.narrow = as
	of := accountOf(g.request)
	if s.narrowed[of] == nil {
		s.narrowed[of] = make(map[*gangClass]struct{})
	}
	s.narrowed[of][g.class] = struct{}{}
}

func (s *gangs) widen(c *gangClass, of account) {
	if c.narrow == nil {
		return
	}
	c.narrow = nil
	if delete(s.narrowed[of], c); len(s.narrowed[of]) == 0 {
		delete(s.narrowed, of)
	}
}

// lends gives a request that fits nowhere with the types of devices that its quota has, or could take, also those that others
// would lend; false: there are no more.
func (l *loop) lends(w *waiting, c *scheduler.Candidate, b *builder) bool {
	st := l.limited(w.request)
	if st == nil || len(w.request.Resources.Devices) == 0 {
		return false
	}
	s := l.balance(accountOf(w.request), st, b)
	wide := s.of(askedBy(w)).couldHave(w.request)
	if wide == nil || sameTypes(wide, c.Request) {
		return false
	}
	if c.Request, c.Again = wide, true; sameTypes(wide, w.request) {
		c.Request = w.request
	}
	return true
}

// wakeNarrowed opens what an account's quota has other types for than it was judged for; in which order decides nothing.
func (l *loop) wakeNarrowed(of account, s *balance) {
	taken := func(a asking) bool { // when what has come back for it is: it would go to others
		x := s.state.typesBack
		return x != nil && a.is(&x.Gathering) && s.toTake(x) != nil
	}
	for _, c := range l.queue.narrowed[of].sorted() {
		w := c.members[0]
		if taken(askedBy(w)) {
			continue
		}
		if s.of(askedBy(w)).leavesOther(w.request, c.narrow) {
			l.queue.reopen(c)
		}
	}
	for c := range l.gangs.narrowed[of] {
		g := c.members[0]
		if c.open() || taken(askedByGroup(g)) {
			continue
		}
		if as := s.of(askedByGroup(g)); exceedsAny(as.devicesLeft(g.request, as.obtainable), c.narrow) {
			c.wake()
		}
	}
}

// leavesOther says whether a request might be let have other devices than it was judged for.
func (s *balance) leavesOther(r *berth.Request, was *judgedFor) bool {
	if was.left != nil {
		return exceedsAny(s.devicesLeft(r, s.obtainable), was.left)
	}
	wide := s.couldHave(r)
	return wide != nil && !sameTypes(wide, was.types)
}

// waitsForTypes says whether something of an account waits here that its quota might let have other devices.
func (l *loop) waitsForTypes(of account) bool {
	return len(l.queue.narrowed[of])+len(l.gangs.narrowed[of]) > 0
}

// exceedsAny says whether something is more than it was, or was not bounded.
func exceedsAny(now, was berth.Amounts) bool {
	for d, v := range was {
		if more, bounded := now[d]; !bounded || more > v {
			return true
		}
	}
	return false
}

// noteNarrow notes what of devices a group was judged for that fits nowhere, where that is less than all members could ask for.
func (l *loop) noteNarrow(g *gang, b *builder) {
	st := l.limited(g.request)
	if st == nil {
		return
	}
	g.class.lacks = 1 // its quota may let it have other devices the next time
	of := l.balance(accountOf(g.request), st, b)
	s := of.of(askedByGroup(g))
	if left := s.shortOf(g.request, g.size, s.obtainable); len(left) > 0 {
		l.gangs.narrow(g, left)
	}
}
