package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// A daemon has quota gathered for the first of an account that waits for it here, when that has waited for a while and
// would wait on: something that comes after it has got some meanwhile, or it asks for more than this daemon's even
// part. And for a group for which others make room, from then on, so they do not end for nothing; and for one that a drain moves, so it has again what it gives up. It stands until it is placed or gone, or could not be had any more. And where nothing more comes
// together for a time it lets others go first for as long: what it waits for may never come, be it an end or a worker. Each time
// it has twice as long, so what its tenant runs need not end soon.

// Where several wait for what never comes together, each for as long as it has would leave others nothing between them: so
// each lets others go first for once, twice, three times as long as it had.

// How long something waits before quota is gathered for it; and how long that goes on, at first and at most, without
// anything more; how many times as long others have at most; and of how many that wait behind higher priorities it is known since when.
const (
	gatherAfter = 10 * time.Second
	gatherFor   = time.Minute
	gatherMost  = time.Hour
	mostTurns   = 8
	mostBehind  = 64
)

// gatherer is what a daemon keeps of an account's gathering beside the record.
type gatherer struct {
	head   asking // the first that waits here
	need   berth.Amounts
	since  time.Time // it is that
	passed bool      // what comes after it has got some since, or would

	behind map[asked]displaced // that were the first before, and wait on behind what has come since

	loan     asking        // the first that waits here and that a loan would help, beside what its tenant uses
	loanNeed berth.Amounts // nil: none would now
	loanAt   time.Time     // it has waited for a while
	loanTill time.Time     // such waited when this was looked at last

	stands asking         // what is gathered for here
	lacks  berth.Amounts  // the least that it has lacked
	moved  time.Time      // that has become less, or nobody was kept from anything by it, or its turn has come
	later  bool           // it was another tenant's when this was looked at last
	anew   berth.Revision // what waits here for a loan has had its turn: it waits behind all that waited then
	lapsed map[asked]lapse

	drained asked // a drain moved it last
}

// displaced is what was the first that waits until something came that goes before it: such come and go, and each time it goes on with what it has waited.
type displaced struct {
	asking
	since  time.Time
	passed bool
}

// asked names what asks.
type asked struct {
	group   berth.GroupID
	request berth.RequestID
}

// lapse is that something let others go first.
type lapse struct {
	until time.Time
	next  time.Duration // that it has the next time
	times int           // that it did, without its turn having been another's

	passed bool // it was not for a loan alone that quota was gathered for it
}

func (a asking) name() asked {
	if a.Group != "" {
		return asked{group: a.Group}
	}
	return asked{request: a.Request}
}

// notePassed notes that something gets some of the quota that something else waits for, and comes after that.
func (st *quotaState) notePassed(a asking) {
	if head := &st.gather.head; head.Age > 0 && !a.is(&head.Gathering) && !a.before(&gathering{Gathering: head.Gathering}) {
		st.gather.passed = true
	}
}

// followGathering looks for what quota is to be gathered here, and how that goes on.
func (l *loop) followGathering(of account, b *builder) {
	st := l.quotas.of[of]
	if st == nil || st.limits == nil {
		return
	}
	s, g := l.balance(of, st, b), &st.gather
	l.watchGathering(of, &s, b.now)
	maps.DeleteFunc(g.lapsed, func(a asked, was lapse) bool {
		if b.now.Before(was.until) {
			l.timers.set(tenantKey(of.tenant), was.until)
		}
		return !l.waitsFor(a)
	})
	maps.DeleteFunc(g.behind, func(a asked, _ displaced) bool { return !l.waitsFor(a) })
	own, stands := s.quota.Gathering[l.d.opts.ID]
	if mine := (asking{own}); stands && !l.lacksOnlyRoom(g, mine) && l.waitsFor(mine.name()) && !g.lapsedAt(mine.name(), b.now) && l.fitsEverNow(mine, &s) {
		switch {
		case g.head.is(&own) && g.head.Age > 0, g.loan.is(&own):
		case g.head.Age > 0 && g.head.Compare(&own) < 0:
			g.steppedBack(displaced{mine, b.now.Add(-gatherAfter), true})
			stands = false
		default:
			delete(g.behind, mine.name())
			g.head, g.need, g.since, g.passed = mine, own.Need, b.now.Add(-gatherAfter), true
		}
	} else {
		delete(g.behind, mine.name())
		stands = false
	}
	reach := s.inReach(of)
	first, need := l.firstToGather(of, &s, look{within: s.bound(reach)}, b.now)
	room, its := l.gathersAtOnce(of, &s, b.now)
	if _, drained := l.quotas.drained[room.Group]; drained {
		g.drained = room.name()
	}
	if its != nil && (need == nil || room.Compare(&first.Gathering) < 0) {
		first, need = room, its
	}
	switch {
	case stands && (need == nil || g.head.Compare(&first.Gathering) < 0):
	case l.isTried(g.head, &s) && (need == nil || g.head.Compare(&first.Gathering) < 0): // it waits on, should something else be faster
	case need == nil:
		g.head = asking{}
	case !g.head.is(&first.Gathering) || g.head.Age == 0:
		if g.head.Age > 0 && first.Compare(&g.head.Gathering) < 0 {
			g.steppedBack(displaced{g.head, g.since, g.passed})
		}
		g.head, g.need, g.since, g.passed = first, need, b.now, false
		if was, again := g.behind[first.name()]; again {
			g.since, g.passed = was.since, was.passed
			delete(g.behind, first.name())
		}
		if was, again := g.lapsed[first.name()]; again && was.passed || its != nil && room.is(&first.Gathering) { // the others have had their time, or end for it
			g.since, g.passed = b.now.Add(-gatherAfter), true
		}
	default:
		g.head, g.need = first, need
	}
	if ends := g.since.Add(gatherAfter); g.head.Age > 0 && b.now.Before(ends) {
		l.timers.set(tenantKey(of.tenant), ends)
	}
	l.followLoan(of, &s, b.now)
}

// steppedBack notes what waits on behind something that goes before it.
func (g *gatherer) steppedBack(d displaced) {
	if _, known := g.behind[d.name()]; known || len(g.behind) >= mostBehind {
		return
	}
	if g.behind == nil {
		g.behind = make(map[asked]displaced)
	}
	g.behind[d.name()] = d
}

// lacksOnlyRoom says whether it was tried again that a drain has moved, and waits for a worker, for which nobody makes room, or can: that may never come.
func (l *loop) lacksOnlyRoom(g *gatherer, a asking) bool {
	if a.Group == "" || a.name() != g.drained {
		return false
	}
	_, drained := l.quotas.drained[a.Group]
	one := l.gangs.of[a.Group]
	return !drained && one != nil && !one.open() && one.class.over == 0 && !l.roomMayBeMade(one)
}

// gathersAtOnce is the first group of an account for which quota is gathered at once: others make room for it, or its own members give theirs up.
func (l *loop) gathersAtOnce(of account, s *balance, now time.Time) (first asking, need berth.Amounts) {
	first, need = l.makesRoom(of, s, now)
	if one := l.drainedFirst(of); one != nil && (need == nil || one.Compare(&first.Gathering) < 0) {
		return asking{berth.Gathering{Group: one.Group, Priority: one.Priority, Age: one.Age}}, one.Need
	}
	return first, need
}

// followLoan follows the first that waits here and that a loan would help, beside what its tenant uses. It may be another than the
// first of all, which may wait for an end of its own tenant's.
func (l *loop) followLoan(of account, s *balance, now time.Time) {
	g := &s.state.gather
	if len(s.quota.Guaranteed) == 0 {
		g.loan, g.loanNeed = asking{}, nil
		return
	}
	first, need := l.firstToGather(of, s, look{within: s.bound(l.byLoan(of, s)), beyond: s.bound(l.withoutLoan(of, s))}, now)
	if g.loanNeed != nil {
		g.loanTill = now
	}
	if g.loanNeed = need; need == nil {
		return // what has waited goes on waiting, should it be in reach again
	}
	waited := now.Sub(g.loanTill) < takesInARow // or for the moment in which something is placed by what has ended nothing does
	switch {
	case g.loan.is(&first.Gathering) && g.loan.Age > 0:
	case waited && l.borrowsLess(of, need): // one after the other has waited all the time; it comes behind all that wait now
		g.loanAt = latest(g.loanAt, now)
	default:
		g.loanAt = now.Add(gatherAfter)
	}
	g.loan = first
	if was, again := g.lapsed[first.name()]; again { // the others have had their time
		g.loanAt = was.until
	}
	if now.Before(g.loanAt) {
		l.timers.set(tenantKey(of.tenant), g.loanAt)
	}
}

// borrowsLess says whether an account would have borrowed no more than another has, by their weights, were it lent so much: then what
// follows what was placed by an end of its own tenant's need not wait for as long again. Of two that have as much each would else have
// the other give back what ends, for ever; and where there is an odd one, who has that now is who waits for it next.
func (l *loop) borrowsLess(of account, need berth.Amounts) bool {
	return l.borrowedPart(of, need, need) <= l.mostBorrowed(of, need)
}

// mostBorrowed is the largest part of some dimensions that another than an account has borrowed.
func (l *loop) mostBorrowed(of account, dimensions berth.Amounts) (part float64) {
	for t := range l.loansIn(of.pool).borrowers { // which of them decides nothing
		if t != of.tenant {
			part = max(part, l.borrowedPart(account{t, of.pool}, dimensions, nil))
		}
	}
	return part
}

// borrowedPart is how much an account has borrowed, and would with more, of what is guaranteed to all: the largest part of some
// dimensions, by its tenant's weight. Equal parts are the same number: it is rounded once.
func (l *loop) borrowedPart(of account, dimensions, more berth.Amounts) (part float64) {
	rec, _ := l.view.tenant(of.tenant)
	q, ever, weight := rec.Pools[of.pool], l.loansIn(of.pool).ever, float64(l.fair.shares.Weight(of.tenant))
	for d := range dimensions {
		if ever[d] > 0 {
			part = max(part, float64(q.Borrowed.Of(d)+more[d])/(float64(ever[d])*weight))
		}
	}
	return part
}

// byLoan bounds what could be placed of an account beside what it uses, with any loans of what is in reach.
func (l *loop) byLoan(of account, s *balance) bounding {
	_, most := l.ownRoom(of, s)
	reach, used := s.inReach(of), l.usedBy(of)
	return most.and(func(d berth.Dimension) int64 { return reach(d) - used[d] })
}

// withoutLoan bounds what could be placed of an account beside what it uses with what is guaranteed to it, or with the loans that it has, be it that they
// go back for another's turn. What that has room for lacks no loan when it is its turn (see lacksLoans): it would come and go for ever.
func (l *loop) withoutLoan(of account, s *balance) bounding {
	own, _ := l.ownRoom(of, s)
	allowed, used := s.quota.AllowedWithout(l.recalledFrom(of, &s.quota)), l.usedBy(of)
	return func(d berth.Dimension) int64 { return max(own(d), allowed[d]-used[d]) }
}

// isTried says whether something waits here that its quota has room for now: it is tried, or is to be.
func (l *loop) isTried(a asking, s *balance) bool {
	if a.Group != "" {
		g := l.gangs.of[a.Group]
		return g != nil && (g.open() || g.class.over > 0 && l.allowsGang(g, s).verdict == nil)
	}
	c := l.queue.of[a.Request]
	return c != nil && (c.verdict == nil || c.over != nil && l.allowsOne(c.ids[a.Request], s).verdict == nil)
}

// waitsFor says whether something waits that this daemon plans.
func (l *loop) waitsFor(a asked) bool {
	if a.group != "" {
		g, _ := l.view.group(a.group)
		members := l.inGroup(a.group)
		if g == nil || g.State != berth.GroupPending || len(members) == 0 {
			return false
		}
		sub, _ := l.view.submission(members[0])
		return sub != nil && l.share.ofGroup(&sub.Spec) == l.d.opts.ID
	}
	sub, _ := l.view.submission(a.request)
	if sub == nil || l.share.ofRequest(&sub.Spec, sub.Planner) != l.d.opts.ID {
		return false
	}
	if m := sub.Spec.Group; m != nil {
		if g, _ := l.view.group(m.ID); g == nil || g.State != berth.GroupPlaced {
			return false // it waits with the others, if at all
		}
	}
	prog, _ := l.view.progress(a.request)
	return prog == nil || prog.State == berth.StatePending
}

// atMost is how much of a dimension could come together for an account, with any loans: up to its limit, and what is
// guaranteed to all.
func (s *balance) atMost(d berth.Dimension) int64 {
	own := s.itsOwn(d)
	if _, guaranteed := s.quota.Guaranteed[d]; guaranteed {
		return max(own, min(s.state.most[d], s.loans.ever[d]))
	}
	return own
}

// inReach is atMost without what others use themselves of what is guaranteed to them: for that, nobody is kept
// from anything. What has been begun goes on should they use more.
func (s *balance) inReach(of account) bounding {
	return func(d berth.Dimension) int64 {
		own := s.itsOwn(d)
		if g, guaranteed := s.quota.Guaranteed[d]; guaranteed {
			return max(own, min(s.state.most[d], g+s.loans.unusedBeside(of.tenant, d)))
		}
		return own
	}
}

// itsOwn is how much of a dimension an account may use without any more loans, were all back that it has lent.
func (s *balance) itsOwn(d berth.Dimension) int64 {
	return max(s.state.limits[d], s.quota.Guaranteed[d])
}

// lent is how much of a dimension others would lend to an account now: nothing where it is to give back itself.
func (s *balance) lent(d berth.Dimension) int64 {
	if _, guaranteed := s.quota.Guaranteed[d]; !guaranteed || s.quota.Allowed()[d] > s.state.limits[d] {
		return 0
	}
	return min(s.loans.others(s.tenant, d), max(s.state.most[d]-s.state.limits[d], 0))
}

// firstToGather is the first that waits here for its quota which that could be gathered for, of those that a look finds, and what it
// needs; nil: nothing is.
func (l *loop) firstToGather(of account, s *balance, at look, now time.Time) (first asking, need berth.Amounts) {
	helps := func(r *berth.Request, a allowance, as asking) bool {
		return len(a.need) > 0 && bounding(at.within).holds(a.need, s) && (at.beyond == nil || !bounding(at.beyond).holds(a.need, s)) && !s.state.gather.lapsedAt(as.name(), now) && l.couldEver(r, a.members, s)
	}
	c := l.queue.firstOver(of, at, func(w *waiting) bool { return helps(w.request, l.allowsOne(w, s), askedBy(w)) })
	if c != nil {
		first, need = askedBy(c.members[0]), l.allowsOne(c.members[0], s).need
	}
	g, ok := l.gangs.over.first(of, at, func(c *gangClass) bool {
		return helps(c.members[0].request, l.allowsGang(c.members[0], s), askedByGroup(c.members[0]))
	})
	if ok {
		if one := askedByGroup(g.members[0]); need == nil || one.Compare(&first.Gathering) < 0 {
			first, need = one, l.allowsGang(g.members[0], s).need
		}
	}
	return first, need
}

func (g *gatherer) lapsedAt(a asked, now time.Time) bool { return now.Before(g.lapsed[a].until) }

// watchGathering has what is gathered for here let others go first when nothing more has come together for long.
func (l *loop) watchGathering(of account, s *balance, now time.Time) {
	g := &s.state.gather
	if s.gathers == nil || s.gathers.by != l.d.opts.ID {
		g.stands = asking{}
		return
	}
	if mine := (asking{s.gathers.Gathering}); g.stands.Age == 0 || !g.stands.is(&mine.Gathering) {
		g.stands, g.lacks, g.moved = mine, nil, now
	}
	room, its := l.gathersAtOnce(of, s, now)
	if g.comesTogether(of, s) || its != nil && room.is(&s.gathers.Gathering) || g.later && !s.gathers.later {
		g.moved = now
	}
	g.later = s.gathers.later
	name := g.stands.name()
	has := max(g.lapsed[name].next, gatherFor)
	if g.later { // it lets others of its own tenant go first in vain: shortly, for its turn may come
		has = gatherFor
	}
	if ends := g.moved.Add(has); now.Before(ends) {
		l.timers.set(tenantKey(of.tenant), ends)
		return
	}
	if g.lapsed == nil {
		g.lapsed = make(map[asked]lapse, 1)
	}
	next, times := min(2*has, gatherMost), g.lapsed[name].times+1
	if g.later {
		next, times = g.lapsed[name].next, max(times-1, 1)
	} else if s.quota.ForLoan(l.d.opts.ID) {
		g.anew = l.view.revision
	}
	g.lapsed[name] = lapse{until: now.Add(has * time.Duration(min(times, mostTurns))), next: next, times: times, passed: g.passed && g.head.Age > 0 && g.head.is(&g.stands.Gathering) || g.behind[name].passed}
}

// comesTogether says whether less is lacking than ever, with what others would lend; or nobody is kept from anything.
func (g *gatherer) comesTogether(of account, s *balance) bool {
	less, keeps := g.lacks == nil, false
	lacks := make(berth.Amounts, len(s.gathers.Need))
	for d, need := range s.gathers.Need {
		_, guaranteed := s.quota.Guaranteed[d] // then others are kept from loans
		keeps = keeps || guaranteed || s.gathered(d) > 0 && need > 0
		lacks[d] = max(need-s.gathered(d)-s.lent(d), 0)
		if !less {
			less = lacks[d] < g.lacks[d]
		}
	}
	if less {
		for d, v := range g.lacks {
			lacks[d] = min(lacks[d], v)
		}
		g.lacks = lacks
	}
	return less || !keeps
}

// gather says in the record for what this daemon has quota gathered, or for nothing.
func (c *blockChanges) gather(of account, s *balance, b *builder) {
	q, self := c.tenant.Pools[of.pool], c.l.d.opts.ID
	now, there := q.Gathering[self]
	next, gathers := c.toGather(of, s, b.now)
	gone := slices.ContainsFunc(slices.Collect(maps.Keys(q.Gathering)), func(d berth.DaemonID) bool { return c.isGone(d) })
	if there == gathers && (!gathers || sameGathering(&now, &next)) && (!gone || !c.l.mayAct(tenantKey(c.id), c.l.share.ofTask(string(c.id)))) {
		return
	}
	all := maps.Clone(q.Gathering)
	for _, d := range slices.Sorted(maps.Keys(all)) {
		if c.isGone(d) {
			delete(all, d)
			c.after = append(c.after, func(time.Time) { b.guard(berth.Guard{Key: daemonKey(d)}) })
		}
	}
	delete(all, self)
	if gathers {
		if all == nil {
			all = make(map[berth.DaemonID]berth.Gathering, 1)
		}
		all[self] = next
	}
	if q.Gathering = all; len(all) == 0 {
		q.Gathering = nil
	}
	c.set(of.pool, q)
}

func (c *blockChanges) isGone(d berth.DaemonID) bool {
	return d != c.l.d.opts.ID && c.l.peers.byID[d] == nil
}

func sameGathering(a, b *berth.Gathering) bool {
	return a.Compare(b) == 0 && a.Need.Equal(b.Need) && a.Since.Equal(b.Since)
}

// toGather is what this daemon is to have quota gathered for. s is nil where nothing is limited.
func (c *blockChanges) toGather(of account, s *balance, now time.Time) (next berth.Gathering, ok bool) {
	if s == nil || s.state.limits == nil {
		return next, false
	}
	g := &s.state.gather
	if g.head.Age > 0 && !now.Before(g.since.Add(gatherAfter)) {
		g.passed = g.passed || c.beyondEven(of, s, g.need) || s.gathers != nil && s.turnOf(g.head) == goesFirst
		if g.passed {
			next, ok = c.toGatherFor(of, s, g.head, g.need, now.UTC())
		}
	}
	if own := (asking{s.quota.Gathering[c.l.d.opts.ID]}); !ok { // what goes before it now takes what it needs first, anyway
		if _, behind := g.behind[own.name()]; behind {
			next, ok = c.toGatherFor(of, s, own, own.Need, own.Since)
		}
	}
	if !ok && len(g.loanNeed) > 0 && !now.Before(g.loanAt) && c.mayBeFirst(of, s) {
		next, ok = c.toGatherFor(of, s, g.loan, g.loanNeed, g.loanAt.UTC())
	}
	return next, ok
}

// toGatherFor is what stands for something, as before or since then.
func (c *blockChanges) toGatherFor(of account, s *balance, a asking, need berth.Amounts, since time.Time) (next berth.Gathering, ok bool) {
	if own := s.quota.Gathering[c.l.d.opts.ID]; own.Age > 0 && a.is(&own) {
		own.Priority, own.Age = a.Priority, a.Age
		if one := c.l.drainedFirst(of); one != nil && one.is(&own) || len(need) > 0 && bounding(func(d berth.Dimension) int64 { return own.Need[d] }).holds(need, s) {
			own.Need = need // another group is drained with it, or not any more
		}
		return own, bounding(s.atMost).holds(own.Need, s)
	}
	if !s.inReach(of).holds(need, s) {
		return next, false
	}
	next = a.Gathering
	next.Need, next.Since = need, since
	return next, true
}

// beyondEven says whether something asks for more than an even part of what is allowed: of less, this daemon gets its part.
func (c *blockChanges) beyondEven(of account, s *balance, need berth.Amounts) bool {
	among := int64(len(c.l.share.planners[of.pool]))
	for d, v := range need {
		if among > 1 && s.limits(d) && v > s.state.limits[d]/among {
			return true
		}
	}
	return false
}
