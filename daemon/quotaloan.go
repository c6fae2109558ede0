package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// Of what is guaranteed to a tenant, and what it does not use, others borrow. To daemons a loan is
// another limit: what a tenant is allowed is what they take blocks of, and what has been wanted
// back they do not take any more, as where a limit was set lower. So what is not used
// is given back at once, and what is used as it ends.
//
// A loan is made by a daemon whose request waits for it, wanted back by one whose request
// waits for that, and given back by one daemon for all.

// loanStatus is what is known of who could lend, and who waits for that, in one pool.
type loanStatus struct {
	idle  map[berth.TenantID]berth.Amounts // as of the last look at them
	waits map[berth.TenantID]struct{}      // looked at again when more is idle
}

func (l *loop) loansIn(p berth.PoolID) *loanStatus {
	s := l.quotas.loans[p]
	if s == nil {
		s = &loanStatus{idle: make(map[berth.TenantID]berth.Amounts), waits: make(map[berth.TenantID]struct{})}
		l.quotas.loans[p] = s
	}
	return s
}

// allowed is what an account may use from now on: without what is wanted back from it.
func (l *loop) allowed(of account) berth.Amounts {
	rec, _ := l.view.tenant(of.tenant)
	q := rec.Pools[of.pool]
	back := make(berth.Amounts)
	for _, lender := range q.Borrowed.Tenants() {
		other, _ := l.view.tenant(lender)
		for d, v := range other.Pools[of.pool].Recalled[of.tenant] {
			if _, counts := q.Guaranteed[d]; counts {
				back[d] += min(v, q.Borrowed[lender][d])
			}
		}
	}
	return q.AllowedWithout(back)
}

// reallow takes up what an account may use now.
func (l *loop) reallow(of account, st *quotaState) {
	rec, _ := l.view.tenant(of.tenant)
	taken, allowed := rec.Pools[of.pool].Taken, l.allowed(of)
	if !taken.Equal(st.taken) || !allowed.Equal(st.limits) {
		st.movedAt = l.now()
	}
	st.taken, st.limits = taken, allowed
}

// waitsForQuota says whether something of an account waits here.
func (l *loop) waitsForQuota(of account) bool {
	return l.queue.over.of[of] != nil || l.gangs.over.of[of] != nil
}

// lendable is what a tenant could lend: what is guaranteed to it and that nobody has taken, while
// nothing of its own waits.
func (l *loop) lendable(of account) berth.Amounts {
	rec, _ := l.view.tenant(of.tenant)
	q, st := rec.Pools[of.pool], l.quotas.of[of]
	if st == nil || len(q.Guaranteed) == 0 || len(q.Short) > 0 || l.waitsForQuota(of) || l.view.unreadable(tenantKey(of.tenant)) {
		return nil
	}
	for d := range l.quotas.holders[of.tenant] {
		if l.view.unreadable(blockKey(blockRef{of.tenant, d})) {
			return nil
		}
	}
	out := make(berth.Amounts)
	for d := range q.Guaranteed {
		if free := l.free(of, st, d); free > 0 && q.Borrowed.Of(d) == 0 {
			out[d] = free
		}
	}
	return out
}

// noteLendable has those looked at who wait for what a tenant could lend, where that is more now.
func (l *loop) noteLendable(of account) {
	s := l.loansIn(of.pool)
	was, now := s.idle[of.tenant], l.lendable(of)
	if s.idle[of.tenant] = now; len(now) == 0 {
		delete(s.idle, of.tenant)
	}
	for d, v := range now {
		if v > was[d] {
			for _, t := range slices.Sorted(maps.Keys(s.waits)) {
				l.due.add(tenantKey(t))
			}
			clear(s.waits)
			return
		}
	}
}

// other is another tenant's record as this plan leaves it, to be changed; nil: not now.
func (c *blockChanges) other(t berth.TenantID) *otherTenant {
	if o := c.others[t]; o != nil {
		return o
	}
	rec, was := c.l.view.tenant(t)
	if was == 0 || c.l.view.unreadable(tenantKey(t)) || c.l.flights.tenants[t] != nil {
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

// obtainable is how much of a dimension an account could have beside what is free: what others could lend,
// and what it has lent, up to its limit. Nothing where it is to give back itself.
func (c *blockChanges) obtainable(of account, s *balance, d berth.Dimension) (own, others int64) {
	q := c.tenant.Pools[of.pool]
	if _, guaranteed := q.Guaranteed[d]; !guaranteed || q.Allowed()[d] > s.state.limits[d] {
		return 0, 0
	}
	for t, idle := range c.l.loansIn(of.pool).idle {
		if t != of.tenant {
			others += idle[d]
		}
	}
	most := max(s.state.most[d]-s.state.limits[d], 0)
	others = min(others, most)
	return min(q.Lent.Of(d), most-others), others
}

// lacks is what the first that waits lacks which could have it by loans, or by what was lent; nil: none is.
func (c *blockChanges) lacks(of account, s *balance) berth.Amounts {
	if len(s.quota.Guaranteed) == 0 || !c.l.waitsForQuota(of) {
		return nil
	}
	could := make(berth.Amounts, len(s.state.dimensions))
	for _, d := range s.state.dimensions {
		own, others := c.obtainable(of, s, d)
		could[d] = s.room(d) + s.free(d) + own + others
	}
	at := look{within: s.bound(func(d berth.Dimension) int64 { return max(s.room(d), could[d]) }), beyond: s.bound(s.room)}
	need := c.l.firstNeed(of, s, at, func(a allowance) bool {
		for d, v := range a.need {
			if most, limited := could[d]; limited && v > most {
				return false
			}
		}
		return len(a.need) > 0 && everFits(a.need, s.state.most)
	})
	lack := make(berth.Amounts)
	for d, v := range need {
		if rest := v - s.room(d) - s.free(d); rest > 0 && s.limits(d) {
			lack[d] = rest
		}
	}
	return lack
}

func (s *balance) limits(d berth.Dimension) bool {
	_, limited := s.state.limits[d]
	return limited
}

// borrow borrows what others do not use for the first that waits and could be placed then, and wants back of what was
// lent only what is not there. It says whether that is waited for.
func (c *blockChanges) borrow(of account, s *balance) (waits bool) {
	lack, among := berth.Amounts(nil), false
	if s != nil {
		lack, among = c.lacks(of, s), s.among > 0
	}
	q := c.tenant.Pools[of.pool]
	next := c.wound(q, len(lack) > 0 || among)
	for _, d := range lack.Dimensions() {
		if _, others := c.obtainable(of, s, d); lack[d] > others {
			next = recall(next, q.Lent, d, lack[d]-others)
			waits = true
		}
	}
	if !loansEqual(next, q.Recalled) {
		q.Recalled = next
		c.set(of.pool, q)
	}
	for _, d := range lack.Dimensions() {
		c.borrowOf(of, s, d, lack[d])
	}
	if c.l.waitsForQuota(of) && len(q.Guaranteed) > 0 {
		c.l.loansIn(of.pool).waits[of.tenant] = struct{}{}
	}
	return waits
}

// wound is what is wanted back of an account's loans: what it was, while somebody waits for
// it; and all of what is not guaranteed to it any more.
func (c *blockChanges) wound(q berth.Quota, waits bool) berth.Loans {
	var next berth.Loans
	if waits {
		next = q.Recalled
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

// borrowOf borrows at least so much of a dimension, if that is there, and as much again as there is
// already: so that loans become rare.
func (c *blockChanges) borrowOf(of account, s *balance, d berth.Dimension, least int64) {
	q := c.tenant.Pools[of.pool]
	want := min(max(least, q.Borrowed.Of(d)), s.state.most[d]-q.Allowed()[d])
	idle := c.l.loansIn(of.pool).idle
	for _, t := range slices.Sorted(maps.Keys(idle)) {
		more := min(want, c.l.lendable(account{t, of.pool})[d])
		if t == of.tenant || more <= 0 {
			continue
		}
		o := c.other(t)
		if o == nil {
			continue
		}
		theirs := o.rec.Pools[of.pool]
		theirs.Lent = theirs.Lent.With(of.tenant, d, theirs.Lent[of.tenant][d]+more)
		c.setOther(t, o, of.pool, theirs)
		q.Borrowed = q.Borrowed.With(t, d, q.Borrowed[t][d]+more)
		c.set(of.pool, q)
		want -= more
	}
}

// repay gives back what is wanted back and is free; what is beyond the limit; what is borrowed and was not used for long; and all
// of what is not counted any more, for nothing of it is guaranteed: s is nil where nothing is limited.
func (c *blockChanges) repay(of account, s *balance, b *builder) {
	l, q := c.l, c.tenant.Pools[of.pool]
	idle := s != nil && !l.waitsForQuota(of) && s.among == 0
	if idle && len(q.Borrowed) > 0 {
		since := s.state.usedAt
		if s.state.movedAt.After(since) {
			since = s.state.movedAt
		}
		if ends := since.Add(blockIdle); b.now.Before(ends) {
			idle = false
			l.timers.set(tenantKey(c.id), ends)
		}
	}
	for _, lender := range q.Borrowed.Tenants() {
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
					give = min(owed, max(back, useless))
				}
				give = min(give, max(c.free(of, s, d), 0)+useless)
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

func loansEqual(a, b berth.Loans) bool { return maps.EqualFunc(a, b, berth.Amounts.Equal) }
