package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// allowsGang judges the members of a group that its quota had no room for.
func (l *loop) allowsGang(g *gang, s *balance) allowance {
	s = s.of(askedByGroup(g))
	a := s.judgeMembers(g.request, g.class.over)
	a.allOf(g.class.extra, s)
	a.members, a.turn, a.held, a.roomless = g.need, s.turn, s.holds(a.need), g.class.roomless
	return a
}

// allowGroup are those members of a group, the first ones, that its tenant's quota allows together. Not ok: it waits.
func (l *loop) allowGroup(g *gang, rec *berth.Group, members []*waiting, b *builder) (allowed []*waiting, ok bool) {
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
	a := s.judgeMembers(g.request, all)
	if a.verdict == nil {
		return members, true
	}
	least := min(l.needs(g.id, rec), all)
	whole := len(a.need) > 0 && everFits(a.need, st.limits) && s.allFree(a.need) // else its quota is not known now
	fit := l.mostAllowed(g.request, all, s)
	if !whole && fit >= least {
		return members[:fit], true
	}
	over := least
	if whole {
		over = all
	}
	v := s.judgeMembers(g.request, over).verdict
	s.tellMix(v, g.request, over, l.fitting(g.request))
	l.blockOver(g, v, b, over, nil)
	return nil, false
}

// mostAllowed is how many of n members there is room for.
func (l *loop) mostAllowed(r *berth.Request, n int64, s *balance) int64 {
	return mostUpTo(0, n, func(n int64) bool { return s.judgeMembers(r, n).verdict == nil })
}

// mostUpTo is the largest number up to high that is accepted, where all below one that is are, too, down to low.
func mostUpTo(low, high int64, accept func(int64) bool) int64 {
	for low < high {
		mid := (low + high + 1) / 2
		if accept(mid) {
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
		if need[d] > s.takeable(d) {
			return false
		}
	}
	return true
}

// blockOver lets a group wait for its quota, which had no room for so many members, or for what
// they would have got.
func (l *loop) blockOver(g *gang, v *berth.Verdict, b *builder, over int64, extra berth.Amounts) {
	v.At = l.view.revision
	l.gangs.blockOver(g, v, b.now, over, extra)
	g.class.roomless = l.isRoomless(g, b.now)
	l.timers.set(triesKey, g.class.tryAt) // it may be woken before
	l.due.add(tenantKey(g.request.Tenant))
	for _, m := range l.inGroup(g.id) {
		l.touched(m)
	}
}

// isRoomless says whether a group would have no room now, whatever its quota: what it would borrow goes back unused then, and is borrowed again,
// for ever. It is tried again when a worker has more to give.
func (l *loop) isRoomless(g *gang, now time.Time) bool {
	rec, _ := l.view.group(g.id)
	members, _, ok := l.readyMembers(g.id, now)
	return rec != nil && ok && l.lacksRoom(l.gangOf(g.id, rec, members)) != nil
}

// lacksRoom is why a group would have no room now, whatever its quota, or nil.
func (l *loop) lacksRoom(ask scheduler.Gang) *berth.Verdict {
	for i := range ask.Members {
		ask.Members[i].Again = true // nobody asks for it
	}
	d := l.fleet.PlaceGang(ask)
	l.fleet.Undo(d)
	return d.Verdict
}

// tellRoomBeyond adds to why a group waits, where that is its quota, what it would wait for if that had room for it: unless others would make
// room then. Also where its whole quota never has: a larger one alone would not help.
func (l *loop) tellRoomBeyond(id berth.GroupID, v *berth.Verdict) *berth.Verdict {
	now := l.now()
	rec, _ := l.view.group(id)
	members, _, ok := l.readyMembers(id, now)
	if rec == nil || !ok || !isQuota(v) {
		return v
	}
	short := l.lacksRoom(l.gangOf(id, rec, members))
	switch {
	case short == nil:
		return v
	case members[0].request.Preemption == berth.PreemptionLower && l.groupPreempts(&gang{id: id}):
		if room := l.roomSearch(id, rec, members, now); room.most(l.patienceOf(members[0], now), members[0].priority) >= room.need {
			return v
		}
	}
	return withRoom(v, short)
}

// withRoom is why a group waits, where that is its quota, and what it would wait for if that had room for it. Where its whole quota never
// has, the group's reason tells whether the workers could take it, were they empty: the verdict does not.
func withRoom(v, room *berth.Verdict) *berth.Verdict {
	told := *v // it is the group's class's as well
	told.Reasons = slices.Concat(v.Reasons, room.Reasons)
	if rest := told.Reasons[len(v.Reasons):]; v.NeverFits && !room.NeverFits && len(rest) > 0 && rest[0].Code == berth.ReasonGroup {
		rest[0].Ever = rest[0].Want
	}
	return &told
}

// blockForAmounts lets a group wait for what it would get of its quota, which has less.
func (l *loop) blockForAmounts(g *gang, d *scheduler.GangDecision, needs berth.Amounts, b *builder) {
	s := l.balance(accountOf(g.request), l.limited(g.request), b)
	a := allowance{request: g.request}
	a.over(needs, s.of(askedByGroup(g)))
	s.state.refuse(needs)
	l.blockOver(g, a.verdict, b, int64(len(d.Placed)), needs)
}

// groupOverQuota is why a group has to wait for its tenant's quota, or nil.
func (l *loop) groupOverQuota(id berth.GroupID, rec *berth.Group, members []*waiting) *berth.Verdict {
	r := members[0].request
	st := l.limited(r)
	if st == nil {
		return nil
	}
	a := l.balanceOfGroup(id, st, members).judgeMembers(r, min(l.needs(id, rec), int64(len(members))))
	if a.verdict == nil || !slices.ContainsFunc(a.verdict.Reasons, lacking) {
		return nil
	}
	a.verdict.At = l.view.revision
	return a.verdict
}

// balanceOfGroup is the balance by which a group's daemon judges it.
func (l *loop) balanceOfGroup(id berth.GroupID, st *quotaState, members []*waiting) *balance {
	r := members[0].request
	s := l.balanceBy(accountOf(r), st, l.share.ofGroup(r))
	return s.of(l.askedByMembers(id, members))
}

// leftNow is why a group waits, by its class; where that is its quota, with how much of it is left now, and who is to give some back: it is told with what is used
// now, and the class is judged again only when more may be left.
func (l *loop) leftNow(g *gang) *berth.Verdict {
	v, st := g.class.verdict, l.limited(g.request)
	if !isQuota(v) || st == nil || st.limits == nil || v.At >= l.view.revision {
		return v
	}
	of := l.balanceBy(accountOf(g.request), st, l.share.ofGroup(g.request))
	s, out := of.of(askedByGroup(g)), *v
	out.At, out.Reasons = l.view.revision, slices.Clone(v.Reasons)
	for i := range out.Reasons {
		if r := &out.Reasons[i]; r.Code == berth.ReasonQuota && r.Want > 0 {
			d := berth.Dimension(r.Detail)
			r.Total = st.most[d]
			r.Best = min(s.takeable(d), r.Total)
			r.Tenants = s.quota.Recalled.TenantsOf(d)
		}
	}
	return &out
}

// lacking says whether what a reason is of is not there, not even to be taken.
func lacking(r berth.Reason) bool { return r.Want > r.Best || r.Want == 0 }
