package daemon

import (
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// markTenant follows a tenant's limits. The requests of an account that has limits now,
// or has none any more, are put into other classes.
func (l *loop) markTenant(f berth.Fact) {
	t := berth.TenantID(f.Key.ID)
	l.due.add(f.Key)
	if _, bad := f.Record.(*etcdstore.Undecodable); bad {
		l.quotas.unknown[t] = struct{}{}
		l.reclassTenant(t)
		for _, p := range slices.Sorted(maps.Keys(l.quotas.pools[t])) {
			l.noteFirst(p)
		}
		return
	}
	if _, was := l.quotas.unknown[t]; was {
		delete(l.quotas.unknown, t)
		l.reclassTenant(t)
	}
	rec, _ := l.view.tenant(t)
	l.weigh(t, rec.Weight)
	for _, p := range slices.Sorted(maps.Keys(rec.Pools)) {
		q := rec.Pools[p]
		l.limit(account{t, p}, q.Limits)
		l.follow(account{t, p}, &q)
		for _, other := range rec.Pools[p].Lent.Tenants() { // it may have wanted that back
			of := account{other, p}
			if st := l.quotas.of[of]; st != nil {
				l.reallow(of, st)
			}
			l.due.add(tenantKey(other))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(l.quotas.pools[t])) {
		if len(rec.Pools[p].Limits) == 0 {
			l.unlimit(account{t, p})
		}
	}
	if f.Record == nil {
		l.duePartners(t)
	}
}

// duePartners looks at all that have loans with a tenant whose record is gone: somebody has deleted it.
func (l *loop) duePartners(t berth.TenantID) {
	for _, of := range slices.SortedFunc(maps.Keys(l.quotas.of), account.compare) {
		rec, _ := l.view.tenant(of.tenant)
		q := rec.Pools[of.pool]
		if len(q.Lent[t])+len(q.Borrowed[t]) > 0 {
			l.reallow(of, l.quotas.of[of])
			l.due.add(tenantKey(of.tenant))
		}
	}
}

// limit notes the limits of an account.
func (l *loop) limit(of account, limits berth.Amounts) {
	if len(limits) == 0 {
		return
	}
	st := l.quotas.of[of]
	if st == nil {
		st = &quotaState{ownAt: l.now()}
		l.quotas.of[of] = st
		if l.quotas.pools[of.tenant] == nil {
			l.quotas.pools[of.tenant] = make(map[berth.PoolID]struct{}, 1)
		}
		l.quotas.pools[of.tenant][of.pool] = struct{}{}
		if l.loaded {
			l.countAll(func(a account) bool { return a == of })
		}
		l.reclass(of)
	}
	st.most, st.dimensions = limits, limits.Dimensions()
	l.reallow(of, st)
}

func (l *loop) unlimit(of account) {
	delete(l.quotas.of, of)
	if delete(l.quotas.pools[of.tenant], of.pool); len(l.quotas.pools[of.tenant]) == 0 {
		delete(l.quotas.pools, of.tenant)
	}
	delete(l.quotas.residents, of)
	l.quotas.awaited(of, nil)
	if s := l.quotas.loans[of.pool]; s != nil {
		s.forget(of.tenant)
		l.noteFirst(of.pool)
	}
	for k, u := range l.quotas.uncounted {
		if u.of == of {
			delete(l.quotas.uncounted, k)
		}
	}
	l.reclass(of)
}

// markBlock follows who has taken a block.
func (l *loop) markBlock(f berth.Fact) {
	t, d := berth.TenantID(f.Key.Owner), berth.DaemonID(f.Key.ID)
	if f.Record == nil {
		if delete(l.quotas.holders[t], d); len(l.quotas.holders[t]) == 0 {
			delete(l.quotas.holders, t)
		}
	} else {
		if l.quotas.holders[t] == nil {
			l.quotas.holders[t] = make(map[berth.DaemonID]struct{})
		}
		l.quotas.holders[t][d] = struct{}{}
	}
	l.due.add(tenantKey(t))
}

// markQuotas looks at all tenants with limits or blocks: who the members are has changed.
func (l *loop) markQuotas() {
	tenants := slices.Collect(maps.Keys(l.quotas.holders))
	for of := range l.quotas.of {
		tenants = append(tenants, of.tenant)
	}
	slices.Sort(tenants)
	for _, t := range slices.Compact(tenants) {
		l.due.add(tenantKey(t))
	}
}

// reclass looks at all that waits of an account, with whomever.
func (l *loop) reclass(of account) {
	ids := l.queue.idsOf(of)
	for _, p := range l.peers.sorted {
		ids = append(ids, p.queue.idsOf(of)...)
	}
	slices.Sort(ids)
	for _, id := range ids {
		l.due.add(requestKey(id))
	}
	l.gangs.wakeAll(of.pool)
}

func (l *loop) reclassTenant(t berth.TenantID) {
	pools := make(map[berth.PoolID]struct{})
	for _, q := range l.queues() {
		for id, c := range q.of {
			if r := c.ids[id].request; r.Tenant == t {
				pools[r.Pool] = struct{}{}
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(pools)) {
		l.reclass(account{t, p})
	}
}

// queues are those of all daemons.
func (l *loop) queues() []*queue {
	out := []*queue{l.queue}
	for _, p := range l.peers.sorted {
		out = append(out, p.queue)
	}
	return out
}

// uncounted is an allocation of an account with limits that no block counts: it was
// placed before there were any.
type uncounted struct {
	of      account
	amounts berth.Amounts
}

// countAll finds those of some accounts. There may be a million allocations to look at: once,
// when an operator sets a quota, and at a start.
func (l *loop) countAll(some func(account) bool) {
	for w, lives := range l.view.on {
		for _, x := range lives {
			pool, ok := l.view.poolOf(x)
			if !ok {
				continue
			}
			if a, _ := l.view.allocation(w, x.id); a != nil && some(account{a.Tenant, pool}) {
				l.countIn(account{a.Tenant, pool}, allocationKey(w, x.id), a)
			}
		}
	}
}

// countIn counts an allocation that no block does, and that is not counted yet.
func (l *loop) countIn(of account, k berth.Key, a *berth.Allocation) {
	st := l.quotas.of[of]
	if _, known := l.quotas.uncounted[k]; st == nil || known || a.QuotaBlock != "" {
		return
	}
	var capacity berth.Capacity
	if ledger, _ := l.view.ledger(berth.WorkerID(k.Owner)); ledger != nil {
		capacity = ledger.Capacity
	}
	amounts := berth.AmountsOf(&a.Share, &capacity)
	sum, err := st.sum.Plus(amounts)
	if err != nil {
		l.log.Error("what a tenant uses does not add up: run berth fsck", zap.String("tenant", string(of.tenant)), zap.Error(err))
		return
	}
	l.quotas.uncounted[k], st.sum = uncounted{of, amounts}, sum
}

// noteUncountedOf follows the allocations of a request that was not known when they were: a
// load tells of it behind them.
func (l *loop) noteUncountedOf(id berth.RequestID) {
	if len(l.quotas.of) == 0 || !l.loaded {
		return
	}
	for w := range l.view.holders(id) {
		if a, _ := l.view.allocation(w, id); a != nil {
			l.noteUncounted(allocationKey(w, id), a)
		}
	}
}

// noteUncounted follows an allocation that no block counts, or that is gone.
func (l *loop) noteUncounted(k berth.Key, a *berth.Allocation) {
	switch {
	case len(l.quotas.of) == 0 || !l.loaded:
	case a == nil:
		u, counted := l.quotas.uncounted[k]
		if st := l.quotas.of[u.of]; counted && st != nil {
			st.sum, _ = st.sum.Minus(u.amounts)
			l.due.add(tenantKey(u.of.tenant))
		}
		delete(l.quotas.uncounted, k)
	default:
		if x := l.view.lives[berth.RequestID(k.ID)]; x != nil && a.QuotaBlock == "" {
			if pool, ok := l.view.poolOf(x); ok {
				l.countIn(account{a.Tenant, pool}, k, a)
			}
		}
	}
}
