package daemon

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// Who has borrowed, and whose requests follow each other without a break, uses again what has ended: nothing of that
// ever goes back by itself, however long another waits for a loan. So what has waited for one for a while has quota
// gathered for it, and of all such in a pool the first by turn has kept for it what it lacks: others
// are lent nothing of that, and what is not idle of it goes back to its lenders as what uses it ends, whoever
// has borrowed it. Nothing is stopped for it: that is its lender's right alone.
//
// When it is all idle, it is borrowed at once, and its tenant waits anew; or nothing more comes together, and its daemon
// lets others go first, and it waits anew, too. So nobody keeps for ever what another waits for, and no two keep what the
// other needs. What a tenant keeps of its own while it has an earlier turn is not touched by that.

// firstTurn is who has the first turn in a pool, where quota is gathered for what waits so.
type firstTurn struct {
	turn  gatherTurn    // of no tenant: nobody has
	from  time.Time     // that is known here
	lacks berth.Amounts // what loans are to make up for
	wants berth.Amounts // of that, what is not idle
	least float64       // who has borrowed a smaller part of what is wanted gives nothing back for it
}

// ofAnother says whether it is the turn of another than a tenant.
func (f *firstTurn) ofAnother(t berth.TenantID) bool {
	return f.turn.tenant != "" && f.turn.tenant != t
}

// gatherTurn is since when quota of a tenant is gathered for what waits for a loan, and since when that lets others know
// that it waits. The former alone says who is first: what has got something, or lets others go first, comes behind again, while what is
// placed by ends of its own tenant's lets others know of nothing new.
type gatherTurn struct {
	since  time.Time
	tenant berth.TenantID
	waits  loanTurn
}

// before is a total order of those of tenants.
func (t *gatherTurn) before(o *gatherTurn) bool {
	return cmp.Or(t.since.Compare(o.since), cmp.Compare(t.tenant, o.tenant)) < 0
}

// mayBeFirst says whether what waits here for a loan comes before all for which quota is gathered: else nobody is kept from
// anything by it yet, not even of its own tenant. Nor does it where another daemon has its tenant's turn already: it would take that
// away, should it go first of its tenant, lose it to another tenant's that has waited for longer, and so would that, for ever.
func (c *blockChanges) mayBeFirst(of account, s *balance) bool {
	if _, by, stands := c.l.standing(&s.quota); stands && by != c.l.d.opts.ID && s.quota.ForLoan(by) {
		return false
	}
	mine := gatherTurn{since: s.state.gather.loanAt, tenant: of.tenant}
	return s.quota.ForLoan(c.l.d.opts.ID) && (!s.loans.first.ofAnother(of.tenant) || mine.before(&s.loans.first.turn))
}

// noteFirst finds whose turn is the first of a pool, and what that lacks. Where that has changed, those who have
// borrowed are looked at, and those who wait for what is kept for it no more.
func (l *loop) noteFirst(p berth.PoolID) {
	s := l.loansIn(p)
	was, now := s.first, l.firstTurn(p, s)
	if was.turn == now.turn && was.lacks.Equal(now.lacks) && was.wants.Equal(now.wants) && was.least == now.least {
		return
	}
	s.first = now
	for _, t := range slices.Sorted(maps.Keys(s.borrowers)) {
		of := account{t, p}
		st := l.quotas.of[of]
		if st == nil {
			continue
		}
		back := st.back
		if l.reallow(of, st); !back.Equal(st.back) {
			l.due.add(tenantKey(t))
		}
	}
	if t := now.turn.tenant; was.turn.tenant != t && t != "" {
		l.due.add(tenantKey(t))
	}
	if was.keepsMore(&now) {
		s.wake(l)
	}
}

// keepsMore says whether more of something is kept than by another turn.
func (f *firstTurn) keepsMore(o *firstTurn) bool {
	for d, v := range f.lacks {
		if f.turn.tenant != o.turn.tenant || v > o.lacks[d] {
			return true
		}
	}
	return false
}

// firstTurn is whose turn is the first of a pool as of now.
func (l *loop) firstTurn(p berth.PoolID, s *loanStatus) (f firstTurn) {
	for _, turn := range s.gatherers { // in which order decides nothing
		if (f.turn.tenant == "" || turn.before(&f.turn)) && !l.view.unreadable(tenantKey(turn.tenant)) {
			f.turn = turn
		}
	}
	t := f.turn.tenant
	if t == "" {
		return f
	}
	if f.from = l.now(); s.first.turn.tenant == t && s.first.turn.since.Equal(f.turn.since) {
		f.from = s.first.from
	}
	f.lacks = l.lacksLoans(account{t, p})
	f.wants = make(berth.Amounts, len(f.lacks))
	for d, v := range f.lacks {
		if more := v - s.summed().ahead[t][d]; more > 0 {
			f.wants[d] = more
		}
	}
	f.least = l.givesFrom(account{t, p}, &f)
	return f
}

// givesFrom is the least part of what is lacking that somebody must have borrowed to give something back for the first turn of an account: for a while
// only those do who have more than that would have, or where none has, as much, and then all, for what these have may never end.
func (l *loop) givesFrom(of account, f *firstTurn) float64 {
	ends := f.from.Add(gatherAfter)
	if !l.now().Before(ends) || !l.borrowsLess(of, f.lacks) {
		return 0
	}
	l.timers.set(tenantKey(of.tenant), ends)
	would := l.borrowedPart(of, f.lacks, f.lacks)
	if l.mostBorrowed(of, f.lacks) > would {
		return math.Nextafter(would, math.Inf(1)) // more than that
	}
	return would
}

// lacksLoans is what an account lacks of what its quota is gathered for, beside what it uses, and could borrow.
func (l *loop) lacksLoans(of account) berth.Amounts {
	rec, _ := l.view.tenant(of.tenant)
	q := rec.Pools[of.pool]
	g, _, _ := l.standing(&q)
	back := l.recalledFrom(of, &q)
	used, allowed := l.usedBy(of), q.AllowedWithout(back)
	out := make(berth.Amounts, len(g.Need))
	for d, need := range g.Need {
		has := allowed[d] - q.Below(d, back)
		if _, guaranteed := q.Guaranteed[d]; !guaranteed {
			continue
		}
		uses := min(used[d], allowed[d]) // what it is to give back goes first: until then it is lent nothing
		if v := min(need+uses, q.Limits[d]) - has; v > 0 {
			out[d] = v
		}
	}
	return out
}

// recalledFrom is what an account's lenders want back from it.
func (l *loop) recalledFrom(of account, q *berth.Quota) berth.Amounts {
	back := make(berth.Amounts)
	for _, lender := range q.Borrowed.Tenants() {
		other, _ := l.view.tenant(lender)
		for d, v := range other.Pools[of.pool].Recalled[of.tenant] {
			if _, counts := q.Guaranteed[d]; counts {
				back[d] += min(v, q.Borrowed[lender][d])
			}
		}
	}
	return back
}

// goesBack is what an account gives back to each lender for who has the first turn, beside what they want back
// themselves: as much as that wants in all, of those who would lend it. Where some have borrowed more than that would have then, only they do at first.
func (l *loop) goesBack(of account, q *berth.Quota) (out berth.Loans) {
	s := l.quotas.loans[of.pool]
	if s == nil || !s.first.ofAnother(of.tenant) {
		return nil
	}
	first := s.first.turn.tenant
	if l.borrowedPart(of, s.first.wants, nil) < s.first.least {
		return nil
	}
	rec, _ := l.view.tenant(first)
	rest := maps.Clone(s.first.wants)
	for d, v := range rec.Pools[of.pool].Recalled[of.tenant] {
		rest[d] -= v // that is for the same
	}
	for _, lender := range q.Borrowed.Tenants() {
		if !l.yieldsTo(account{lender, of.pool}, account{first, of.pool}) {
			continue
		}
		from, _ := l.view.tenant(lender)
		for d, owed := range q.Borrowed[lender] {
			_, counts := q.Guaranteed[d]
			if more := min(rest[d], owed-from.Pools[of.pool].Recalled[of.tenant][d]); counts && more > 0 {
				out = out.With(lender, d, more)
				rest[d] -= more
			}
		}
	}
	return out
}
