package daemon

import (
	"context"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// countsAll says whether all that a pool's workers held of what is limited is counted, if the blocks of all tenants count that much.
func countsAll(then *snapshot.Snapshot, pool berth.PoolID, limits, counted berth.Amounts) (bool, error) {
	holds, err := then.Holds(pool)
	return !slices.ContainsFunc(limits.Dimensions(), func(d berth.Dimension) bool { return holds[d] > counted[d] }), err
}

// uncountedAt is what no block counted of what an account used: it was placed before there were limits. Which that is only the
// allocations tell, and all of the store are read for it.
func (d *Daemon) uncountedAt(ctx context.Context, then *snapshot.Snapshot, of account) (sum berth.Amounts, err error) {
	lost := make(map[berth.Key]berth.Amounts) // requests on workers whose registration, and with it their pool, is gone
	_, err = d.store.ScanAt(ctx, then.Revision, []berth.Kind{berth.KindAllocation}, func(f berth.Fact) error {
		a, ok := f.Record.(*berth.Allocation)
		if !ok || a.Tenant != of.tenant || a.QuotaBlock != "" {
			return nil
		}
		amounts, pool := placedOn(then.Records(berth.WorkerID(f.Key.Owner)), a)
		if pool == "" {
			lost[requestKey(berth.RequestID(f.Key.ID))] = amounts
		}
		if pool == of.pool {
			sum, err = sum.Plus(amounts)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	more, err := d.lostAt(ctx, then.Revision, of.pool, lost)
	if err != nil {
		return nil, err
	}
	return sum.Plus(more)
}

// placedOn is what an allocation holds of its worker, and that worker's pool, or "".
func placedOn(w *scheduler.Records, a *berth.Allocation) (berth.Amounts, berth.PoolID) {
	var capacity berth.Capacity
	var pool berth.PoolID
	if w != nil && w.Ledger != nil {
		capacity = w.Ledger.Capacity
	}
	if w != nil && w.Worker != nil {
		pool = w.Worker.Pool
	}
	return berth.AmountsOf(&a.Share, &capacity), pool
}

// lostAt is what those requests held that had asked for a pool.
func (d *Daemon) lostAt(ctx context.Context, at berth.Revision, pool berth.PoolID, lost map[berth.Key]berth.Amounts) (sum berth.Amounts, err error) {
	for keys := range slices.Chunk(slices.Collect(maps.Keys(lost)), readAtOnce) {
		facts, err := d.store.GetAt(ctx, at, keys...)
		if err != nil {
			return nil, err
		}
		for _, f := range facts {
			r, ok := f.Record.(*berth.Submission)
			if !ok || r.Spec.Pool != pool {
				continue
			}
			if sum, err = sum.Plus(lost[f.Key]); err != nil {
				return nil, err
			}
		}
	}
	return sum, nil
}
