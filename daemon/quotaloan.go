package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// Of what is guaranteed to a tenant, and what it does not use, others borrow. To daemons a loan is
// another limit: what a tenant is allowed is what they take blocks of, and what has been wanted
// back they do not take any more, as where a limit was set lower. So what is not used
// is given back at once, and what is used as it ends.
//
// A loan is made by a daemon whose request waits for it, wanted back by one whose request
// waits for that, and given back by one daemon for all.

// allowed is what an account may use from now on, without what is wanted back from it, or goes back for another's turn; how
// much less than nothing that would be; and how much that is which goes back.
func (l *loop) allowed(of account) (allowed, below, back berth.Amounts) {
	rec, _ := l.view.tenant(of.tenant)
	q := rec.Pools[of.pool]
	back = l.recalledFrom(of, &q)
	for _, more := range l.goesBack(of, &q) {
		addTo(back, more)
	}
	for d := range q.Limits {
		if v := q.Below(d, back); v > 0 {
			if below == nil {
				below = make(berth.Amounts, 1)
			}
			below[d] = v
		}
	}
	return q.AllowedWithout(back), below, back
}

// reallow takes up what an account may use now.
func (l *loop) reallow(of account, st *quotaState) {
	rec, _ := l.view.tenant(of.tenant)
	taken := rec.Pools[of.pool].Taken
	allowed, below, back := l.allowed(of)
	if !taken.Equal(st.taken) || !allowed.Equal(st.limits) {
		st.movedAt = l.now()
	}
	st.taken, st.limits, st.below, st.back = taken, allowed, below, back
	l.noteWants(of, st, rec.Pools[of.pool].RecalledSince)
}

// lendable is what a tenant could lend: what is guaranteed to it and that nobody has taken, while nothing of its
// own waits for that. To whom depends on whose turn it is.
func (l *loop) lendable(of account) berth.Amounts {
	rec, _ := l.view.tenant(of.tenant)
	q, st := rec.Pools[of.pool], l.quotas.of[of]
	if st == nil || len(q.Guaranteed) == 0 || l.view.unreadable(tenantKey(of.tenant)) {
		return nil
	}
	for d := range l.quotas.holders[of.tenant] {
		if l.view.unreadable(blockKey(blockRef{of.tenant, d})) {
			return nil
		}
	}
	if _, own := l.loanTurn(of); own || len(q.RecalledSince) > 0 || l.waitsForOwn(of, st) || l.movesOver(of) { // or goes on with what it wanted back
		return nil
	}
	out := make(berth.Amounts)
	for d := range q.Guaranteed {
		if free := l.free(of, st, d); free > 0 && q.Borrowed.Of(d) == 0 {
			out[d] = free
		}
	}
	return out
}

// movesOver says whether something of an account waits with another daemon that may not have said yet what for: everything was
// shared anew a moment ago, and who had it before says nothing any more, and gives back what it kept for that.
func (l *loop) movesOver(of account) bool {
	ends := l.peers.shared.Add(grantFor)
	if !l.now().Before(ends) || !slices.ContainsFunc(l.peers.sorted, func(p *peer) bool { return p.queue.lines[of] != nil || p.gangs.asks[of] != nil }) {
		return false
	}
	l.timers.set(tenantKey(of.tenant), ends)
	return true
}

// other is another tenant's record as this plan leaves it, to be changed; nil: not now.
func (c *blockChanges) other(t berth.TenantID) *otherTenant {
	if o := c.others[t]; o != nil {
		return o
	}
	rec, was := c.l.view.tenant(t)
	if f := c.l.flights.tenants[t]; f != nil {
		f.again = append(f.again, tenantKey(c.id))
		return nil
	}
	if was == 0 || c.l.view.unreadable(tenantKey(t)) {
		return nil
	}
	return &otherTenant{was: was, rec: berth.Tenant{Weight: rec.Weight, Pools: maps.Clone(rec.Pools)}}
}

// otherTenant is the record on the other side of a loan.
type otherTenant struct {
	was berth.Revision
	rec berth.Tenant
}

// setOther notes what becomes of a quota on the other side.
func (c *blockChanges) setOther(t berth.TenantID, o *otherTenant, p berth.PoolID, q berth.Quota) {
	if c.others == nil {
		c.others = make(map[berth.TenantID]*otherTenant)
	}
	c.others[t], c.changed = o, true
	if o.rec.Pools[p] = q; q.Idle() {
		delete(o.rec.Pools, p)
	}
}

// free is how much of a dimension nobody has taken as the changes leave it, of what the record
// allows: also of what is wanted back.
func (c *blockChanges) free(of account, s *balance, d berth.Dimension) int64 {
	q := c.tenant.Pools[of.pool]
	return c.l.free(of, s.state, d) + q.Allowed()[d] - s.state.limits[d] + s.quota.Taken[d] - q.Taken[d]
}

// borrow has the first that waits and could be placed by it borrow what others do not use; or, where that is not all
// that it lacks, wants the rest back of what was lent. What is borrowed is taken at once: lent, it would be
// wanted by others as well. It says whether something is waited for that way, and whether something was borrowed.
func (c *blockChanges) borrow(of account, s *balance, b *builder) (waits, borrowed bool) {
	if s != nil && !c.mayTake(s.state, b) {
		return slices.Contains(s.quota.Short, c.l.d.opts.ID), false
	}
	var w wish
	if s != nil {
		w = c.wish(of, s)
	}
	q := c.tenant.Pools[of.pool]
	rest := c.notLent(of, w.lack)
	if borrowed = w.now && len(w.lack) > 0 && rest.IsZero() && !c.awaits(s, b) && c.borrowAll(of, s, w, b); borrowed {
		return false, true
	}
	if w.now {
		w = c.wishOwn(of, s, w)
	}
	waits = len(c.notLent(of, w.lack)) > 0
	w = c.withTypesBack(s, w)
	if s != nil {
		w = s.state.wishForRoom(w)
	}
	rest = c.notLent(of, w.lack)
	if w.own && q.ReclaimAfterMS != nil {
		rest = w.lack // see wantsOwn
	}
	goesOn := c.goesOn(of, s)
	next := c.wound(of, len(rest) > 0 || s != nil && s.among > 0 || goesOn || c.l.ownElsewhere(&q), w.own || goesOn)
	for _, d := range rest.Dimensions() {
		if w.own && q.ReclaimAfterMS != nil {
			next = c.recallComing(of, next, d, rest[d])
		}
		next = recall(next, c.mayRecall(of, q.Lent, w.own), d, rest[d])
	}
	c.wantBack(of, s, c.wanted(of, s, w, rest, next), w.own)
	if w.need != nil || !goesOn || !q.Waits[c.l.d.opts.ID].Own { // else the others would take it that it has what it wanted back
		c.queueUp(of, w)
	}
	if (c.l.waitsForQuota(of) || c.l.waitsForTypes(of)) && len(q.Guaranteed) > 0 {
		c.l.loansIn(of.pool).waits[of.tenant] = struct{}{}
	}
	return waits, false
}

// awaits says whether what was taken before is about to be placed: what waits beside that would count it as its own.
func (c *blockChanges) awaits(s *balance, b *builder) bool {
	ends := s.state.takenAt.Add(grantFor)
	if s.state.granted.IsZero() || !b.now.Before(ends) {
		return false
	}
	c.l.timers.set(tenantKey(c.id), ends)
	return true
}

// notLent is what others could not lend of what is lacking.
func (c *blockChanges) notLent(of account, lack berth.Amounts) berth.Amounts {
	rest := make(berth.Amounts)
	for d, v := range lack {
		if more := v - c.l.loansIn(of.pool).others(of.tenant, d); more > 0 {
			rest[d] = more
		}
	}
	return rest
}

// queueUp lets all know that something waits here for a loan, or for the end of one, or no more.
func (c *blockChanges) queueUp(of account, w wish) {
	q, self := c.tenant.Pools[of.pool], c.l.d.opts.ID
	was, there := q.Waits[self]
	now := berth.LoanWait{Since: was.Since, Own: w.own}
	if w.own && q.ReclaimAfterMS != nil {
		now.Request = w.asks.Request
	}
	st := c.l.quotas.of[of]
	if hadTurn := st != nil && !w.own && was.Since <= st.gather.anew; !there || hadTurn { // never before one that is there: whose record was changed last waits last
		now.Since = max(c.was, c.l.view.revision)
	}
	waits := w.need != nil
	if there == waits && (!waits || now == was) {
		return
	}
	c.setWait(of, now, waits)
}

// setWait sets or takes out what this daemon lets the others know, with what daemons did that are gone.
func (c *blockChanges) setWait(of account, w berth.LoanWait, waits bool) {
	q, self := c.tenant.Pools[of.pool], c.l.d.opts.ID
	next := maps.Clone(q.Waits)
	maps.DeleteFunc(next, func(d berth.DaemonID, _ berth.LoanWait) bool { return d == self || c.l.peers.byID[d] == nil })
	if waits {
		if next == nil {
			next = make(map[berth.DaemonID]berth.LoanWait, 1)
		}
		next[self] = w
	}
	if q.Waits = next; len(next) == 0 {
		q.Waits = nil
	}
	c.set(of.pool, q)
}

// borrowAll borrows all that something lacks, and takes it for that. False: it is not there any more.
func (c *blockChanges) borrowAll(of account, s *balance, w wish, b *builder) bool {
	loans, others := make(map[berth.TenantID]berth.Amounts), make(map[berth.TenantID]*otherTenant)
	for _, d := range w.lack.Dimensions() {
		if c.lenders(of, d, c.muchOf(of, s, d, w.lack[d]), loans, others) < w.lack[d] {
			return false
		}
	}
	q := c.tenant.Pools[of.pool]
	for _, t := range slices.Sorted(maps.Keys(loans)) {
		theirs := others[t].rec.Pools[of.pool]
		for _, d := range loans[t].Dimensions() {
			theirs.Lent = theirs.Lent.With(of.tenant, d, theirs.Lent[of.tenant][d]+loans[t][d])
			q.Borrowed = q.Borrowed.With(t, d, q.Borrowed[t][d]+loans[t][d])
		}
		c.setOther(t, others[t], of.pool, theirs)
	}
	c.set(of.pool, q)
	if _, there := q.Waits[c.l.d.opts.ID]; there {
		c.setWait(of, berth.LoanWait{}, false)
	}
	c.takeFor(of, s, w.need, w.asks)
	return true
}

// muchOf is how much of a dimension is borrowed where so much is lacking: as much again as there is already, so that
// loans become rare, unless others wait for loans.
func (c *blockChanges) muchOf(of account, s *balance, d berth.Dimension, least int64) int64 {
	q := c.tenant.Pools[of.pool]
	many := max(least, q.Borrowed.Of(d))
	for t := range c.l.loansIn(of.pool).turns {
		if t != of.tenant {
			many = least
			break
		}
	}
	return min(many, s.state.most[d]-q.Allowed()[d]+q.Below(d, nil))
}

// lenders notes who lends how much of a dimension, up to what is wanted, and says how much that is in all.
func (c *blockChanges) lenders(of account, d berth.Dimension, want int64, loans map[berth.TenantID]berth.Amounts, others map[berth.TenantID]*otherTenant) (sum int64) {
	l := c.l
	for _, t := range l.loansIn(of.pool).summed().lenders {
		lender := account{t, of.pool}
		if sum >= want {
			break
		}
		if t == of.tenant || l.loansIn(of.pool).idle[t][d] == 0 || !l.yieldsTo(lender, of) {
			continue
		}
		idle := l.lendable(lender)[d]
		if idle < l.loansIn(of.pool).idle[t][d] { // it was counted on
			l.noteLoans(lender)
			l.due.add(tenantKey(of.tenant))
		}
		more := min(want-sum, idle)
		if more <= 0 {
			continue
		}
		if others[t] == nil {
			o := c.other(t)
			if o == nil {
				continue
			}
			others[t] = o
		}
		if loans[t] == nil {
			loans[t] = make(berth.Amounts, 1)
		}
		loans[t][d] += more
		sum += more
	}
	return sum
}

// takeFor takes what something needs, with what was borrowed for it.
func (c *blockChanges) takeFor(of account, s *balance, need berth.Amounts, first asking) {
	st := s.state
	held, _ := c.held(c.l.d.opts.ID, of.pool)
	next := make(berth.Amounts, len(st.limits))
	for _, d := range st.dimensions {
		has, named := held.Block[d]
		if !named {
			has = held.Used[d]
		}
		next[d] = max(has, held.Used[d]+need[d])
	}
	c.hold(c.l.d.opts.ID, of.pool, next)
	c.after = append(c.after, func(now time.Time) {
		st.ahead, st.takenAt, st.usedAt, st.granted, st.grantedTo, st.roomless = 1, now, now, need, first.name(), false
	})
}

// wound is what is wanted back of an account's loans: what it was, while somebody waits for
// it and may have it; and all of what is not guaranteed to it any more.
func (c *blockChanges) wound(of account, waits, own bool) berth.Loans {
	q := c.tenant.Pools[of.pool]
	var next berth.Loans
	if waits {
		_, others := c.l.loanTurn(of)
		next = c.mayRecall(of, q.Recalled, own || others)
	}
	for _, t := range q.Lent.Tenants() {
		for d, lent := range q.Lent[t] {
			if _, guaranteed := q.Guaranteed[d]; !guaranteed {
				next = next.With(t, d, lent)
			}
		}
	}
	return next
}

// mayRecall are the loans of which something may be wanted back: all, for what is guaranteed; for more than that, those
// to whom it is not the turn of before.
func (c *blockChanges) mayRecall(of account, lent berth.Loans, own bool) berth.Loans {
	if own {
		return lent
	}
	out := maps.Clone(lent)
	maps.DeleteFunc(out, func(t berth.TenantID, _ berth.Amounts) bool { return !c.l.yieldsTo(account{t, of.pool}, of) })
	return out
}

// recall wants so much of a dimension back, in all: of the borrowers in their order.
func recall(now, lent berth.Loans, d berth.Dimension, back int64) berth.Loans {
	back -= now.Of(d)
	for _, t := range lent.Tenants() {
		if more := min(back, lent[t][d]-now[t][d]); more > 0 {
			now = now.With(t, d, now[t][d]+more)
			back -= more
		}
	}
	return now
}

// repay gives back what is wanted back and is free, be it by its lender or for who has the first turn; what is beyond the
// limit and not used; what is borrowed and was not used for long, or is not while another waits for a loan; and all of what is not counted
// any more, for nothing of it is guaranteed: s is nil where nothing is limited.
func (c *blockChanges) repay(of account, s *balance, b *builder) {
	l, q := c.l, c.tenant.Pools[of.pool]
	if len(q.Borrowed) == 0 {
		return
	}
	idle := s != nil && c.idleLoans(of, s, b)
	turn := l.goesBack(of, &q)
	lenders, _ := l.lendersInTurn(of, &q, b.now)
	for _, lender := range lenders {
		o := c.other(lender)
		if o == nil {
			continue
		}
		theirs := o.rec.Pools[of.pool]
		for _, d := range q.Borrowed[lender].Dimensions() {
			owed, back := q.Borrowed[lender][d], theirs.Recalled[of.tenant][d]
			give := owed
			if _, guaranteed := q.Guaranteed[d]; guaranteed && s != nil {
				useless := q.Beyond(d)
				if !idle {
					give = min(owed, max(back+turn[lender][d], useless))
				}
				give = min(give, max(c.free(of, s, d)+useless, 0))
			}
			if give == 0 || !l.mayAct(tenantKey(c.id), l.share.ofTask(string(c.id))) {
				continue
			}
			q.Borrowed = q.Borrowed.With(lender, d, owed-give)
			c.set(of.pool, q)
			theirs.Lent = theirs.Lent.With(of.tenant, d, max(theirs.Lent[of.tenant][d]-give, 0))
			theirs.Recalled = theirs.Recalled.With(of.tenant, d, min(max(back-give, 0), theirs.Lent[of.tenant][d]))
			c.setOther(lender, o, of.pool, theirs)
		}
	}
}

// idleLoans says whether what is borrowed and free is given back though nobody wants it back: after some
// time, whatever waits, for what it is of use to takes it; and at once while another waits for a loan.
func (c *blockChanges) idleLoans(of account, s *balance, b *builder) bool {
	if c.l.loansIn(of.pool).firstBefore(of.tenant) {
		return true
	}
	since := s.state.usedAt
	if s.state.movedAt.After(since) {
		since = s.state.movedAt
	}
	ends := since.Add(blockIdle)
	if b.now.Before(ends) {
		c.l.timers.set(tenantKey(c.id), ends)
		return false
	}
	return true
}
