package daemon

import (
	"cmp"

	"github.com/berthd/berth"
)

// What asks for more of its tenant's quota in one piece than comes free at once would wait for ever where small requests
// of the same tenant take whatever comes free. So quota is gathered for one at a time: while it stands in the tenant's
// record, no daemon takes any for what comes after it in the tenant's order, nor places that, beyond what it does not
// need; and what is idle in the blocks of others goes back. What comes before it goes on as ever.
//
// Nothing is moved for it: what nobody has taken stays that, and is taken by its daemon when it is enough. The record
// decides, so all daemons see the same; who has not heard of it takes something once more.

// gathering is what the quota of an account is gathered for, and by whom.
type gathering struct {
	berth.Gathering
	by    berth.DaemonID
	holds func(berth.Dimension) int64 // how much its daemon has, and does not use
	later bool                        // it needs a loan, and it is another tenant's turn
	parts []gathering                 // what is left to several, in their order, and that is the sum of: see leftOf

	drained *drainedGroup // it is another daemon's, and here those wait that a drain moves; nil: none does, or who asks goes before them
}

// gatheringOf is the first that stands in an account's record, or nil.
func (l *loop) gatheringOf(of account, q *berth.Quota, b *builder) *gathering {
	g, by, stands := l.standing(q)
	one := l.drainedFirst(of)
	if one != nil {
		one = one.given()
	}
	if t := l.quotas.trying; t != nil && t.account == of {
		one, stands = t, false
	}
	switch {
	case one != nil && (!stands || by == l.d.opts.ID || one.Compare(&g) < 0): // the record is to tell it
		g, by, one = one.Gathering, l.d.opts.ID, nil
	case !stands:
		return nil
	}
	ref := blockRef{of.tenant, by}
	block, _ := l.view.block(ref)
	if b != nil {
		block = b.blockNow(ref)
	}
	has := block.Pools[of.pool]
	return &gathering{
		Gathering: g, by: by, drained: one, later: q.ForLoan(by) && l.loansIn(of.pool).first.ofAnother(of.tenant),
		holds: func(d berth.Dimension) int64 { return has.Block[d] - min(has.Used[d], has.Block[d]) },
	}
}

// standing is what stands first in a quota's record, and whose that is.
func (l *loop) standing(q *berth.Quota) (first berth.Gathering, by berth.DaemonID, stands bool) {
	return standingOf(q, func(d berth.DaemonID) bool { return d == l.d.opts.ID || l.peers.byID[d] != nil })
}

// standingOf is standing where those daemons are there.
func standingOf(q *berth.Quota, there func(berth.DaemonID) bool) (first berth.Gathering, by berth.DaemonID, stands bool) {
	for d, g := range q.Gathering {
		if !there(d) {
			continue // it is gone, and what waited there waits elsewhere
		}
		if !stands || cmp.Or(g.Compare(&first), cmp.Compare(d, by)) < 0 {
			first, by, stands = g, d, true
		}
	}
	return first, by, stands
}

// asking is who asks for room of a quota, as far as that says who goes first: a group whose members wait to be placed
// together, or a request. What follows a group that is placed already waits by itself, and so it asks.
type asking struct{ berth.Gathering }

func askedBy(w *waiting) asking {
	return asking{berth.Gathering{Priority: w.priority, Age: w.seq, Request: w.id}}
}

func askedByGroup(g *gang) asking {
	return asking{berth.Gathering{Group: g.id, Priority: g.priority, Age: g.seq}}
}

// askedByMembers is who asks where that is a group whose members wait.
func (l *loop) askedByMembers(id berth.GroupID, members []*waiting) asking {
	return asking{berth.Gathering{Group: id, Priority: members[0].priority, Age: l.view.whole[berth.KindGroup][groupKey(id)].Create}}
}

// placedFor is who has asked for what a plan places: of a group that the plan places, that group.
func (b *builder) placedFor(w *waiting) asking {
	a := askedBy(w)
	if m := w.request.Group; m != nil {
		if _, whole := b.groups[m.ID]; whole {
			a.Group, a.Request = m.ID, ""
		}
	}
	return a
}

// asked is placedFor as it is asked for each request: a group has been asked for all its members.
func (b *builder) asked(w *waiting) asking {
	a := b.placedFor(w)
	if a.Group != "" {
		a.Age = 1
		a.Priority = berth.MaxPriority
	}
	return a
}

// before says whether it goes before what quota is gathered for. What is being submitted is the last of its priority.
func (a asking) before(g *gathering) bool {
	if a.Age == 0 && a.Priority == g.Priority {
		return false
	}
	return a.Compare(&g.Gathering) < 0
}

// is says whether it is that.
func (a asking) is(g *berth.Gathering) bool {
	return a.Group == g.Group && a.Request == g.Request
}

// turnBeside is when one's turn comes beside what quota is gathered for.
type turnBeside int

const (
	goesFirst turnBeside = iota // or there is no such
	itsTurn                     // it is that
	comesAfter
)

// turnOf is when it is the turn of who asks.
func (s *balance) turnOf(a asking) turnBeside {
	switch {
	case s.gathers == nil:
		return goesFirst
	case a.is(&s.gathers.Gathering):
		return itsTurn
	case a.before(s.gathers):
		return goesFirst
	}
	return comesAfter
}

// of is the balance as it is for who asks.
func (s *balance) of(a asking) *balance {
	out := s.at(s.turnOf(a)).alone(a.Priority)
	if out.turn == comesAfter && len(s.gathers.parts) > 1 {
		out = out.leavesBefore(a)
	}
	if s.gathers == nil || s.gathers.drained == nil || !a.before(&gathering{Gathering: s.gathers.drained.Gathering}) {
		return out
	}
	first, beside := *out, *s.gathers
	beside.drained, first.gathers = nil, &beside
	return &first
}

// leavesBefore leaves what is left to several to those only that go before who asks.
func (s *balance) leavesBefore(a asking) *balance {
	out, those := *s, *s.gathers
	those.Need = make(berth.Amounts, len(s.gathers.Need))
	for i := range those.parts {
		if !a.before(&those.parts[i]) {
			addTo(those.Need, those.parts[i].Need)
		}
	}
	out.gathers = &those
	return &out
}

func (s *balance) at(t turnBeside) *balance {
	if t == s.turn {
		return s
	}
	out := *s
	out.turn = t
	return &out
}

// turns are the balances of all turns that there are, in their order.
func (s *balance) turns() []*balance {
	if s.gathers == nil {
		return []*balance{s}
	}
	return []*balance{s.at(goesFirst), s.at(itsTurn), s.at(comesAfter)}
}

// gathered is how much of a dimension is there for what quota is gathered for.
func (s *balance) gathered(d berth.Dimension) int64 {
	return max(s.left(d)+s.gathers.holds(d), 0)
}

// keeps is how much of a dimension those whose turn it is leave to what quota is gathered for.
func (s *balance) keeps(d berth.Dimension) int64 {
	if s.turn != comesAfter {
		return 0
	}
	return s.gathers.Need[d]
}

// drains is how much of a dimension is kept for those here that a drain moves, where what stands is another daemon's.
func (s *balance) drains(d berth.Dimension) int64 {
	if s.gathers == nil || s.gathers.drained == nil {
		return 0
	}
	return s.gathers.drained.Need[d]
}

// leaves is how much of what a daemon has taken, and does not use, may be placed by those whose turn it is.
func (s *balance) leaves(d berth.Dimension, rest int64) int64 {
	rest = max(rest-s.drains(d), min(rest, 0))
	need := s.keeps(d)
	if need == 0 {
		return rest
	}
	spare := s.gathered(d) - need
	switch {
	case s.gathers.by == s.daemon:
		return min(rest, spare)
	case spare < 0:
		return 0
	}
	return rest
}

// free is how much of a dimension they may take.
func (s *balance) free(d berth.Dimension) int64 {
	left, need := s.left(d), s.keeps(d)
	if drains := s.drains(d); drains > 0 {
		left = min(left, max(left+s.block.Block[d]-s.block.Used[d]-drains, 0))
	}
	if need == 0 {
		return left
	}
	spare := s.gathered(d) - need
	if s.gathers.by == s.daemon {
		spare -= s.room(d)
	}
	return min(left, max(spare, 0))
}

// holds says whether something of what is needed waits for what quota is gathered for.
func (s *balance) holds(need berth.Amounts) bool {
	for d, v := range need {
		if s.keeps(d) > 0 && s.limits(d) && v > s.takeable(d) {
			return true
		}
	}
	return false
}

// withGathered is what is kept of a block, with what its daemon has already of what quota is gathered for there. Of what
// needs a loan nothing: two tenants would each keep what the other needs.
func (s *balance) withGathered(keep berth.Amounts) berth.Amounts {
	var need berth.Amounts
	switch {
	case s.gathers == nil:
	case s.gathers.by == s.daemon && bounding(s.itsOwn).holds(s.gathers.Need, s):
		need = s.gathers.Need
	case s.gathers.drained != nil:
		need = s.gathers.drained.Need
	}
	if need == nil {
		return keep
	}
	next, more := make(berth.Amounts, len(s.state.dimensions)), false
	for _, d := range s.state.dimensions {
		if next[d] = keep[d]; s.quota.Borrowed.Of(d) == 0 { // else others may want it
			next[d] = max(keep[d], s.block.Used[d]+min(need[d], max(s.block.Block[d]-s.block.Used[d], 0)))
		}
		more = more || next[d] > keep[d]
	}
	if !more {
		return keep
	}
	return next
}

// leaveGathered gives back what is idle here of what quota is gathered for elsewhere, and is lacking there; but for what was
// taken for one that is to be placed yet.
func (c *blockChanges) leaveGathered(of account, s *balance) bool {
	if s.gathers == nil || s.gathers.by == s.daemon {
		return false
	}
	granted := c.withGranted(s)
	if s.state.roomless {
		granted = used(s.block, s.state.limits)
	}
	next := make(berth.Amounts, len(s.state.dimensions))
	for _, d := range s.state.dimensions {
		has, named := s.block.Block[d]
		if !named {
			has = s.block.Used[d]
		}
		if next[d] = has; s.gathers.Need[d] > s.gathered(d) {
			next[d] = min(has, max(granted[d], s.block.Used[d]+s.drains(d)))
		}
	}
	if next.IsZero() {
		next = used(s.block, s.state.limits)
	}
	return c.keep(of, s, next)
}

// gatheredOf is what an account's quota is gathered for now, in some dimensions of it, or nil.
func (l *loop) gatheredOf(of account, some func(berth.Dimension) bool) *berth.Gathered {
	st := l.quotas.of[of]
	if st == nil || st.limits == nil {
		return nil
	}
	s := l.balance(of, st, nil)
	if s.gathers == nil {
		return nil
	}
	return s.tellGathered(some)
}

// tellGathered is what quota is gathered for, in some dimensions of it, or nil.
func (s *balance) tellGathered(some func(berth.Dimension) bool) *berth.Gathered {
	out := &berth.Gathered{Group: s.gathers.Group, Request: s.gathers.Request, Since: s.gathers.Since, Need: make(berth.Amounts), Has: make(berth.Amounts)}
	for d, need := range s.gathers.Need {
		if some(d) && s.limits(d) {
			out.Need[d], out.Has[d] = need, min(s.gathered(d), need)
		}
	}
	if len(out.Need) == 0 {
		return nil
	}
	return out
}
