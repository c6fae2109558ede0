package daemon

import (
	"context"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// pastQuota is a tenant's quota of a pool at a revision, by the records of then, as if all were taken in one block.
type pastQuota struct {
	*balance
	record berth.Quota
	used   berth.Amounts // whoever had taken it
	ever   berth.Amounts // guaranteed to all tenants of the pool
	have   berth.Amounts // the pool's workers, in all
}

// quotaAt is that of a request, or its group, as it was for it beside what quota was gathered for; nil: it has none.
func (d *Daemon) quotaAt(ctx context.Context, then workersThen, e *Explanation, g *waitingGroup, p *berth.Progress) (*pastQuota, error) {
	spec, at := &e.Status.Spec, e.Status.Revision
	facts, err := d.store.GetAt(ctx, at, tenantKey(spec.Tenant))
	if err != nil {
		return nil, err
	}
	t, _ := facts[0].Record.(*berth.Tenant)
	if t == nil || len(t.Pools[spec.Pool].Limits) == 0 {
		return nil, nil //nolint:nilnil // it has no quota
	}
	q := t.Pools[spec.Pool]
	used, err := d.usedAt(ctx, then.records, accountOf(spec), q.Limits)
	if err != nil {
		return nil, err
	}
	allowed := q.Allowed()
	st := &quotaState{limits: allowed, most: q.Limits, dimensions: q.Limits.Dimensions()}
	s := &balance{
		state: st, quota: berth.Quota{Limits: q.Limits, Taken: allowed, Lent: q.Lent, Recalled: q.Recalled}, block: berth.Block{Block: allowed, Used: used},
		left: func(berth.Dimension) int64 { return 0 }, idle: func(berth.Dimension) int64 { return 0 }, kinds: func() []string { return then.fleet.DeviceTypes(spec.Pool) },
		own: ownOf(allowed, q.Guaranteed, used),
		takes: func(r *berth.Request) bool {
			return len(then.fleet.EverOn(scheduler.Candidate{Request: r}, berth.Membership{}, nil)) > 0
		},
	}
	if len(q.Gathering) > 0 {
		if s, err = d.gatheringAt(ctx, s, &q, e, g, p); err != nil {
			return nil, err
		}
	}
	out := &pastQuota{balance: s, record: q, used: used}
	if len(q.Guaranteed) > 0 {
		out.ever, out.have, err = d.guaranteesAt(ctx, then, spec.Pool)
	}
	return out, err
}

// over is why a request, or so many of its group as are placed together, had to wait for their tenant's quota, or nil: less of that
// was left than they ask for, or it was gathered for another.
func (q *pastQuota) over(f *scheduler.Fleet, g *waitingGroup) *berth.Verdict {
	if q == nil {
		return nil
	}
	v := q.judgeMembers(g.request, g.least()).verdict
	if v == nil || !slices.ContainsFunc(v.Reasons, lacking) {
		return keptByTypes(f, q.balance, g)
	}
	if len(g.members) > 0 {
		q.tellMix(v, g.request, g.least(), g.fitting(f))
	}
	return v
}

// tell adds to a verdict how its tenant stood in what it lacked.
func (q *pastQuota) tell(v *berth.Verdict) {
	if q == nil || v == nil {
		return
	}
	tellStands(v, &q.record, q.state.limits, q.used)
	for i := range v.Reasons {
		r := &v.Reasons[i]
		if q.gathers != nil && r.Stands != nil {
			r.Stands.Gathers = q.tellGathered(func(d berth.Dimension) bool { return d == berth.Dimension(r.Detail) })
		}
		if r.Stands != nil && r.Stands.Guarantees {
			r.Stands.Ever, r.Stands.Have = q.ever[berth.Dimension(r.Detail)], q.have[berth.Dimension(r.Detail)]
		}
	}
}

// guaranteesAt is what was guaranteed to all tenants of a pool, and what its workers had in all.
func (d *Daemon) guaranteesAt(ctx context.Context, then workersThen, p berth.PoolID) (ever, have berth.Amounts, err error) {
	_, err = d.store.ScanAt(ctx, then.records.Revision, []berth.Kind{berth.KindTenant}, func(f berth.Fact) error {
		if t, ok := f.Record.(*berth.Tenant); ok {
			ever, err = ever.Plus(t.Pools[p].Guaranteed)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, w := range then.records.Workers() {
		if w.Pool != p {
			continue
		}
		if have, err = have.Plus(w.Ledger.Capacity.Amounts()); err != nil {
			return nil, nil, err
		}
	}
	return ever, have, nil
}

// keptByTypes is what of its quota kept a request from workers that would have taken it with other types of devices than those
// that it might have, or nil: as quotaKeeps tells it.
func keptByTypes(f *scheduler.Fleet, s *balance, g *waitingGroup) *berth.Verdict {
	r := g.request
	if len(g.members) > 0 || !severalTypes(r) {
		return nil
	}
	return s.keptByTypes(r, g.fitting(f), func(as *berth.Request) bool {
		return f.FitsAnywhere(scheduler.Candidate{Request: as, Priority: r.Priority})
	})
}

// usedAt is what an account with limits used: by all blocks, and what was placed before there were limits.
func (d *Daemon) usedAt(ctx context.Context, then *snapshot.Snapshot, of account, limits berth.Amounts) (used berth.Amounts, err error) {
	var all berth.Amounts // of whichever tenant
	_, err = d.store.ScanAt(ctx, then.Revision, []berth.Kind{berth.KindQuotaBlock}, func(f berth.Fact) error {
		b, ok := f.Record.(*berth.QuotaBlock)
		if !ok {
			return nil
		}
		if all, err = all.Plus(b.Pools[of.pool].Used); err != nil || f.Key.Owner != string(of.tenant) {
			return err
		}
		used, err = used.Plus(b.Pools[of.pool].Used)
		return err
	})
	if err != nil {
		return nil, err
	}
	if counts, err := countsAll(then, of.pool, limits, all); err != nil || counts {
		return used, err
	}
	more, err := d.uncountedAt(ctx, then, of)
	if err != nil {
		return nil, err
	}
	return used.Plus(more)
}

// gatheringAt is the balance of then as it was for a request, or its group, beside what quota was gathered for.
func (d *Daemon) gatheringAt(ctx context.Context, s *balance, q *berth.Quota, e *Explanation, g *waitingGroup, p *berth.Progress) (*balance, error) {
	at, there := e.Status.Revision, make(map[berth.DaemonID]bool)
	_, err := d.store.ScanAt(ctx, at, []berth.Kind{berth.KindDaemon}, func(f berth.Fact) error {
		there[berth.DaemonID(f.Key.ID)] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	first, _, stands := standingOf(q, func(by berth.DaemonID) bool { return there[by] })
	if !stands {
		return s, nil
	}
	whole := len(g.members) > 0
	k := requestKey(e.Status.ID)
	if whole {
		k = groupKey(e.Status.Spec.Group.ID)
	}
	facts, err := d.store.GetAt(ctx, at, k)
	if err != nil {
		return nil, err
	}
	asks := asking{berth.Gathering{Request: e.Status.ID, Priority: priorityOf(&e.Status.Spec, p), Age: facts[0].Create}}
	if whole {
		asks.Request, asks.Group = "", e.Status.Spec.Group.ID
	}
	s.gathers = &gathering{Gathering: first, holds: func(d berth.Dimension) int64 { return s.block.Block[d] - s.block.Used[d] }}
	return s.of(asks), nil
}
