package daemon

import "github.com/berthd/berth"

// What waits for a quota of which some is guaranteed waits for one of four things. What is guaranteed and not used has
// room for it: then that is its tenant's, and what is lent of it is wanted back. Or it has room for it only
// with a loan: then it waits for its turn. Or an end of its own tenant's has to come first, for
// the limit or for what nobody lends: then no loan helps it yet. Or it could never be placed, for it is more than the
// limit, or than is guaranteed to all, or no worker is large enough: that waits, and keeps nobody from anything.

// wish is what waits at this daemon of an account beyond what is there: what could be placed by loans that others would
// make now; or else the first that could be when what was lent comes back, or some day.
type wish struct {
	need berth.Amounts // nil: nothing waits that loans would help
	lack berth.Amounts // of that, what is not there
	own  bool          // what is guaranteed is enough for it
	asks asking
	now  bool // others would lend it
}

// waitsForQuota says whether something of an account waits here.
func (l *loop) waitsForQuota(of account) bool {
	return l.queue.over.of[of] != nil || l.gangs.over.of[of] != nil
}

// bounding bounds what could be placed of an account, beside what it uses already.
type bounding func(berth.Dimension) int64

// ownRoom is what the guaranteed part has room for, and mostRoom what the limits have, with any loans; of
// what is not guaranteed, both are what is allowed.
func (l *loop) ownRoom(of account, s *balance) (own, most bounding) {
	used, ever := l.usedBy(of), l.loansIn(of.pool).ever
	own = ownOf(s.state.limits, s.quota.Guaranteed, used)
	most = func(d berth.Dimension) int64 {
		if _, guaranteed := s.quota.Guaranteed[d]; guaranteed {
			return min(s.state.most[d], ever[d]) - used[d]
		}
		return s.state.limits[d] - used[d]
	}
	return own, most
}

// ownOf is what the guaranteed part has room for beside what is used.
func ownOf(limits, guaranteed, used berth.Amounts) bounding {
	return func(d berth.Dimension) int64 {
		if g, is := guaranteed[d]; is {
			return g - used[d]
		}
		return limits[d] - used[d]
	}
}

// ownLater is that of an account, reckoned when it is asked for first.
func (l *loop) ownLater(of account, st *quotaState, guaranteed berth.Amounts) bounding {
	var own bounding
	return func(d berth.Dimension) int64 {
		if own == nil {
			own = ownOf(st.limits, guaranteed, l.usedBy(of))
		}
		return own(d)
	}
}

// holds says whether so much fits, of what is limited.
func (r bounding) holds(need berth.Amounts, s *balance) bool {
	for d, v := range need {
		if v > 0 && s.limits(d) && v > r(d) {
			return false
		}
	}
	return true
}

// and is both bounds.
func (r bounding) and(o bounding) bounding {
	return func(d berth.Dimension) int64 { return min(r(d), o(d)) }
}

func (s *balance) limits(d berth.Dimension) bool {
	_, limited := s.state.limits[d]
	return limited
}

// now is what could be placed without any loan: less than nothing, where the first loan would only make up for what
// is lent beyond what is guaranteed.
func (s *balance) now(d berth.Dimension) int64 { return s.room(d) + s.free(d) - s.state.below[d] }

// waitsForOwn says whether something waits here that what is guaranteed to an account has room for.
func (l *loop) waitsForOwn(of account, st *quotaState) bool {
	if st.typesBack != nil {
		return true
	}
	if !l.waitsForQuota(of) {
		return false
	}
	s := l.balance(of, st, nil)
	own, _ := l.ownRoom(of, &s)
	need, _ := l.firstNeed(of, &s, look{within: s.bound(s.orObtainable(own))}, func(r *berth.Request, a allowance) bool {
		return len(a.need) > 0 && !a.held && own.holds(a.need, &s) && l.couldEver(r, a.members, &s)
	})
	return need != nil
}

// wish finds what waits here: what others would lend enough for, which goes first as what fits does everywhere; then
// what is guaranteed has room for; then what could be had with what was lent.
func (c *blockChanges) wish(of account, s *balance) (w wish) {
	if len(s.quota.Guaranteed) == 0 || !c.l.waitsForQuota(of) {
		return w
	}
	own, most := c.l.ownRoom(of, s)
	lent := func(back berth.Loans) bounding { return most.and(c.could(of, s, back)) }
	if w.need, w.asks = c.firstLent(of, s, lent(nil), own); w.need != nil {
		w.now = true
	} else if w.need, w.asks = c.firstWithin(of, s, own); w.need != nil {
		w.own = true
	} else if w.need, w.asks = c.firstWithin(of, s, lent(c.mayRecall(of, c.tenant.Pools[of.pool].Lent, false))); w.need == nil {
		w.need, w.asks = c.firstWithin(of, s, most)
	}
	c.lacking(s, &w)
	return w
}

// wishOwn is the first that what is guaranteed has room for, where what could be lent now is not: it waits as long as it has.
func (c *blockChanges) wishOwn(of account, s *balance, w wish) wish {
	own, _ := c.l.ownRoom(of, s)
	need, asks := c.firstWithin(of, s, own)
	if need == nil {
		return w
	}
	w = wish{need: need, asks: asks, own: true}
	c.lacking(s, &w)
	return w
}

// lacking notes what of a wish is not there.
func (c *blockChanges) lacking(s *balance, w *wish) {
	for d, v := range w.need {
		if rest := v - s.now(d); v > 0 && rest > 0 && s.limits(d) {
			if w.lack == nil {
				w.lack = make(berth.Amounts, 1)
			}
			w.lack[d] = rest
		}
	}
}

// firstWithin is what the first needs that waits here, is within bounds, and is not there.
func (c *blockChanges) firstWithin(of account, s *balance, most bounding) (berth.Amounts, asking) {
	return c.firstLent(of, s, most, most)
}

// firstLent is that of those to whom a loan is of use now: no group that has no room, unless its own part has room for it. It waits for its turn
// all the same: room may come as the loan does, of what others use with it.
func (c *blockChanges) firstLent(of account, s *balance, most, own bounding) (berth.Amounts, asking) {
	now := bounding(s.now)
	return c.l.firstNeed(of, s, look{within: s.bound(s.orObtainable(most)), beyond: s.bound(now)}, func(r *berth.Request, a allowance) bool {
		return len(a.need) > 0 && (!a.roomless || own.holds(a.need, s)) && !a.held && most.holds(a.need, s) && !now.holds(a.need, s) && c.l.couldEver(r, a.members, s)
	})
}

// could bounds what could be placed with all that others would lend, and with what comes back of loans.
func (c *blockChanges) could(of account, s *balance, back berth.Loans) bounding {
	could := make(berth.Amounts, len(s.state.dimensions))
	for _, d := range s.state.dimensions {
		could[d] = s.now(d) + c.obtainable(of, s, d, back)
	}
	return func(d berth.Dimension) int64 { return could[d] }
}

// obtainable is how much of a dimension an account could have beside what is free, up to its limit. Nothing where it
// is to give back itself.
func (c *blockChanges) obtainable(of account, s *balance, d berth.Dimension, back berth.Loans) int64 {
	q := c.tenant.Pools[of.pool]
	if _, guaranteed := q.Guaranteed[d]; !guaranteed || q.Allowed()[d] > s.state.limits[d] {
		return 0
	}
	more := c.l.loansIn(of.pool).others(of.tenant, d) + back.Of(d)
	return min(more, max(s.state.most[d]-s.state.limits[d]+s.state.below[d], 0))
}
