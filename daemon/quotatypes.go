package daemon

import (
	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What its quota leaves fewer types of devices than it names, and fits nowhere then, waits for a worker, and for its quota: with
// more of that it may have other types. No worker has more to give for that, so the quota opens it.

// narrow notes what types a blocked class was judged for.
func (q *queue) narrow(id berth.RequestID, as *berth.Request) {
	c := q.of[id]
	if c == nil || c.verdict == nil || c.over != nil {
		return
	}
	c.narrow = as
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

// narrow is that of a group.
func (s *gangs) narrow(g *gang, as *berth.Request) {
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

// widens lets a request wait for its quota that fits nowhere with the types of devices that this daemon has taken of
// that, and would fit with another that can be taken.
func (l *loop) widens(w *waiting, c scheduler.Candidate, b *builder) bool {
	s := l.balance(accountOf(w.request), l.limited(w.request), b)
	wide := s.of(askedBy(w)).couldHave(w.request, 1)
	if sameTypes(wide, c.Request) {
		return false
	}
	c.Request = wide
	if v := l.fleet.Explain(c); len(v.Reasons) > 0 {
		return false
	}
	w.wide = true
	a := l.allowsOne(w, &s)
	if a.verdict == nil {
		w.wide = false
		return false
	}
	l.blockForQuota(w, a.verdict)
	return true
}

// wakeNarrowed opens what an account's quota has other types for than it was judged for; in which order decides nothing.
func (l *loop) wakeNarrowed(of account, s *balance) {
	for _, c := range l.queue.narrowed[of].sorted() {
		if a := l.allowsOne(c.members[0], s); a.verdict != nil || !sameTypes(a.request, c.narrow) {
			l.queue.reopen(c)
		}
	}
	for c := range l.gangs.narrowed[of] {
		if g := c.members[0]; !c.open() && !sameTypes(l.widest(g, s), c.narrow) {
			c.wake()
		}
	}
}

// widest is a group's request with those types of devices that as few members as must be placed may have, or could.
func (l *loop) widest(g *gang, s *balance) *berth.Request {
	rec, _ := l.view.group(g.id)
	if rec == nil {
		return g.request
	}
	return s.of(askedByGroup(g)).couldHave(g.request, min(l.needs(g.id, rec), g.size))
}

// noteNarrow notes what types a group was judged for that fits nowhere.
func (l *loop) noteNarrow(g *gang, b *builder) {
	st := l.limited(g.request)
	if st == nil {
		return
	}
	g.class.lacks = 1 // its quota may let it have other devices the next time
	s := l.balance(accountOf(g.request), st, b)
	if as := l.widest(g, &s); !sameTypes(as, g.request) {
		l.gangs.narrow(g, as)
	}
}
