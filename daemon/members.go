package daemon

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// keepMembership keeps daemons/<d> alive, so that daemons can share the work.
// Nothing depends on it for correctness.
func (d *Daemon) keepMembership(ctx context.Context) error {
	rec := berth.Daemon{Address: d.opts.Address, Program: d.opts.Version, MaxSchema: d.store.NewestLayout(), StartedAt: d.opts.Now().UTC()}
	for ctx.Err() == nil {
		err := d.member(ctx, rec)
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

// member registers under a new lease and keeps it until ctx ends or it is lost.
func (d *Daemon) member(ctx context.Context, rec berth.Daemon) error {
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
	// A lease that cannot be revoked ends by itself.
	_ = d.store.RevokeLease(end, lease.ID)
	return nil
}

// recount lists the live daemons. What the new share is shows at the next look.
func (l *loop) recount() {
	l.members = l.members[:0]
	for k, f := range l.view.facts {
		if k.Kind == berth.KindDaemon && f.Record != nil {
			l.members = append(l.members, berth.DaemonID(k.ID))
		}
	}
	slices.Sort(l.members)
}

// owns says whether a thing is in this daemon's share. A daemon that does not see
// itself yet owns nothing but alone.
func (l *loop) owns(thing string) bool {
	return len(l.members) <= 1 || l.ownerOf(thing) == l.d.opts.ID
}

// ownerOf shares things out by rendezvous hashing over the live daemons.
func (l *loop) ownerOf(thing string) berth.DaemonID {
	var best berth.DaemonID
	var most uint64
	for _, m := range l.members {
		h := fnv.New64a()
		h.Write([]byte(thing))
		h.Write([]byte{0})
		h.Write([]byte(m))
		if s := h.Sum64(); best == "" || s > most {
			best, most = m, s
		}
	}
	return best
}
