package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
)

// Of blocks: how long what nobody uses is kept; how long who has given to others takes
// nothing; within what time a take after another asks for more at once; and how long what was
// taken for one that waits is kept for it, whoever else waits; and within what time the members of a group are taken to end.
const (
	blockIdle    = 10 * time.Second
	yieldFor     = 50 * time.Millisecond
	takesInARow  = time.Second
	grantFor     = time.Second
	endTogether  = 100 * time.Millisecond
	aheadMost    = 1 << 20
	aheadGrowsBy = 4
)

// rebalance takes what is needed of an account, or gives back what is not.
func (c *blockChanges) rebalance(of account, b *builder) {
	l, self := c.l, c.l.d.opts.ID
	held, there := c.held(self, of.pool)
	st := l.quotas.of[of]
	if st == nil { // it is limited no more
		c.mendLoans(of, nil, b)
		c.gather(of, nil, b)
		c.borrow(of, nil, b)
		c.repay(of, nil, b)
		if there && (len(held.Block) > 0 || held.Used.IsZero()) {
			c.hold(self, of.pool, nil)
		}
		return
	}
	s := l.balance(of, st, b)
	if c.mendLoans(of, &s, b) || c.direct(of, &s, b) {
		return
	}
	c.gather(of, &s, b)
	need, as, first := l.needOf(of, &s)
	if need == nil && s.unopened() {
		need, as = l.needsBlock(of, &s), &s
	}
	switch {
	case s.stale():
		c.keep(of, &s, limitedOf(held.Block, st.limits))
	case s.over() && there && c.keepOver(of, &s): // of the other dimensions it goes on
	case c.takeTypesBack(of, &s, need, as, first, b):
	case need != nil && c.take(of, as, need, first, b):
		need = nil
	case there && c.leaveGathered(of, &s):
	case there && c.leaveToGroup(of, &s, b):
	case s.among > 0 && there:
		c.yield(of, &s, need, first, b)
	case there: // also where it is not enough for what waits: that takes all at once when it is there
		c.rest(of, &s, b)
	}
	waits := slices.Contains(s.quota.Short, self) // as before, where something else is changed first
	if !c.changed {
		borrowed := false
		if waits, borrowed = c.borrow(of, &s, b); borrowed {
			need = nil
		}
	}
	c.repay(of, &s, b)
	c.line(of, waits || need != nil && everFits(need, st.limits))
}

// needsBlock is nothing of a dimension, where something waits that needs nothing of what is limited, and a block to be counted in; or nil.
func (l *loop) needsBlock(of account, s *balance) berth.Amounts {
	need, _ := l.firstNeed(of, s, s.placeable(), func(_ *berth.Request, a allowance) bool { return a.need != nil && a.need.IsZero() })
	return need
}

// needOf is what the first of an account lacks that waits for its quota, and that could be
// taken; where none could, what the first lacks, unless that waits for what quota is gathered for; or nil. And the
// balance as it is for that, and who asks.
func (l *loop) needOf(of account, s *balance) (need berth.Amounts, as *balance, first asking) {
	for _, as := range s.turns() {
		need, first := l.needIn(of, as, as.takeable, func(a allowance) bool { return as.allFree(a.need) })
		if need != nil {
			return need, as, first
		}
	}
	for _, as := range s.turns() {
		need, first := l.needIn(of, as, func(berth.Dimension) int64 { return unbounded }, func(a allowance) bool { return !a.held })
		if need != nil {
			return need, as, first
		}
	}
	return nil, s, first
}

// needIn is what the first lacks of those whose turn it is, that need no more than most and that something helps.
func (l *loop) needIn(of account, s *balance, most func(berth.Dimension) int64, helps func(allowance) bool) (berth.Amounts, asking) {
	lacks := func(a allowance) bool { return len(a.need) > 0 && everFits(a.need, s.state.limits) && helps(a) }
	if s.turn == itsTurn {
		if a, waits := l.lacksGathered(s); waits && lacks(a) {
			return a.need, asking{s.gathers.Gathering}
		}
		return nil, asking{}
	}
	at := s.lacking(most)
	if s.turn == goesFirst {
		at.before = s.gathers
	}
	return l.firstNeed(of, s, at, func(_ *berth.Request, a allowance) bool { return a.turn == s.turn && lacks(a) })
}

// lacksGathered is what that lacks that quota is gathered for, where it waits here for its quota, and is the first of its
// class: an equal one before it gets what is there.
func (l *loop) lacksGathered(s *balance) (a allowance, waits bool) {
	if g := l.gangs.of[s.gathers.Group]; g != nil && g.class.members[0] == g {
		return l.allowsGang(g, s), g.class.over > 0
	}
	if c := l.queue.of[s.gathers.Request]; c != nil && c.members[0].id == s.gathers.Request {
		return l.allowsOne(c.members[0], s), c.over != nil
	}
	return a, false
}

// firstNeed is what the first needs that waits and something helps, and who that is.
func (l *loop) firstNeed(of account, s *balance, at look, helps func(*berth.Request, allowance) bool) (berth.Amounts, asking) {
	first := l.queue.firstOver(of, at, func(w *waiting) bool { return helps(w.request, l.allowsOne(w, s)) })
	g, ok := l.gangs.over.first(of, at, func(c *gangClass) bool { return helps(c.members[0].request, l.allowsGang(c.members[0], s)) })
	switch {
	case ok && (first == nil || g.members[0].priority >= first.members[0].priority):
		return l.allowsGang(g.members[0], s).need, askedByGroup(g.members[0])
	case first == nil:
		return nil, asking{}
	}
	return l.allowsOne(first.members[0], s).need, askedBy(first.members[0])
}

// limitedOf is what is taken of what is limited.
func limitedOf(block, limits berth.Amounts) berth.Amounts {
	out := make(berth.Amounts, len(block))
	for d, v := range block {
		if _, limited := limits[d]; limited {
			out[d] = v
		}
	}
	return out
}

// everFits says whether a quota that nobody uses has room.
func everFits(need, limits berth.Amounts) bool {
	for d, v := range need {
		if most, limited := limits[d]; limited && v > most {
			return false
		}
	}
	return true
}

// take takes what is needed, and more where it was needed again and again: up to an even
// part of what is free, so that takes become rare, and others find something.
func (c *blockChanges) take(of account, s *balance, need berth.Amounts, first asking, b *builder) bool {
	l, st := c.l, s.state
	if !c.mayTake(st, b) {
		return false
	}
	ahead := int64(1)
	if s.among == 0 && s.gathers == nil && b.now.Sub(st.takenAt) < takesInARow {
		ahead = min(max(st.ahead, 1)*aheadGrowsBy, aheadMost)
	}
	parts := int64(1)
	if len(l.peers.byID) > 0 {
		parts = int64(len(l.share.planners[of.pool])) + 1
	}
	next := make(berth.Amounts, len(st.limits))
	for _, d := range st.dimensions {
		has, named := s.block.Block[d]
		inUse := s.block.Used[d]
		if !named {
			has = inUse
		}
		next[d] = has
		want := need[d]
		if want == 0 {
			continue
		}
		free := max(s.free(d)+s.quota.Taken[d]-c.tenant.Pools[of.pool].Taken[d], 0)
		least := max(has, inUse+want)
		if least-has > free {
			return false
		}
		many := st.limits[d]
		if ahead <= many/want {
			many = want * ahead
		}
		next[d] = max(least, min(inUse+many, has+free/parts))
	}
	if next.Equal(s.block.Block) {
		return false
	}
	c.hold(l.d.opts.ID, of.pool, next)
	c.after = append(c.after, func(now time.Time) {
		st.ahead, st.takenAt, st.usedAt, st.granted, st.grantedTo, st.roomless = ahead, now, now, need, first.name(), false
	})
	return true
}

// mayTake says whether something may be taken now: not where others wait, who have just been given it.
func (c *blockChanges) mayTake(st *quotaState, b *builder) bool {
	if b.now.Before(st.yields) {
		c.l.timers.set(tenantKey(c.id), st.yields)
		return false
	}
	return c.l.mayPlace()
}

// leaveToGroup leaves what has ended a moment ago to a group that waits here, whoever else waits: members of another end one after the
// other, and given back so, all that the next of its tenant needs would have to come together again.
func (c *blockChanges) leaveToGroup(of account, s *balance, b *builder) bool {
	ends := s.state.endedAt.Add(endTogether)
	if c.l.gangs.over.of[of] == nil || !b.now.Before(ends) {
		return false
	}
	c.l.timers.set(tenantKey(c.id), ends)
	return true
}

// yield gives back what others wait for: all that is neither used nor was taken for one
// that is to be placed yet; or, where that is of use here, what is beyond an even part.
func (c *blockChanges) yield(of account, s *balance, need berth.Amounts, first asking, b *builder) {
	keep := c.withGranted(s)
	until := s.state.usedAt.Add(takesInARow)
	if need == nil && b.now.Before(until) {
		c.l.timers.set(tenantKey(c.id), until)
	}
	if need == nil && b.now.Before(until) || need != nil && s.fits(need) {
		keep = make(berth.Amounts, len(s.state.limits))
		for d := range s.state.limits {
			keep[d] = s.block.Used[d] + s.room(d)
		}
	}
	if c.keep(of, s, s.withGathered(keep)) {
		st := s.state
		c.after = append(c.after, func(now time.Time) { st.yields = now.Add(yieldFor) })
		if own, _ := c.l.ownRoom(of, s); need != nil && len(s.quota.Guaranteed) > 0 && own.holds(need, s) {
			c.queueUp(of, wish{need: need, own: true, asks: first})
		}
	}
}

// withGranted is what is used, and what was taken for one that is woken by it and may be behind
// others, as a group is, whoever waits here in vain for more: given back, it would be taken again
// at once, and so on for ever.
func (c *blockChanges) withGranted(s *balance) berth.Amounts {
	st := s.state
	keep := used(s.block, st.limits)
	if !s.grant || len(st.granted) == 0 {
		return keep
	}
	if keep == nil {
		keep = make(berth.Amounts, len(st.limits))
	}
	for _, d := range st.dimensions {
		keep[d] = s.block.Used[d] + max(min(st.granted[d], s.block.Block[d]-s.block.Used[d]), 0)
	}
	c.l.timers.set(tenantKey(c.id), st.takenAt.Add(grantFor))
	return keep
}

// keepOver gives back what is idle of what more is taken of than is allowed, but for what it was taken for, and says
// whether there is either: while that is to be placed yet nothing else is taken, which would let go of it.
func (c *blockChanges) keepOver(of account, s *balance) bool {
	keep, granted := make(berth.Amounts, len(s.state.dimensions)), false
	for _, d := range s.state.dimensions {
		has, named := s.block.Block[d]
		if keep[d] = s.block.Used[d]; slices.Contains(s.beyond, d) {
			keep[d] += s.grantedOf(d)
			granted = granted || s.grantedOf(d) > 0
		} else if named {
			keep[d] = has
		}
	}
	if keep.IsZero() {
		keep = used(s.block, s.state.limits)
	}
	if granted {
		c.l.timers.set(tenantKey(c.id), s.state.takenAt.Add(grantFor))
	}
	return c.keep(of, s, keep) || granted
}

// rest gives back what was not used for a while, but for what is awaited: else that is found to lack it when its turn has come, and
// others take the worker, each time, or have been lent it, and never give it back.
func (c *blockChanges) rest(of account, s *balance, b *builder) {
	keep := s.withGathered(c.withAwaited(of, s))
	if keep.Equal(s.block.Block) || c.takesAwaited(of, s, keep, b) {
		return
	}
	if ends := s.state.usedAt.Add(c.restsFor(of, s)); b.now.Before(ends) {
		c.l.timers.set(tenantKey(c.id), ends)
		return
	}
	c.keep(of, s, keep)
}

// restsFor is how long what nobody uses is kept: shortly where another tenant waits for a loan.
func (c *blockChanges) restsFor(of account, s *balance) time.Duration {
	if len(s.quota.Guaranteed) == 0 {
		return blockIdle
	}
	s.loans.rests[of.tenant] = struct{}{}
	if s.loans.firstBefore(of.tenant) {
		return takesInARow
	}
	return blockIdle
}

// keep keeps so much of this daemon's block, and says whether that changes it. A block of nothing stays, to count in what needs
// nothing: given back, it would be taken again for what waits.
func (c *blockChanges) keep(of account, s *balance, keep berth.Amounts) bool {
	if keep.Equal(s.block.Block) || keep.IsZero() && s.block.Block.IsZero() && s.block.Block != nil && !s.stale() {
		return false
	}
	c.hold(c.l.d.opts.ID, of.pool, keep)
	st := s.state
	c.after = append(c.after, func(time.Time) { st.ahead = 1 })
	return true
}

// line lets the others know that this daemon waits for more than is left, or no more.
func (c *blockChanges) line(of account, waits bool) {
	l, self := c.l, c.l.d.opts.ID
	q := c.tenant.Pools[of.pool]
	waits = waits && len(l.peers.byID) > 0
	if slices.Contains(q.Short, self) == waits {
		return
	}
	q.Short = slices.DeleteFunc(slices.Clone(q.Short), func(d berth.DaemonID) bool { return d == self || l.peers.byID[d] == nil })
	if waits {
		q.Short = append(q.Short, self)
	}
	c.set(of.pool, q)
}
