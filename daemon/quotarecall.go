package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// What a tenant wants back is what the first that waits lacks: as what uses it ends, the next will want
// more. Where it is reclaimed, all that waits for what is guaranteed wants it back at once, for each would else wait
// as long again; and no more than that, for something is stopped for it. What waits for more than is guaranteed
// reclaims nothing.

// wantsOwn is how much of what was lent all that waits here for what is guaranteed lacks: what has room together, in
// the order in which it would be placed. It counts on nothing of other tenants': what is stopped for it waits again, and
// borrows that first.
func (c *blockChanges) wantsOwn(of account, s *balance) berth.Amounts {
	room, _ := c.l.ownRoom(of, s)
	left, needs := make(berth.Amounts, len(s.state.dimensions)), make(berth.Amounts, len(s.quota.Guaranteed))
	for _, d := range s.state.dimensions {
		left[d] = room(d)
	}
	fits := bounding(func(d berth.Dimension) int64 { return left[d] })
	beside := *s
	beside.own = fits // of several types it is one that those before it leave
	add := func(r *berth.Request, members int64, need berth.Amounts, n int64) int64 {
		if len(need) == 0 || !fits.holds(need, s) || !c.l.fitsEver(r, members, nil) {
			return 0
		}
		for d, v := range need {
			if v > 0 && s.limits(d) {
				n = min(n, left[d]/v)
			}
		}
		for d, v := range need {
			left[d] -= n * v
			needs[d] += n * v
		}
		return n
	}
	addAll := func(r *berth.Request, members int64, judge func() allowance, n int64) {
		for added := int64(1); n > 0 && added > 0; n -= added {
			added = add(r, members, judge().need, n)
		}
	}
	gangs := c.l.gangs.over.all(of, look{within: s.bound(room)})
	slices.SortFunc(gangs, func(a, b *gangClass) int { return a.members[0].before(b.members[0]) })
	for _, class := range gangs {
		first := class.members[0]
		addAll(first.request, first.need, func() allowance { return c.l.allowsGang(first, &beside) }, int64(len(class.members)))
	}
	classes := c.l.queue.over.all(of, look{within: s.bound(room)})
	slices.SortFunc(classes, func(a, b *class) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	for _, class := range classes {
		first := class.members[0]
		addAll(first.request, 0, func() allowance { return c.l.allowsOne(first, &beside) }, int64(len(class.ids)))
	}
	waiting := c.l.narrowedIn(of)
	slices.SortFunc(waiting, func(a, b typesBack) int { return a.Compare(&b.Gathering) })
	for _, x := range waiting {
		if x.lacksLent(c.l, of, s) {
			add(x.request, x.members, x.need, x.times)
		}
	}
	wants := make(berth.Amounts, len(needs))
	for d, v := range needs {
		if back := v - s.now(d); v > 0 && back > 0 && s.limits(d) {
			wants[d] = back
		}
	}
	return wants
}

// wantsMore has a tenant looked at of which another request waits where others do for the same: while quota is gathered for
// something, it may go before that, and the others after.
func (l *loop) wantsMore(r *berth.Request) {
	rec, _ := l.view.tenant(r.Tenant)
	if q, limited := rec.Pools[r.Pool]; limited && (q.ReclaimAfterMS != nil && len(q.Lent) > 0 || len(q.Gathering) > 0) {
		l.due.add(tenantKey(r.Tenant))
	}
}

// goesOn says whether something of an account is to be tried here that its quota may have room for, shortly after such has
// waited for what is guaranteed: it is known soon whether that waits on. So is not what waited before a restart.
func (c *blockChanges) goesOn(of account, s *balance) bool {
	l := c.l
	if s == nil || s.quota.ReclaimAfterMS == nil || len(s.quota.RecalledSince) == 0 {
		return false
	}
	g, ends := l.queue.lines[of], s.state.ownAt.Add(blockIdle)
	tried := g != nil && len(g.open)+len(l.queue.parked[of.tenant]) > 0 || slices.ContainsFunc(slices.Collect(maps.Values(l.gangs.classes)), func(c *gangClass) bool {
		return accountOf(c.members[0].request) == of && c.open()
	})
	if !tried || !l.now().Before(ends) {
		return false
	}
	l.timers.set(tenantKey(of.tenant), ends)
	return true
}

// ownElsewhere says whether something waits at another daemon for what is guaranteed to an account.
func (l *loop) ownElsewhere(q *berth.Quota) bool {
	for d, w := range q.Waits {
		if w.Own && d != l.d.opts.ID && l.peers.byID[d] != nil {
			return true
		}
	}
	return false
}

// wanted is what is to be wanted back where that is reclaimed, of which next is the first one's: as much of each
// dimension as all want that wait here for what is guaranteed. More than that stays where others wait for such at
// other daemons, who have said so, unless it was this one that wanted it.
func (c *blockChanges) wanted(of account, s *balance, w wish, rest berth.Amounts, next berth.Loans) berth.Loans {
	q := c.tenant.Pools[of.pool]
	elsewhere := c.l.ownElsewhere(&q)
	if q.ReclaimAfterMS == nil || s == nil || !w.own && (!elsewhere || c.goesOn(of, s)) {
		return next
	}
	wants, asked := berth.Amounts{}, make(berth.Amounts, len(q.Guaranteed))
	if w.own {
		wants = c.wantsOwn(of, s)
	}
	for _, d := range q.Guaranteed.Dimensions() {
		if w.own {
			wants[d] = max(wants[d], rest[d])
		}
		asked[d] = wants[d]
		before, known := s.state.asked[d]
		now, over, anew := next.Of(d), int64(0), false
		switch {
		case now < wants[d]:
			next = recall(c.recallComing(of, next, d, wants[d]), q.Lent, d, wants[d])
		case !elsewhere || !known || before > wants[d]:
			over = now - wants[d]
		default:
			over, anew = now-max(wants[d], q.Recalled.Of(d)), true // what the first wants here that is not for what is guaranteed
		}
		if over > 0 && !c.goesOn(of, s) { // what is tried may want that still
			next = c.recallLess(of, next, d, over, elsewhere && !anew) // what nobody has wanted back yet keeps nobody's room
		}
	}
	c.after = append(c.after, func(time.Time) { s.state.asked = asked })
	return next
}

// wantBack wants that back, from now on or as before.
func (c *blockChanges) wantBack(of account, s *balance, next berth.Loans, own bool) {
	q, now := c.tenant.Pools[of.pool], c.l.now()
	if own {
		s.state.ownAt = now
	}
	want := berth.Recall{Amounts: next, Own: own || c.l.ownElsewhere(&q), GoesOn: c.goesOn(of, s)}
	if !q.Recalls(want, now) {
		q.Recall(want, now)
		c.set(of.pool, q)
	}
}

// recallComing wants back first of those of whom something leaves already, or is not used, as much as that frees: else they have it again, and
// others have to end.
func (c *blockChanges) recallComing(of account, now berth.Loans, d berth.Dimension, back int64) berth.Loans {
	lent := c.tenant.Pools[of.pool].Lent
	for _, t := range lent.TenantsOf(d) {
		if more := min(back-now.Of(d), min(c.comesFrom(account{t, of.pool}, d), lent[t][d])-now[t][d]); more > 0 {
			now = now.With(t, d, now[t][d]+more)
		}
	}
	return now
}

// comesFrom is how much of a dimension comes back of a borrower without anybody's end: it leaves anyway, or is not used.
func (c *blockChanges) comesFrom(from account, d berth.Dimension) int64 {
	_, leaves := c.l.stoppable(from)
	rec, _ := c.l.view.tenant(from.tenant)
	q := rec.Pools[from.pool]
	borrowed := q.Borrowed.Of(d)
	return leaves[d] + borrowed - q.Keeps(d, c.l.usedBy(from)[d], borrowed)
}

// recallLess wants so much less of a dimension back: of the last borrowers first, and last of those of whom as much leaves. Elsewhere: something may be
// stopped for what waits at other daemons, so what leaves, or has left and is not given back yet, stays wanted back: else it would be used again, and
// others would have to end.
func (c *blockChanges) recallLess(of account, now berth.Loans, d berth.Dimension, less int64, elsewhere bool) berth.Loans {
	leaves := make(map[berth.TenantID]int64)
	for _, t := range now.TenantsOf(d) {
		from := account{t, of.pool}
		if elsewhere {
			leaves[t] = c.comesFrom(from, d)
			continue
		}
		_, all := c.l.stoppable(from)
		leaves[t] = all[d]
	}
	for _, spared := range []bool{true, elsewhere} {
		for _, t := range slices.Backward(now.TenantsOf(d)) {
			part := min(less, now[t][d])
			if spared {
				part = min(part, max(now[t][d]-leaves[t], 0))
			}
			now = now.With(t, d, now[t][d]-part)
			less -= part
		}
	}
	return now
}

// lendersInTurn are those whom an account gives back to: first those who stop something for it, of these who has waited for longest. What ends
// for one is not another's. And how many of them stop something.
func (l *loop) lendersInTurn(of account, q *berth.Quota, now time.Time) (out []berth.TenantID, due int) {
	type lender struct {
		id    berth.TenantID
		due   bool
		since time.Time
	}
	var all []lender
	for _, t := range q.Borrowed.Tenants() {
		rec, _ := l.view.tenant(t)
		theirs := rec.Pools[of.pool]
		at, ok := l.reclaimAt(account{t, of.pool}, of.tenant, now)
		all = append(all, lender{t, ok && !now.Before(at), theirs.RecalledSince[of.tenant]})
		due += 1 - order(ok && !now.Before(at))
	}
	slices.SortStableFunc(all, func(a, b lender) int {
		if !a.due || !b.due {
			return order(a.due) - order(b.due)
		}
		return a.since.Compare(b.since)
	})
	for i := range all {
		out = append(out, all[i].id)
	}
	return out, due
}

// owedBefore is what a borrower owes those who stop something for it and come before a lender: what leaves is theirs first.
func (l *loop) owedBefore(lender berth.TenantID, of account, q *berth.Quota, now time.Time) berth.Amounts {
	owed := make(berth.Amounts)
	all, due := l.lendersInTurn(of, q, now)
	for _, t := range all[:due] {
		if t == lender {
			break
		}
		rec, _ := l.view.tenant(t)
		theirs := rec.Pools[of.pool]
		for d, v := range theirs.Recalled[of.tenant] {
			owed[d] += min(v, q.Borrowed[t][d])
		}
	}
	return owed
}
