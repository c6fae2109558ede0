package daemon

import "github.com/berthd/berth"

// Who goes first is told to what waits. What could never be placed goes before nobody: it holds nothing up, whatever its
// priority or its tenant's turn.

// turnExplained counts all that go first, with whichever daemon they wait.
func (l *loop) turnExplained(r *berth.Request) TurnStatus {
	l.blocked() // what waits with others is judged where somebody asks
	of := accountOf(r)
	s, own := l.turnStatus(of), l.turn(of)
	l.ownAhead(of, l.placeOf(r), &s)
	for o, n := range l.waitingHopeful() {
		if o.pool == of.pool && o != of && l.turn(o).Share < own.Share {
			s.Tenants++
			s.Ahead += n
		}
	}
	return s
}

// waitingHopeful is waitingAll without what is known never to fit.
func (l *loop) waitingHopeful() map[account]int {
	out := l.waitingAll()
	less := func(of account, n int) {
		if out[of] -= n; out[of] <= 0 {
			delete(out, of)
		}
	}
	for _, q := range l.queues() {
		for _, c := range q.classes { // in which order decides nothing
			if neverFits(c.verdict) {
				less(account{c.key.tenant, c.pool}, len(c.members))
			}
		}
	}
	for _, gs := range l.allGangs() {
		for _, c := range gs.classes {
			if neverFits(c.verdict) {
				for _, g := range c.members {
					less(account{g.request.Tenant, g.pool}, int(g.size))
				}
			}
		}
	}
	return out
}

// neverFits says so of what was judged.
func neverFits(v *berth.Verdict) bool { return v != nil && v.NeverFits }

// aheadAsked bounds the classes of a tenant of which it is asked whether workers could ever take them, where their quota
// is all that they were judged by.
const aheadAsked = 16

// OlderCounted is how many older requests are counted, of those that go before one that is explained.
const OlderCounted = 10_000

// placeOf is where a request stands in its tenant's line: as one of its group, where that waits whole. What is in no queue, as
// it waits for its next attempt, would stand where its records say.
func (l *loop) placeOf(r *berth.Request) *waiting {
	if r.Group != nil {
		for _, gs := range l.allGangs() {
			if g := gs.of[r.Group.ID]; g != nil {
				return g.inLine()
			}
		}
	}
	for _, q := range l.queues() {
		if c := q.of[r.ID]; c != nil {
			return c.ids[r.ID]
		}
	}
	prog, _ := l.view.progress(r.ID)
	_, seq := l.view.submission(r.ID)
	return &waiting{id: r.ID, priority: priorityOf(r, prog), seq: seq}
}

// inLine is where a group stands among requests.
func (g *gang) inLine() *waiting {
	return &waiting{id: berth.RequestID(g.id), priority: g.priority, seq: g.seq}
}

// ownAhead counts those of an account that come before one of it. It looks at its tenant's classes,
// and in each at no more than it counts. Who has a claim gets what is claimed, whoever is before it.
func (l *loop) ownAhead(of account, place *waiting, s *TurnStatus) {
	if place.claimOn != "" {
		return
	}
	l.queueAllFresh()
	a, asks := ahead{of: place}, aheadAsked
	couldEver := func(r *berth.Request, members int64) bool {
		st := l.limited(r)
		if asks--; st == nil || asks < 0 {
			return true
		}
		b := l.balance(of, st, nil)
		return l.couldEver(r, members, &b)
	}
	for _, q := range l.queues() {
		for _, c := range q.classes { // in which order decides nothing
			if c.key.tenant != of.tenant || c.pool != of.pool || neverFits(c.verdict) || !c.members[0].before(place) {
				continue
			}
			if isQuota(c.verdict) && !couldEver(c.members[0].request, 0) {
				continue
			}
			a.countAll(c.members, 0)
		}
	}
	for _, gs := range l.allGangs() {
		for _, g := range gs.of {
			if g.pool != of.pool || g.request.Tenant != of.tenant || neverFits(g.class.verdict) || !g.inLine().before(place) {
				continue
			}
			if isQuota(g.class.verdict) && !couldEver(g.request, g.need) {
				continue
			}
			a.count(g.inLine(), int(g.size))
		}
	}
	a.tell(s)
}

// ahead is who comes before one of the same account: by priority, or as it is older.
type ahead struct {
	of            *waiting
	higher, older int
	first, eldest *waiting // of the former, and of the latter
}

// count counts n of them, and says whether they come before at all, and those behind them may have to be counted, too.
func (a *ahead) count(w *waiting, n int) bool {
	switch {
	case !w.before(a.of):
		return false
	case w.priority > a.of.priority:
		if a.higher += n; a.first == nil || w.before(a.first) {
			a.first = w
		}
		return true
	}
	if a.eldest == nil || w.before(a.eldest) {
		a.eldest = w
	}
	a.older = min(a.older+n, OlderCounted)
	return a.older < OlderCounted
}

// countAll counts those of a heap, from i down: none stands before one that it is below.
func (a *ahead) countAll(h ordered[*waiting], i int) {
	if i < len(h) && a.count(h[i], 1) {
		a.countAll(h, 2*i+1)
		a.countAll(h, 2*i+2)
	}
}

func (a *ahead) tell(s *TurnStatus) {
	if s.Own, s.Older = a.higher, a.older; a.first != nil {
		s.OwnFirst, s.OwnPriority = a.first.id, a.first.priority
	}
	if a.eldest != nil {
		s.OlderFirst = a.eldest.id
	}
}
