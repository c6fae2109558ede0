package daemon

import (
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// blockChanges is a tenant's record, and blocks of it, as they are to be.
type blockChanges struct {
	l       *loop
	id      berth.TenantID
	was     berth.Revision
	tenant  berth.Tenant
	blocks  map[berth.DaemonID]*berth.QuotaBlock // that change
	others  map[berth.TenantID]*otherTenant      // who lend to it
	changed bool
	after   []func(now time.Time) // to be noted when they are sent
}

// changesOf is what this daemon is to change of a tenant's blocks now, or nil.
func (l *loop) changesOf(t berth.TenantID, b *builder) *blockChanges {
	if l.view.unreadable(tenantKey(t)) || !l.peers.self {
		return nil
	}
	if !l.upToSchema() {
		l.halves[tenantKey(t)] = max(l.halves[tenantKey(t)], l.quotas.schemaAt)
		return nil
	}
	rec, was := l.view.tenant(t)
	c := &blockChanges{l: l, id: t, was: was, tenant: berth.Tenant{Weight: rec.Weight, Pools: maps.Clone(rec.Pools)}, blocks: make(map[berth.DaemonID]*berth.QuotaBlock)}
	if was == 0 && len(l.quotas.holders[t]) == 0 {
		return nil
	}
	if c.tenant.Pools == nil {
		c.tenant.Pools = make(map[berth.PoolID]berth.Quota)
	}
	if !c.mendTaken() {
		return nil
	}
	for _, d := range slices.Sorted(maps.Keys(l.quotas.holders[t])) {
		ref := blockRef{t, d}
		switch {
		case l.flights.blocks[ref] != nil:
			return nil
		case d != l.d.opts.ID && l.peers.byID[d] == nil && l.keeperOf(ref) == l.d.opts.ID:
			c.takeBack(d, b)
		}
	}
	for _, of := range l.accountsOf(t) {
		c.rebalance(of, b)
	}
	if !c.changed {
		return nil
	}
	return c
}

// held is a block as the changes leave it, and whether it names the pool.
func (c *blockChanges) held(d berth.DaemonID, p berth.PoolID) (held berth.Block, there bool) {
	now := c.blocks[d]
	if now == nil {
		now, _ = c.l.view.block(blockRef{c.id, d})
	}
	held, there = now.Pools[p]
	return held, there
}

// hold puts another block, and keeps the sum of all.
func (c *blockChanges) hold(d berth.DaemonID, p berth.PoolID, block berth.Amounts) {
	if c.blocks[d] == nil {
		now, _ := c.l.view.block(blockRef{c.id, d})
		c.blocks[d] = &berth.QuotaBlock{Pools: maps.Clone(now.Pools)}
		if c.blocks[d].Pools == nil {
			c.blocks[d].Pools = make(map[berth.PoolID]berth.Block)
		}
	}
	was, there := c.blocks[d].Pools[p]
	q := c.tenant.Pools[p]
	taken, err := q.Taken.Plus(block)
	if err == nil {
		taken, err = taken.Minus(was.Block)
	}
	if err != nil {
		c.l.log.Error("the blocks of a tenant do not add up: run berth fsck", zap.String("tenant", string(c.id)), zap.String("daemon", string(d)), zap.Error(err))
		return
	}
	q.Taken = taken
	switch {
	case block == nil && was.Used.IsZero():
		delete(c.blocks[d].Pools, p)
		if there {
			q.Blocks--
		}
	default:
		c.blocks[d].Pools[p] = berth.Block{Block: block, Used: was.Used}
		if !there {
			q.Blocks++
		}
	}
	c.set(p, q)
}

func (c *blockChanges) set(p berth.PoolID, q berth.Quota) {
	c.changed = true
	if c.tenant.Pools[p] = q; q.Idle() {
		delete(c.tenant.Pools, p)
	}
}

// takeBack takes what a daemon that is no member any more had not used. The plan compares
// that it is none.
func (c *blockChanges) takeBack(d berth.DaemonID, b *builder) {
	now, _ := c.l.view.block(blockRef{c.id, d})
	back := false
	for _, p := range slices.Sorted(maps.Keys(now.Pools)) {
		held := now.Pools[p]
		if rest := used(held, c.tenant.Pools[p].Limits); !rest.Equal(held.Block) || held.Used.IsZero() {
			c.hold(d, p, rest)
			back = true
		}
	}
	if back {
		c.after = append(c.after, func(time.Time) { b.guard(berth.Guard{Key: daemonKey(d)}) })
	}
}

// used is a block of which nothing is left, in the dimensions that are limited; nil where
// nothing is used.
func used(held berth.Block, limits berth.Amounts) berth.Amounts {
	if held.Used.IsZero() || len(limits) == 0 {
		return nil
	}
	out := make(berth.Amounts, len(limits))
	for d := range limits {
		out[d] = held.Used[d]
	}
	return out
}

// commit puts the changes into a plan of their own.
func (c *blockChanges) commit(b *builder) {
	b.plan.Tenants = append(b.plan.Tenants, berth.TenantWrite{ID: c.id, Was: c.was, Tenant: &c.tenant})
	if c.tenant.Empty() {
		b.plan.Tenants[0].Tenant = nil
	}
	for _, t := range slices.Sorted(maps.Keys(c.others)) {
		w := berth.TenantWrite{ID: t, Was: c.others[t].was, Tenant: &c.others[t].rec}
		if w.Tenant.Empty() {
			w.Tenant = nil
		}
		b.plan.Tenants = append(b.plan.Tenants, w)
		b.keys = append(b.keys, tenantKey(t))
	}
	for _, d := range slices.Sorted(maps.Keys(c.blocks)) {
		ref := blockRef{c.id, d}
		next := c.blocks[d]
		if len(next.Pools) == 0 {
			next = nil
		}
		_, was := c.l.view.block(ref)
		b.plan.Blocks = append(b.plan.Blocks, berth.BlockWrite{Tenant: c.id, Daemon: d, Was: was, Block: next})
	}
	for _, note := range c.after {
		note(b.now)
	}
	b.batch = 1 // it is not halved
	writes := 1 + len(c.others) + len(c.blocks)
	b.add(opsBlock.times(writes), int64(writes)*bytesBlock, tenantKey(c.id))
}
