package daemon

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// keepMembership keeps daemons/<d> alive, so that daemons can share the work.
// Nothing depends on it for correctness.
func (d *Daemon) keepMembership(ctx context.Context, over <-chan struct{}) error {
	rec := berth.Daemon{Address: d.opts.Address, Program: d.opts.Version, MaxSchema: d.store.NewestLayout(), StartedAt: d.opts.Now().UTC()}
	for ctx.Err() == nil {
		err := d.member(ctx, rec, over)
		if errors.Is(err, etcdstore.ErrClusterChanged) && ctx.Err() == nil {
			// The watch may not tell: one that waits for a revision which the other
			// cluster has not reached is silent.
			return err
		}
		if err != nil && ctx.Err() == nil {
			d.opts.Log.Warn("membership lost", zap.Error(err))
			wait(ctx, pause)
		}
	}
	return nil
}

// member registers under a new lease and keeps it until ctx ends or it is lost. It
// is given back when the loop is over: what it had in flight has an answer then, so
// that those who take its share at once meet nothing of it.
func (d *Daemon) member(ctx context.Context, rec berth.Daemon, over <-chan struct{}) error {
	lease, err := d.store.KeepLease(ctx, d.opts.TTL)
	if err != nil {
		return fmt.Errorf("grant the daemon's lease: %w", err)
	}
	if err := d.store.RegisterDaemon(ctx, d.opts.ID, lease.ID, rec); err != nil {
		return err
	}
	if err := lease.Run(ctx); ctx.Err() == nil {
		return errors.Join(errors.New("the lease ended"), err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishIn)
	defer cancel()
	select {
	case <-over:
	case <-end.Done():
	}
	// A lease that cannot be revoked ends by itself.
	_ = d.store.RevokeLease(end, lease.ID)
	return nil
}
