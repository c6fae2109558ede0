package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// keepMembership keeps daemons/<d> alive, so that daemons can share the work.
// Nothing depends on it for correctness.
func (d *Daemon) keepMembership(ctx context.Context, over <-chan struct{}) error {
	rec := &berth.Daemon{Address: d.opts.Address, Program: d.opts.Version, MaxSchema: d.store.NewestLayout(), StartedAt: d.opts.Now().UTC()}
	for ctx.Err() == nil {
		err := d.member(ctx, rec, over)
		if errors.Is(err, ErrNameTaken) {
			return err
		}
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

// member registers under a new lease and keeps both until ctx ends or the lease is
// lost: it is kept alive while the registration has no answer yet, too. It is given
// back when the loop is over: what it had in flight has an answer then, so that those
// who take its share at once meet nothing of it.
func (d *Daemon) member(ctx context.Context, rec *berth.Daemon, over <-chan struct{}) error {
	lease, err := d.store.KeepLease(ctx, d.opts.TTL)
	if err != nil {
		return fmt.Errorf("grant the daemon's lease: %w", err)
	}
	g, live := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := lease.Run(live); err != nil {
			return err
		}
		return fmt.Errorf("keep the daemon's lease: %w", etcdstore.ErrLeaseGone)
	})
	g.Go(func() error { return d.register(live, lease.ID, rec) })
	err = g.Wait()
	if ctx.Err() == nil && errors.Is(err, etcdstore.ErrLeaseGone) {
		return err
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishIn)
	defer cancel()
	if ctx.Err() != nil {
		err = nil
		select {
		case <-over:
		case <-end.Done():
		}
	}
	// A lease that cannot be revoked ends by itself. Where the registration has no
	// answer, a copy of it that comes late finds no lease.
	_ = d.store.RevokeLease(end, lease.ID)
	return err
}

// ownKey is what a daemon's own key holds, as the watch tells: gone, with no txn.
type ownKey struct {
	txn   berth.TxnID
	mod   berth.Revision
	base  string         // of the transactions of who put it
	since berth.Revision // of that one's first registration
}

func ownKeyOf(f berth.Fact) ownKey {
	k := ownKey{txn: etcdstore.TxnOf(f.Record), mod: f.Mod}
	if r, ok := f.Record.(*berth.Daemon); ok {
		k.base, k.since = r.TxnBase, cmp.Or(r.Since, f.Mod)
	}
	return k
}

// register puts the daemon's key, and puts it again whenever the watch tells that it
// is gone, or another's: a registration of a former life that comes late puts it under
// that life's lease, and it would go with it. A daemon without a key works for nobody
// while others do, and a layout that it does not know may be raised under it.
//
// Another daemon of this name does the same. What comes again after it was put over is
// no late registration: whoever of the two came later ends, with ErrNameTaken.
func (d *Daemon) register(ctx context.Context, lease string, rec *berth.Daemon) error {
	elder := ""
	for again := pause; ; again = min(2*again, reregisterMost) {
		f, err := d.store.RegisterDaemon(ctx, d.opts.ID, lease, *rec)
		if err != nil {
			return err
		}
		mine := ownKeyOf(f)
		rec.Since = mine.since
		now, err := d.awaitOther(ctx, mine)
		if err != nil {
			return err
		}
		if now.base != "" && now.since < mine.since {
			if now.base == elder {
				return fmt.Errorf("daemon %s: %w", d.opts.ID, ErrNameTaken)
			}
			elder = now.base
		}
		d.opts.Log.Warn("this daemon's membership was overwritten or deleted; registering again: does another have its name?",
			zap.String("daemon", string(d.opts.ID)), zap.String("txn", string(now.txn)), zap.Int64("revision", int64(now.mod)))
		wait(ctx, again)
	}
}

// reregisterMost bounds the pause before a daemon registers again.
const reregisterMost = 10 * time.Second

// awaitOther returns when the daemon's key is no longer what it has put.
func (d *Daemon) awaitOther(ctx context.Context, mine ownKey) (ownKey, error) {
	for {
		select {
		case now := <-d.own:
			if now.mod > mine.mod && now.txn != mine.txn {
				return now, nil
			}
		case <-ctx.Done():
			return ownKey{}, ctx.Err()
		}
	}
}

// tellOwn tells the membership what the daemon's own key holds. Only the latest
// counts.
func (l *loop) tellOwn(now ownKey) {
	select {
	case <-l.d.own:
	default:
	}
	l.d.own <- now // the loop alone writes, and there is room
}
