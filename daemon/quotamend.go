package daemon

import (
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// Somebody may delete or change by hand what stands in several records: a tenant's, with its loans and with the
// sum of its blocks, or a block. Berth never writes one without the others; so where they differ, as
// of one revision, nobody is about to mend that. The plans that do compare all that was read.

// mendTaken makes a tenant's record say what its blocks are. It says whether that was known to be so.
func (c *blockChanges) mendTaken() bool {
	l := c.l
	sums, blocks := make(map[berth.PoolID]berth.Amounts), make(map[berth.PoolID]int64)
	newest := l.view.mod(tenantKey(c.id)) // also of one that is gone, of which an answer may have told before the watch
	for d := range l.quotas.holders[c.id] {
		ref := blockRef{c.id, d}
		if l.view.unreadable(blockKey(ref)) {
			return false
		}
		held, mod := l.view.block(ref)
		newest = max(newest, mod)
		for p, b := range held.Pools {
			sum, err := sums[p].Plus(b.Block)
			if err != nil {
				return false
			}
			sums[p] = sum
			blocks[p]++
		}
	}
	pools := sortedPools(sums, c.tenant.Pools)
	wrong := slices.ContainsFunc(pools, func(p berth.PoolID) bool { return c.differs(p, sums[p], blocks[p]) })
	if !wrong {
		return true
	}
	if newest > l.asOf() { // they may be of different revisions
		l.halves[tenantKey(c.id)] = max(l.halves[tenantKey(c.id)], newest)
		return false
	}
	if !l.mayAct(tenantKey(c.id), l.share.ofTask(string(c.id))) {
		return false
	}
	for _, p := range pools {
		if c.differs(p, sums[p], blocks[p]) {
			q := c.tenant.Pools[p]
			q.Taken, q.Blocks = sums[p], blocks[p]
			if len(q.Taken) == 0 {
				q.Taken = nil
			}
			l.log.Warn("what a tenant's record said of its blocks was not so, and is set right", zap.String("tenant", string(c.id)), zap.String("pool", string(p)))
			c.set(p, q)
		}
	}
	return true
}

func (c *blockChanges) differs(p berth.PoolID, taken berth.Amounts, blocks int64) bool {
	q := c.tenant.Pools[p]
	return q.Blocks != blocks || !q.Taken.Equal(taken)
}

func sortedPools(sums map[berth.PoolID]berth.Amounts, quotas map[berth.PoolID]berth.Quota) (out []berth.PoolID) {
	for p := range sums {
		out = append(out, p)
	}
	for p := range quotas {
		out = append(out, p)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// mendLoans takes off what stands in an account's record alone: of what it has lent, at once; of what it has
// borrowed, what is free, for the rest is in use. s is nil where nothing is limited. It says whether there was something.
func (c *blockChanges) mendLoans(of account, s *balance, b *builder) (mended bool) {
	q := c.tenant.Pools[of.pool]
	all := slices.Concat(q.Lent.Tenants(), q.Borrowed.Tenants())
	slices.Sort(all)
	for _, t := range slices.Compact(all) {
		rec, was := c.l.view.tenant(t)
		if c.l.view.unreadable(tenantKey(t)) || max(c.was, c.l.view.mod(tenantKey(t))) > c.l.asOf() || c.others[t] != nil {
			continue
		}
		theirs := rec.Pools[of.pool]
		if loansEqual(one(q.Lent[t]), one(theirs.Borrowed[of.tenant])) && loansEqual(one(q.Borrowed[t]), one(theirs.Lent[of.tenant])) {
			continue
		}
		next := c.mended(of, s, t, theirs)
		if !c.l.mayAct(tenantKey(c.id), c.l.share.ofTask(string(c.id))) || loansEqual(next.Lent, q.Lent) && loansEqual(next.Borrowed, q.Borrowed) {
			continue
		}
		c.l.log.Warn("a loan stood in one record alone, and is taken off that", zap.String("tenant", string(c.id)), zap.String("other", string(t)), zap.String("pool", string(of.pool)))
		q, mended = next, true
		c.set(of.pool, q)
		c.after = append(c.after, func(time.Time) {
			if c.others[t] == nil {
				b.guard(berth.Guard{Key: tenantKey(t), Was: was})
			}
		})
	}
	return mended
}

// mended is an account's quota without what stands in it alone of its loans with another tenant.
func (c *blockChanges) mended(of account, s *balance, t berth.TenantID, theirs berth.Quota) berth.Quota {
	q := c.tenant.Pools[of.pool]
	for _, d := range q.Lent[t].Dimensions() {
		if has := theirs.Borrowed[of.tenant][d]; q.Lent[t][d] > has {
			q.Lent = q.Lent.With(t, d, has)
			if q.Recalled[t][d] > has {
				q.Recalled = q.Recalled.With(t, d, has)
			}
		}
	}
	for _, d := range q.Borrowed[t].Dimensions() {
		owed := q.Borrowed[t][d]
		give := max(owed-theirs.Lent[of.tenant][d], 0)
		if _, guaranteed := q.Guaranteed[d]; guaranteed && s != nil {
			give = min(give, max(c.free(of, s, d)+q.Beyond(d), 0))
		}
		q.Borrowed = q.Borrowed.With(t, d, owed-give)
	}
	return q
}

// one is amounts as loans with one tenant.
func one(a berth.Amounts) berth.Loans {
	if len(a) == 0 {
		return nil
	}
	return berth.Loans{"": a}
}

func loansEqual(a, b berth.Loans) bool { return maps.EqualFunc(a, b, berth.Amounts.Equal) }
