package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// What waits for a worker has its quota, and keeps it: its daemon holds that in its block, so nobody borrows it meanwhile. Of an
// account that is as much as the first request needs that waits so, and all groups that do, together: each of them waits for many
// workers that may come at any time, and would starve beside these were its quota lent to what never ends. What is borrowed is not
// kept so, for others may want that.
//
// What it has not enough of for one, be all back that is lent, is kept for none: with several types it may wait for a worker that has another, or
// others of its tenant were placed since.

// awaited is the most of each dimension that it could get of what waits in a queue and among groups, and the least: of several types of
// devices it may get any that there is enough of. What the workers that are there could never take awaits nothing. A group is tried a moment later than
// its quota is there.
func (l *loop) awaited(of account, s *balance, q *queue, gs *gangs) (most, least berth.Amounts) {
	most, least = make(berth.Amounts, len(s.state.dimensions)), make(berth.Amounts, len(s.state.dimensions))
	add := func(r *berth.Request, n int64) {
		for _, d := range s.state.dimensions {
			s.addUpTo(most, d, n, mostOf(r, d, s.couldBeBack(d)))
			s.addUpTo(least, d, n, leastOf(r, d))
		}
	}
	if w := l.firstAwaits(of, s, q); w != nil {
		add(w.request, 1)
	}
	for _, class := range gs.classes { // in which order decides nothing
		g := class.members[0]
		if accountOf(g.request) == of && (!g.pastRoom() || class.open()) && s.awaits(g.request, g.need) && l.couldEver(g.request, g.need, s) {
			add(g.request, g.need*int64(len(class.members)))
		}
	}
	return most, least
}

// firstAwaits is the first of a queue that waits for a worker, and may have its quota then, or nil.
func (l *loop) firstAwaits(of account, s *balance, q *queue) (first *waiting) {
	awaits := func(w *waiting) bool { return s.awaits(w.request, 1) && l.couldEver(w.request, 0, s) }
	if first = q.firstBlocked(of); first == nil || awaits(first) {
		return first
	}
	first = nil
	q.eachBlocked(of, blockedLooks, func(c *class) bool {
		if w := c.members[0]; (first == nil || w.before(first)) && awaits(w) {
			first = w
		}
		return false
	})
	return first
}

// awaits says whether so many of a request may have enough of the account's quota, be all back that is lent.
func (s *balance) awaits(r *berth.Request, n int64) bool {
	for i := range r.Resources.Devices {
		of := &r.Resources.Devices[i]
		kinds := of.Types
		if len(kinds) == 0 {
			kinds = s.kinds()
		}
		if len(kinds) > 0 && s.having(kinds, of.Count*of.Milli, n, func(berth.Dimension) int64 { return 0 }, s.couldBeBack) == nil {
			return false
		}
	}
	return !slices.ContainsFunc(s.state.dimensions, func(d berth.Dimension) bool { return n*leastOf(r, d) > s.couldBeBack(d) })
}

// couldBeBack is how much of a dimension there is, or could be had, and would be with all that is lent.
func (s *balance) couldBeBack(d berth.Dimension) int64 { return max(s.own(d), s.obtainable(d)) }

// addUpTo adds n times v to a sum, up to the limit.
func (s *balance) addUpTo(sum berth.Amounts, d berth.Dimension, n, v int64) {
	limit := s.state.most[d]
	if v > 0 && n > (limit-sum[d])/v {
		sum[d] = limit
		return
	}
	sum[d] += n * v
}

// withAwaited is what is used, and what is awaited here: of what this daemon has, and of what is guaranteed and nobody has taken.
func (c *blockChanges) withAwaited(of account, s *balance) berth.Amounts {
	keep := used(s.block, s.state.limits)
	most, least := c.l.awaited(of, s, c.l.queue, c.l.gangs)
	next := make(berth.Amounts, len(s.state.limits))
	for _, d := range s.state.dimensions {
		next[d] = s.block.Used[d]
		idle, more := max(s.block.Block[d]-next[d], 0), int64(0)
		if _, guaranteed := s.quota.Guaranteed[d]; guaranteed && s.gathers == nil {
			more = max(s.free(d), 0)
		}
		if s.quota.Borrowed.Of(d) == 0 {
			next[d] += max(min(most[d], idle), min(least[d], idle+more))
		}
		if next[d] > keep[d] {
			keep = next
		}
	}
	return keep
}

// takesAwaited takes what is awaited, and that this daemon has not taken yet.
func (c *blockChanges) takesAwaited(of account, s *balance, keep berth.Amounts, b *builder) bool {
	next, more := make(berth.Amounts, len(s.state.limits)), false
	for _, d := range s.state.dimensions {
		has := max(s.block.Block[d], s.block.Used[d])
		next[d], more = max(has, keep[d]), more || keep[d] > has
	}
	if !more || !c.mayTake(s.state, b) {
		return false
	}
	c.hold(c.l.d.opts.ID, of.pool, next)
	return true
}

// idleHere says whether this daemon has taken some of an account's quota that it does not use: what is awaited, or was a moment ago.
func (l *loop) idleHere(of account) bool {
	block, _ := l.view.block(blockRef{of.tenant, l.d.opts.ID})
	has := block.Pools[of.pool]
	for d, v := range has.Block {
		if v > has.Used[d] {
			return true
		}
	}
	return false
}

// keepsAwaited says whether an account lends less of a dimension than is guaranteed to it and idle, for that is awaited, with
// whichever daemon.
func (l *loop) keepsAwaited(of account, d berth.Dimension) bool {
	st := l.quotas.of[of]
	if st == nil || st.limits == nil || l.idleBut(of, d, "") == 0 {
		return false
	}
	s := l.balance(of, st, nil)
	if _, guaranteed := s.quota.Guaranteed[d]; !guaranteed || s.quota.Borrowed.Of(d) > 0 {
		return false
	}
	awaits := func(q *queue, gs *gangs) bool { most, _ := l.awaited(of, &s, q, gs); return most[d] > 0 }
	return awaits(l.queue, l.gangs) || slices.ContainsFunc(l.peers.sorted, func(p *peer) bool { return awaits(p.queue, p.gangs) })
}

// mostOf is how much of a dimension a request could get where there is so much of it: each of its demands for devices all, or nothing.
func mostOf(r *berth.Request, d berth.Dimension, has int64) int64 {
	n := demandOf(r, d)
	for i := range r.Resources.Devices {
		of := &r.Resources.Devices[i]
		_, device := d.DeviceType()
		if of.Count*of.Milli > has {
			continue
		}
		if device && len(of.Types) == 0 || slices.ContainsFunc(of.Types, func(kind string) bool { return berth.DeviceDimension(kind) == d }) {
			n += of.Count * of.Milli
		}
	}
	return n
}

// leastOf is how much of it a request gets wherever it goes.
func leastOf(r *berth.Request, d berth.Dimension) int64 {
	n := demandOf(r, d)
	for i := range r.Resources.Devices {
		if of := &r.Resources.Devices[i]; len(of.Types) == 1 && berth.DeviceDimension(of.Types[0]) == d {
			n += of.Count * of.Milli
		}
	}
	return n
}
