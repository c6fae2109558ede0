package daemon

import "github.com/berthd/berth"

// Who goes first is told to what waits. What could never be placed goes before nobody: it holds nothing up, whatever its
// priority or its tenant's turn.

// turnExplained counts all that go first, with whichever daemon they wait.
func (l *loop) turnExplained(r *berth.Request) TurnStatus {
	l.blocked() // what waits with others is judged where somebody asks
	of := accountOf(r)
	s, own := l.turnStatus(of), l.turn(of)
	l.ownAhead(of, r.Priority, &s)
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

// ownAhead counts those of an account with a higher priority. It looks at its tenant's classes,
// and in each at no more than it counts.
func (l *loop) ownAhead(of account, priority int32, s *TurnStatus) {
	l.queueAllFresh()
	var first *waiting
	asks := aheadAsked
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
			if c.key.tenant != of.tenant || c.pool != of.pool || neverFits(c.verdict) {
				continue
			}
			n := above(c.members, 0, priority)
			if n == 0 || isQuota(c.verdict) && !couldEver(c.members[0].request, 0) {
				continue
			}
			s.Own += n
			if first == nil || c.members[0].before(first) {
				first = c.members[0]
			}
		}
	}
	for _, gs := range l.allGangs() {
		for _, g := range gs.of {
			if g.pool != of.pool || g.request.Tenant != of.tenant || g.priority <= priority || neverFits(g.class.verdict) {
				continue
			}
			if isQuota(g.class.verdict) && !couldEver(g.request, g.need) {
				continue
			}
			s.Own += int(g.size)
			if w := (&waiting{id: berth.RequestID(g.id), priority: g.priority, seq: g.seq}); first == nil || w.before(first) {
				first = w
			}
		}
	}
	if first != nil {
		s.OwnFirst, s.OwnPriority = first.id, first.priority
	}
}

// above counts, from i down, those with a higher priority: of a heap, none stands below one
// that has not.
func above(h ordered[*waiting], i int, priority int32) int {
	if i >= len(h) || h[i].priority <= priority {
		return 0
	}
	return 1 + above(h, 2*i+1, priority) + above(h, 2*i+2, priority)
}
