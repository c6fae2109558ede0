package daemon

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// Tenants that wait in vain for more than they may use take turns: who has waited since the lowest
// revision is lent what others who wait would lend, and lends nothing itself. Whose turn it is stands in
// the tenants' records (waits), so all daemons see it alike, and nobody gives and takes for
// ever: a turn changes only when something is lent, comes or goes. Who has been lent something waits anew,
// behind all that wait then: so each has its turn when every other had one at most for each of its daemons.
//
// Who has its turn keeps its own part, and no more: what others lend is borrowed at once or not at all, and
// taken by the same transaction. So nobody holds what another waits for while it waits itself.

// loanTurn is when a tenant has its turn: since is 0 where nothing of it waits for a loan.
type loanTurn struct {
	since  berth.Revision
	tenant berth.TenantID
}

// before is a total order of those that wait; they all come before those that do not.
func (t loanTurn) before(o loanTurn) bool {
	if t.since == 0 || o.since == 0 {
		return t.since > 0
	}
	return t.compare(o) < 0
}

// compare orders those that wait.
func (t loanTurn) compare(o loanTurn) int {
	return cmp.Or(cmp.Compare(t.since, o.since), cmp.Compare(t.tenant, o.tenant))
}

// loanTurn is that of an account by its record, and whether something of it waits for what is guaranteed to it.
func (l *loop) loanTurn(of account) (t loanTurn, own bool) {
	t.tenant = of.tenant
	rec, _ := l.view.tenant(of.tenant)
	for d, w := range rec.Pools[of.pool].Waits {
		if d != l.d.opts.ID && l.peers.byID[d] == nil {
			continue // it is gone, and what waited there waits elsewhere
		}
		own = own || w.Own
		if t.since == 0 || w.Since < t.since {
			t.since = w.Since
		}
	}
	return t, own
}

// inTurn are tenants in the order of their turns, in whichever pool that comes first: so who has waited for longest is lent first what
// becomes idle for several of this daemon's.
func (l *loop) inTurn(tenants map[berth.TenantID]struct{}) []berth.TenantID {
	turns := make([]loanTurn, 0, len(tenants))
	for t := range tenants {
		first := loanTurn{tenant: t}
		for p := range l.quotas.pools[t] { // in which order decides nothing
			if turn, _ := l.loanTurn(account{t, p}); turn.before(first) {
				first = turn
			}
		}
		turns = append(turns, first)
	}
	slices.SortFunc(turns, func(a, b loanTurn) int {
		return cmp.Or(cmp.Compare(order(a.since > 0), order(b.since > 0)), a.compare(b))
	})
	out := make([]berth.TenantID, len(turns))
	for i := range turns {
		out[i] = turns[i].tenant
	}
	return out
}

// order puts what is so first.
func order(is bool) int {
	if is {
		return 0
	}
	return 1
}

// yieldsTo says whether an account lends to another what both could use, or lets it keep what it has lent.
func (l *loop) yieldsTo(of, other account) bool {
	mine, _ := l.loanTurn(of)
	theirs, _ := l.loanTurn(other)
	return !mine.before(theirs)
}

// loanStatus is what is known of who could lend, and who waits for that, in one pool: as of the last look
// at each.
type loanStatus struct {
	idle       map[berth.TenantID]berth.Amounts // that could be lent
	turns      map[berth.TenantID]loanTurn      // of those that wait
	marks      map[berth.TenantID]loanTurn      // of what waits here for a loan
	gatherers  map[berth.TenantID]gatherTurn    // of what waits for a loan, and quota is gathered for it
	first      firstTurn                        // of those
	borrowers  map[berth.TenantID]struct{}      // who have borrowed something
	spare      map[berth.TenantID]struct{}      // of these, who do not use it: they give it back when others wait
	waits      map[berth.TenantID]struct{}      // who are looked at again when more can be lent
	rests      map[berth.TenantID]struct{}      // of whom something idle is kept here for a while: they are looked at again when turns change
	guaranteed map[berth.TenantID]berth.Amounts
	unused     map[berth.TenantID]berth.Amounts // of that, by them: it is idle, or lent
	allUnused  berth.Amounts                    // by all of them
	ever       berth.Amounts                    // all that is guaranteed: more than that nobody can have
	everOn     map[string][]berth.WorkerID      // see fitsEver

	sums *loanSums // of idle; nil: to be summed up
}

// loanSums are what tenants could be lent by others: by those who do not wait, or, if they wait themselves, by
// those behind them too.
type loanSums struct {
	rest    berth.Amounts
	ahead   map[berth.TenantID]berth.Amounts
	lenders []berth.TenantID // sorted
	first   loanTurn
}

func (l *loop) loansIn(p berth.PoolID) *loanStatus {
	s := l.quotas.loans[p]
	if s == nil {
		s = &loanStatus{
			idle: make(map[berth.TenantID]berth.Amounts), turns: make(map[berth.TenantID]loanTurn),
			marks: make(map[berth.TenantID]loanTurn), gatherers: make(map[berth.TenantID]gatherTurn), borrowers: make(map[berth.TenantID]struct{}), spare: make(map[berth.TenantID]struct{}),
			waits: make(map[berth.TenantID]struct{}), rests: make(map[berth.TenantID]struct{}), guaranteed: make(map[berth.TenantID]berth.Amounts), unused: make(map[berth.TenantID]berth.Amounts), allUnused: make(berth.Amounts), ever: make(berth.Amounts), everOn: make(map[string][]berth.WorkerID),
		}
		l.quotas.loans[p] = s
	}
	return s
}

// summed are the sums as of now: reckoned once, however many ask until something changes.
func (s *loanStatus) summed() *loanSums {
	if s.sums != nil {
		return s.sums
	}
	sums := &loanSums{rest: make(berth.Amounts), ahead: make(map[berth.TenantID]berth.Amounts, len(s.turns)), lenders: slices.Sorted(maps.Keys(s.idle))}
	for t, idle := range s.idle {
		if _, waits := s.turns[t]; !waits {
			addTo(sums.rest, idle)
		}
	}
	line := slices.SortedFunc(maps.Values(s.turns), loanTurn.compare)
	behind := maps.Clone(sums.rest)
	for _, t := range slices.Backward(line) {
		sums.ahead[t.tenant] = maps.Clone(behind)
		addTo(behind, s.idle[t.tenant])
	}
	if len(line) > 0 {
		sums.first = line[0]
	}
	s.sums = sums
	return sums
}

func addTo(sum, more berth.Amounts) {
	for d, v := range more {
		sum[d] += v
	}
}

// others is how much of a dimension others would lend to a tenant for what waits here: not what is kept for the first
// turn of another's, unless it has waited for longer than that.
func (s *loanStatus) others(t berth.TenantID, d berth.Dimension) int64 {
	sums := s.summed()
	ahead, waits := sums.ahead[t]
	out := ahead[d]
	if !waits {
		out = sums.rest[d] - s.idle[t][d]
	}
	first, kept := s.first.turn.tenant, s.first.lacks[d]
	if kept == 0 || !s.first.ofAnother(t) || s.marks[t].before(s.first.turn.waits) {
		return out
	}
	rest := max(sums.ahead[first][d]-kept, 0)
	if waits && s.turns[t].before(s.turns[first]) { // by what waits with another daemon: those between lend to it as well
		rest += out - sums.ahead[first][d] - s.idle[first][d]
	}
	return min(out, rest)
}

// unusedBeside is how much of a dimension is guaranteed to others than a tenant, and not used by them.
func (s *loanStatus) unusedBeside(t berth.TenantID, d berth.Dimension) int64 {
	return s.allUnused[d] - s.unused[t][d]
}

// noteUnused notes how much of what is guaranteed to a tenant it does not use.
func (s *loanStatus) noteUnused(t berth.TenantID, g, used berth.Amounts) {
	for d, v := range s.unused[t] {
		s.allUnused[d] -= v
	}
	delete(s.unused, t)
	if len(g) == 0 {
		return
	}
	now := make(berth.Amounts, len(g))
	for d, v := range g {
		if rest := v - used[d]; rest > 0 {
			now[d] = rest
		}
	}
	s.unused[t] = now
	addTo(s.allUnused, now)
}

// firstBefore says whether another waits for a loan, and its turn comes before a tenant's.
func (s *loanStatus) firstBefore(t berth.TenantID) bool {
	first := s.summed().first
	return first.tenant != t && first.before(s.turns[t])
}

// wake has those looked at who wait for what others lend.
func (s *loanStatus) wake(l *loop) {
	for _, t := range slices.Sorted(maps.Keys(s.waits)) {
		l.due.add(tenantKey(t))
	}
	clear(s.waits)
}

// forget takes out a tenant that is not limited any more.
func (s *loanStatus) forget(t berth.TenantID) {
	s.promise(t, nil)
	delete(s.idle, t)
	s.noteUnused(t, nil, nil)
	delete(s.turns, t)
	delete(s.marks, t)
	delete(s.gatherers, t)
	delete(s.borrowers, t)
	delete(s.spare, t)
	delete(s.waits, t)
	delete(s.rests, t)
	s.sums = nil
}

// promise notes what is guaranteed to a tenant, and says whether all have more than they had.
func (s *loanStatus) promise(t berth.TenantID, g berth.Amounts) (more bool) {
	was := s.guaranteed[t]
	if was.Equal(g) {
		return false
	}
	for d, v := range was {
		s.ever[d] -= v
	}
	addTo(s.ever, g)
	if s.guaranteed[t] = g; len(g) == 0 {
		delete(s.guaranteed, t)
	}
	for d, v := range g {
		more = more || v > was[d]
	}
	return more
}

// noteLoans notes how an account stands among those that lend and borrow. Those who wait are looked at again when
// that may help one of them, and those who have borrowed and do not use it when another comes who waits.
func (l *loop) noteLoans(of account) {
	l.noteStand(of)
	l.noteFirst(of.pool)
}

// noteStand is that for the account alone.
func (l *loop) noteStand(of account) {
	s, t := l.loansIn(of.pool), of.tenant
	rec, _ := l.view.tenant(t)
	q := rec.Pools[of.pool]
	was, now := s.idle[t], l.lendable(of)
	turn, _ := l.loanTurn(of)
	before, known := s.turns[t]
	if !known {
		before.tenant = t
	}
	if delete(s.marks, t); q.ForLoan(l.d.opts.ID) {
		s.marks[t] = loanTurn{q.Waits[l.d.opts.ID].Since, t}
	}
	if g, by, stands := l.standing(&q); stands && q.ForLoan(by) {
		s.gatherers[t] = gatherTurn{since: g.Since, tenant: t, waits: loanTurn{q.Waits[by].Since, t}}
	} else {
		delete(s.gatherers, t)
	}
	if delete(s.borrowers, t); len(q.Borrowed) > 0 {
		s.borrowers[t] = struct{}{}
	}
	if delete(s.spare, t); l.spares(of, &q) {
		s.spare[t] = struct{}{}
	}
	s.noteUnused(t, q.Guaranteed, l.usedBy(of))
	if turn == before && was.Equal(now) && s.guaranteed[t].Equal(q.Guaranteed) {
		return
	}
	s.sums = nil
	if s.idle[t] = now; len(now) == 0 {
		delete(s.idle, t)
	}
	if s.turns[t] = turn; turn.since == 0 {
		delete(s.turns, t)
	}
	more := s.promise(t, q.Guaranteed) || before.before(turn)
	for d, v := range now {
		more = more || v > was[d]
	}
	if more {
		s.wake(l)
	}
	if turn != before {
		for _, lender := range q.Borrowed.Tenants() { // it may not want that back any more
			l.due.add(tenantKey(lender))
		}
	}
	if turn.since > 0 && turn != before {
		for _, o := range slices.Sorted(maps.Keys(s.spare)) {
			l.due.add(tenantKey(o))
		}
		for _, o := range slices.Sorted(maps.Keys(s.rests)) {
			l.due.add(tenantKey(o))
		}
		clear(s.rests)
	}
}

// spares says whether an account has borrowed what nobody has taken.
func (l *loop) spares(of account, q *berth.Quota) bool {
	st := l.quotas.of[of]
	return st != nil && slices.ContainsFunc(st.dimensions, func(d berth.Dimension) bool { return q.Borrowed.Of(d) > 0 && l.free(of, st, d) > 0 })
}
