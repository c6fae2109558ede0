package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// allowsGang judges the members of a group that its quota had no room for.
func (l *loop) allowsGang(g *gang, s *balance) allowance {
	s = s.of(askedByGroup(g))
	a := s.judge(g.request, g.class.over)
	if a.verdict == nil && !s.fits(g.class.extra) {
		a.over(g.class.extra, s)
	}
	a.turn, a.held = s.turn, s.holds(a.need)
	return a
}

// allowGroup are the members of a group that its tenant's quota has room for: all, where
// there is room or could be, or as many as must be placed, at least. Not ok: it waits.
func (l *loop) allowGroup(g *gang, rec *berth.Group, members []*waiting, b *builder) (some []*waiting, ok bool) {
	st := l.limited(g.request)
	if st == nil {
		return members, true
	}
	if l.flights.blocks[blockRef{g.request.Tenant, l.d.opts.ID}] != nil {
		l.gangs.holdOff = true
		return nil, false
	}
	of := l.balance(accountOf(g.request), st, b)
	s := of.of(askedByGroup(g))
	all := int64(len(members))
	a := s.judge(g.request, all)
	if a.verdict != nil {
		least := min(l.needs(g.id, rec), all)
		whole := everFits(a.need, st.limits) && s.allFree(a.need)
		fit := l.mostAllowed(g.request, all, s)
		if whole || fit < least {
			over := least
			if whole {
				over = all
			}
			l.blockOver(g, s.judge(g.request, over).verdict, b, over, nil)
			return nil, false
		}
		a, members = s.judge(g.request, fit), members[:fit]
	}
	return l.restricted(members, a.request), true
}

// waitsForMore says whether a group waits for its quota to have room for more members than must be placed together.
func (l *loop) waitsForMore(g *gang) bool {
	rec, _ := l.view.group(g.id)
	return rec != nil && len(g.class.extra) == 0 && g.class.over > l.needs(g.id, rec)
}

// mostAllowed is how many of n equal requests there is room for.
func (l *loop) mostAllowed(r *berth.Request, n int64, s *balance) int64 {
	low, high := int64(0), n
	for low < high {
		mid := (low + high + 1) / 2
		if s.judge(r, mid).verdict == nil {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

// allFree says whether all that is needed could be taken now.
func (s *balance) allFree(need berth.Amounts) bool {
	for _, d := range s.state.dimensions {
		if v := need[d]; v > s.room(d)+s.free(d) {
			return false
		}
	}
	return true
}

// restricted are members that ask for those types of devices that they may have.
func (l *loop) restricted(members []*waiting, as *berth.Request) []*waiting {
	if len(members) == 0 || len(as.Resources.Devices) == 0 {
		return members
	}
	out := make([]*waiting, len(members))
	for i, m := range members {
		one := *m
		r := *m.request
		r.Resources.Devices = as.Resources.Devices
		one.request = &r
		out[i] = &one
	}
	return out
}

// blockOver lets a group wait for its quota, which had no room for so many members, or for what
// they would have got.
func (l *loop) blockOver(g *gang, v *berth.Verdict, b *builder, over int64, extra berth.Amounts) {
	v.At = l.view.revision
	l.gangs.blockOver(g, v, b.now, over, extra)
	l.timers.set(triesKey, g.class.tryAt) // it may be woken before
	l.due.add(tenantKey(g.request.Tenant))
	for _, m := range l.inGroup(g.id) {
		l.touched(m)
	}
}

// groupExceeds says whether what a group would get is more than its quota has room for: of
// members that name no types of devices, that is known only then. It waits in that case.
func (l *loop) groupExceeds(g *gang, d scheduler.GangDecision, b *builder) bool {
	st := l.limited(g.request)
	if st == nil {
		return false
	}
	var sum berth.Amounts
	for _, one := range d.Placed {
		next, err := sum.Plus(berth.AmountsOf(&one.Share, &l.fleet.Worker(one.Worker).Ledger.Capacity))
		if err != nil {
			return true
		}
		sum = next
	}
	of := l.balance(accountOf(g.request), st, b)
	s := of.of(askedByGroup(g))
	if s.fits(sum) {
		return false
	}
	a := allowance{request: g.request}
	a.over(sum, s)
	l.blockOver(g, a.verdict, b, int64(len(d.Placed)), sum)
	return true
}

// groupOverQuota is why a group has to wait for its tenant's quota, or nil.
func (l *loop) groupOverQuota(id berth.GroupID, rec *berth.Group, members []*waiting) *berth.Verdict {
	r := members[0].request
	st := l.limited(r)
	if st == nil {
		return nil
	}
	s := l.balance(accountOf(r), st, nil)
	if by := l.share.ofGroup(r); by != l.d.opts.ID {
		own, _ := l.view.block(blockRef{r.Tenant, by})
		s.daemon, s.block, s.among = by, own.Pools[r.Pool], 0
	}
	a := s.of(l.askedByMembers(id, members)).judge(r, min(l.needs(id, rec), int64(len(members))))
	if a.verdict == nil || !slices.ContainsFunc(a.verdict.Reasons, lacking) {
		return nil
	}
	a.verdict.At = l.view.revision
	return a.verdict
}

// lacking says whether what a reason is of is not there, not even to be taken.
func lacking(r berth.Reason) bool { return r.Want > r.Best || r.Want == 0 }
