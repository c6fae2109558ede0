package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// QuotaStatus is how a tenant stands in a pool that it is limited in, or uses, or waits for.
type QuotaStatus struct {
	Tenant  berth.TenantID
	Pool    berth.PoolID
	Limits  berth.Amounts // what is not named is not limited
	Used    berth.Amounts // by all of its allocations
	Taken   berth.Amounts // by daemons, of what is limited
	Loans   berth.Quota   // what is guaranteed of the limits, lent, borrowed and recalled
	Allowed berth.Amounts // of the limits, now
	Waiting int           // requests that are not placed, for whatever reason
	Gathers *berth.Gathered
	Turn    TurnStatus
}

// Quotas are those of all tenants, by tenant and pool.
func (d *Daemon) Quotas(ctx context.Context) (out []QuotaStatus, err error) {
	err = d.call(ctx, func(l *loop) {
		waiting := l.waitingAll()
		for _, of := range l.accounts(waiting) {
			out = append(out, l.quotaStatus(of, waiting[of]))
		}
	})
	return out, err
}

func (l *loop) quotaStatus(of account, waiting int) QuotaStatus {
	rec, _ := l.view.tenant(of.tenant)
	q := rec.Pools[of.pool]
	s := QuotaStatus{Tenant: of.tenant, Pool: of.pool, Limits: q.Limits, Taken: q.Taken, Waiting: waiting, Turn: l.turnStatus(of), Loans: q, Allowed: q.Allowed()}
	s.Used = l.usedBy(of)
	s.Gathers = l.gatheredOf(of, func(berth.Dimension) bool { return true })
	return s
}

// usedBy is what all allocations of an account use.
func (l *loop) usedBy(of account) (used berth.Amounts) {
	if st := l.quotas.of[of]; st != nil {
		used = st.sum
	}
	for d := range l.quotas.holders[of.tenant] {
		b, _ := l.view.block(blockRef{of.tenant, d})
		if sum, err := used.Plus(b.Pools[of.pool].Used); err == nil {
			used = sum
		}
	}
	return used
}

// tellStands adds to a verdict that is about to be told how its tenant stands in what it lacks.
func (l *loop) tellStands(v *berth.Verdict, of account) {
	st := l.quotas.of[of]
	if st == nil || st.limits == nil {
		return
	}
	rec, _ := l.view.tenant(of.tenant)
	q := rec.Pools[of.pool]
	tellStands(v, &q, st.limits, l.usedBy(of))
	for i := range v.Reasons {
		r := &v.Reasons[i]
		if r.Stands == nil {
			continue
		}
		r.Stands.Gathers = l.gatheredOf(of, func(d berth.Dimension) bool { return d == berth.Dimension(r.Detail) })
		l.tellReclaims(r.Stands.Reclaims, of.pool, berth.Dimension(r.Detail))
		if r.Stands.Guarantees {
			l.tellLoans(r.Stands, of, berth.Dimension(r.Detail))
		}
	}
}

// briefly is a verdict as a list tells it: of a quota, with what its tenant is allowed and uses,
// and without what takes a look at other tenants. The verdict is others' as well, and stays.
func (l *loop) briefly(v *berth.Verdict, of account, id berth.RequestID) *berth.Verdict {
	st := l.quotas.of[of]
	if !isQuota(v) || st == nil || st.limits == nil {
		return v
	}
	rec, _ := l.view.tenant(of.tenant)
	q, out := rec.Pools[of.pool], *v
	out.Reasons = slices.Clone(v.Reasons)
	tellStands(&out, &q, st.limits, l.usedBy(of))
	if prog, _ := l.view.progress(id); prog != nil && prog.ClaimOn != "" {
		l.withoutClaim(&out, &waiting{id: id, claimOn: prog.ClaimOn})
	}
	for i := range out.Reasons {
		if s := out.Reasons[i].Stands; s != nil {
			s.Reclaims = nil // how far they are is not looked up
		}
	}
	return &out
}

// tellLoans adds who else waits for loans of a dimension, and what others would lend.
func (l *loop) tellLoans(s *berth.QuotaStand, of account, d berth.Dimension) {
	const most = 3 // of each are named
	in := l.loansIn(of.pool)
	s.Idle, s.Ever, s.Have = in.others(of.tenant, d), in.ever[d], l.haveIn(of.pool, d)
	mine, _ := l.loanTurn(of)
	first := in.first.turn.tenant
	if in.first.ofAnother(of.tenant) && in.first.lacks[d] > 0 {
		s.Ahead = append(s.Ahead, first) // also where it has come later: see firstTurn
	}
	for _, turn := range slices.SortedFunc(maps.Values(in.turns), loanTurn.compare) {
		other := account{turn.tenant, of.pool}
		if _, guaranteed := in.guaranteed[turn.tenant][d]; !guaranteed || other == of {
			continue
		}
		switch _, own := l.loanTurn(other); {
		case own && len(s.Keeping) < most:
			s.Keeping = append(s.Keeping, turn.tenant)
		case !own && turn.tenant != first && turn.before(mine) && len(s.Ahead) < most:
			s.Ahead = append(s.Ahead, turn.tenant)
		}
	}
	for _, t := range slices.Sorted(maps.Keys(in.guaranteed)) {
		if len(s.Keeping) < most && t != of.tenant && !slices.Contains(s.Keeping, t) && l.keepsAwaited(account{t, of.pool}, d) {
			s.Keeping = append(s.Keeping, t)
		}
	}
}

// haveIn is what the workers of a pool have in all, of which it may be that more is guaranteed. Only
// who is told about one request asks: what explains it looks at all workers, too.
func (l *loop) haveIn(p berth.PoolID, d berth.Dimension) (sum int64) {
	for _, f := range l.view.whole[berth.KindWorker] {
		if w, ok := f.Record.(*berth.Worker); ok && w.Pool == p {
			sum += w.Capacity.Amounts()[d]
		}
	}
	return sum
}

func tellStands(v *berth.Verdict, q *berth.Quota, allowed, used berth.Amounts) {
	for i := range v.Reasons {
		if r := &v.Reasons[i]; r.Code == berth.ReasonQuota && r.Want > 0 {
			r.Stands = q.Stand(berth.Dimension(r.Detail), allowed, used)
		}
	}
}

// allGangs are the groups that wait, with whichever daemon.
func (l *loop) allGangs() []*gangs {
	out := []*gangs{l.gangs}
	for _, p := range l.peers.sorted {
		out = append(out, p.gangs)
	}
	return out
}

// QuotaChange is what is to become of a tenant's limits in a pool, and of its weight.
type QuotaChange struct {
	Tenant berth.TenantID
	Weight int64 // 0: as it is
	Pool   berth.PoolID
	Set    berth.Amounts
	Unset  []berth.Dimension // not limited any more
	All    bool              // nothing is limited any more, but what Set says

	Guarantee   berth.Amounts     // of the limits; others may borrow what is not used of it
	Unguarantee []berth.Dimension // neither lent nor borrowed any more

	ReclaimAfterMS *int64 // what is wanted back for so long is reclaimed by stopping what uses it; nil: as it is
	NeverReclaim   bool   // it comes back as what uses it ends
}

// SetQuota changes what a tenant may use of a pool. What runs goes on, also where that is
// more than is allowed now.
func (d *Daemon) SetQuota(ctx context.Context, c QuotaChange) (QuotaStatus, error) {
	if err := berth.CheckID("tenant", string(c.Tenant)); err != nil {
		return QuotaStatus{}, err
	}
	if err := berth.CheckID("pool", string(c.Pool)); err != nil {
		return QuotaStatus{}, err
	}
	if err := berth.CheckLimits(c.Set); err != nil {
		return QuotaStatus{}, err
	}
	if err := c.contradicts(); err != nil {
		return QuotaStatus{}, err
	}
	if c.ReclaimAfterMS != nil {
		if err := berth.CheckReclaimAfter(*c.ReclaimAfterMS); err != nil {
			return QuotaStatus{}, err
		}
	}
	if c.Weight != 0 {
		if err := berth.CheckTenantWeight(c.Weight); err != nil {
			return QuotaStatus{}, err
		}
	}
	var refused error
	facts, err := d.store.SetTenant(ctx, c.Tenant, func(t *berth.Tenant) {
		q := t.Pools[c.Pool]
		if refused = c.dropsGuaranteed(&q); refused != nil {
			return
		}
		if len(q.Limits)+len(c.Set)+len(c.Guarantee) == 0 && c.Weight == 0 {
			refused = fmt.Errorf("quota of tenant %s in pool %s: %w", c.Tenant, c.Pool, ErrNotFound)
		}
		c.apply(t)
	})
	if err != nil {
		return QuotaStatus{}, err
	}
	if refused != nil {
		return QuotaStatus{}, refused
	}
	var s QuotaStatus
	err = d.call(ctx, func(l *loop) { // who sets it sees it
		l.takeFacts(facts)
		of := account{c.Tenant, c.Pool}
		s = l.quotaStatus(of, l.waitingAll()[of])
	})
	return s, err
}

// contradicts refuses what says two things of one, and what takes back what there cannot be.
func (c *QuotaChange) contradicts() error {
	for _, of := range []struct {
		give, take string
		given      berth.Amounts
		taken      []berth.Dimension
	}{{"set", "unset", c.Set, c.Unset}, {"guarantee", "unguarantee", c.Guarantee, c.Unguarantee}} {
		for _, dim := range of.taken {
			if err := berth.CheckDimension(of.take, dim); err != nil {
				return err
			}
			if _, both := of.given[dim]; both {
				return &berth.FieldError{Field: of.give, Value: string(dim), Problem: "stands beside " + of.take, Bound: "one of the two for a dimension"}
			}
		}
	}
	if c.ReclaimAfterMS != nil && c.NeverReclaim {
		return &berth.FieldError{Field: "reclaim_after_ms", Value: fmt.Sprint(*c.ReclaimAfterMS), Problem: "stands beside never_reclaim", Bound: "one of the two"}
	}
	return nil
}

// dropsGuaranteed refuses to take a limit back of which some is guaranteed, as long as nobody
// says that nothing is any more: others would lose what they borrow by it, or lend.
func (c *QuotaChange) dropsGuaranteed(q *berth.Quota) error {
	for _, d := range c.Unset {
		if n, ok := q.Guaranteed[d]; ok && !c.All && !slices.Contains(c.Unguarantee, d) {
			return &berth.FieldError{Field: "unset", Value: string(d), Problem: fmt.Sprintf("has %d guaranteed", n), Bound: "what has nothing guaranteed, or is in unguarantee, too"}
		}
	}
	return nil
}

func (c *QuotaChange) apply(t *berth.Tenant) {
	switch c.Weight {
	case 0:
	case berth.DefaultTenantWeight:
		t.Weight = 0
	default:
		t.Weight = c.Weight
	}
	was := t.Pools[c.Pool].Limits
	next := make(berth.Amounts, len(was)+len(c.Set))
	if !c.All {
		maps.Copy(next, was)
	}
	for _, dim := range c.Unset {
		delete(next, dim)
	}
	maps.Copy(next, c.Set)
	t.Limit(c.Pool, next)
	q := t.Pools[c.Pool]
	guaranteed := maps.Clone(q.Guaranteed)
	if c.All || guaranteed == nil {
		guaranteed = make(berth.Amounts)
	}
	for _, dim := range c.Unguarantee {
		delete(guaranteed, dim)
	}
	maps.Copy(guaranteed, c.Guarantee)
	if q.Guaranteed = guaranteed; len(guaranteed) == 0 {
		q.Guaranteed = nil
	}
	switch {
	case c.ReclaimAfterMS != nil:
		q.ReclaimAfterMS = c.ReclaimAfterMS
	case c.NeverReclaim || c.All:
		q.ReclaimAfterMS = nil
	}
	if !q.Idle() || len(guaranteed) > 0 {
		t.Pools[c.Pool] = q
	}
}
