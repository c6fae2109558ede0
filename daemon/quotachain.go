package daemon

import (
	"maps"
	"time"

	"github.com/berthd/berth"
)

// A tenant that has lent its part may borrow of a third what it needs meanwhile. It uses no more than its own then, but the third
// could have that back of nobody else: who uses more than its own owes it nothing, and the few of whom
// something could end may be in nobody's way. So the loan to the one between is exchanged for one to who has borrowed
// of that. What each may use stays as it is. It comes to an end, for nobody lends who has borrowed: no loan goes
// round to its lender, and each exchange makes less of them.

// exchangesMost bounds the pairs of which the loans are exchanged in one plan.
const exchangesMost = 8

// direct exchanges loans that go round over an account. It says whether there were some. Where it has done so a moment ago it waits
// a while: else what gets its part back piece by piece would borrow no larger ones (see muchOf).
func (c *blockChanges) direct(of account, s *balance, b *builder) bool {
	q, made := c.tenant.Pools[of.pool], 0
	for _, lender := range q.Borrowed.Tenants() {
		for _, borrower := range q.Lent.Tenants() {
			x := exchange{c, of, lender, borrower}
			if lender == borrower || !x.some() || !c.l.mayAct(tenantKey(c.id), c.l.share.ofTask(string(c.id))) {
				continue
			}
			if ends := s.state.directAt.Add(takesInARow); b.now.Before(ends) {
				c.l.timers.set(tenantKey(c.id), ends)
				return false
			}
			if made < exchangesMost && x.make() {
				made++
			}
		}
	}
	if made > 0 {
		c.after = append(c.after, func(now time.Time) { s.state.directAt = now })
	}
	return made > 0
}

// exchange is of what a lender has lent to an account, and that to a borrower, for a loan without it.
type exchange struct {
	*blockChanges
	of               account
	lender, borrower berth.TenantID
}

// some says whether anything of a dimension that counts goes round.
func (x *exchange) some() bool {
	q := x.tenant.Pools[x.of.pool]
	for d := range q.Guaranteed {
		if q.Borrowed[x.lender][d] > 0 && q.Lent[x.borrower][d] > 0 {
			return true
		}
	}
	return false
}

// make puts it into the records of all three; false: not now. What the account wanted back of the borrower it has by that; what the
// lender did of the account it wants of the borrower now, and since then.
func (x *exchange) make() bool {
	from, to, p := x.other(x.lender), x.other(x.borrower), x.of.pool
	if from == nil || to == nil {
		return false
	}
	q, theirs, its := x.tenant.Pools[p], from.rec.Pools[p], to.rec.Pools[p]
	made := false
	for _, d := range q.Guaranteed.Dimensions() {
		n := min(q.Borrowed[x.lender][d], theirs.Lent[x.of.tenant][d], q.Lent[x.borrower][d], its.Borrowed[x.of.tenant][d])
		if n <= 0 {
			continue
		}
		made = true
		q.Borrowed = less(q.Borrowed, x.lender, d, n)
		q.Lent, q.Recalled = less(q.Lent, x.borrower, d, n), less(q.Recalled, x.borrower, d, n)
		its.Borrowed = less(its.Borrowed, x.of.tenant, d, n).With(x.lender, d, its.Borrowed[x.lender][d]+n)
		theirs.Lent = less(theirs.Lent, x.of.tenant, d, n).With(x.borrower, d, theirs.Lent[x.borrower][d]+n)
		if wanted := min(theirs.Recalled[x.of.tenant][d], n); wanted > 0 {
			theirs.Recalled = less(theirs.Recalled, x.of.tenant, d, wanted).With(x.borrower, d, theirs.Recalled[x.borrower][d]+wanted)
			theirs.RecalledSince = sinceToo(theirs.RecalledSince, x.of.tenant, x.borrower)
		}
	}
	if made {
		x.set(p, q)
		x.setOther(x.lender, from, p, theirs)
		x.setOther(x.borrower, to, p, its)
	}
	return made
}

// less is loans with so much less of a dimension with a tenant, and no less than nothing.
func less(of berth.Loans, t berth.TenantID, d berth.Dimension, n int64) berth.Loans {
	return of.With(t, d, max(of[t][d]-n, 0))
}

// sinceToo is since when what is wanted back, with that of another for as long as that of one.
func sinceToo(since map[berth.TenantID]time.Time, one, another berth.TenantID) map[berth.TenantID]time.Time {
	at, known := since[one]
	if has, too := since[another]; !known || too && !at.Before(has) {
		return since
	}
	out := maps.Clone(since)
	out[another] = at
	return out
}
