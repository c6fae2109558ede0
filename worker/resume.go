package worker

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// resume takes up the epoch in which a former agent of this machine has left its
// containers, if its lease still lives. Nil without an error: there is none to
// take up, and the records say so; or ctx ended first.
func (w *Worker) resume(ctx context.Context, rec Records) (*registered, error) {
	former, err := rec.Lease()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStateDir, err)
	}
	switch {
	case former.Lease == "":
		return nil, nil
	case !w.ours(former):
		return nil, w.disown(rec, former)
	case former.GivenUp:
		return nil, nil
	}
	lease, epoch, err := w.former(ctx, former)
	if errors.Is(err, etcdstore.ErrLeaseGone) {
		w.log.Info("the former epoch is over", zap.String("lease", former.Lease))
		return nil, giveUp(rec, former)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, w.leaveFormer(ctx, rec, former)
		}
		return nil, err
	}
	var adopted []Adopted
	if err := w.retry(ctx, "find the containers of the former agent", func(ctx context.Context) (err error) {
		adopted, err = w.opts.Runtime.Adopt(ctx)
		return err
	}); err != nil {
		if ctx.Err() != nil {
			return nil, w.leaveFormer(ctx, rec, former)
		}
		return nil, err
	}
	reg, err := w.keep(ctx, lease)
	if err != nil {
		return nil, err
	}
	reg.epoch, reg.adopted = epoch, adopted
	return reg, nil
}

// ours says whether a record is of this worker, since this boot, in this very
// directory: only then is its lease certainly no other's by now.
func (w *Worker) ours(former LeaseRecord) bool {
	return former.Worker == w.opts.ID && former.BootID == w.opts.BootID && (former.StateID == "" || former.StateID == w.stateID)
}

// disown forgets a lease of another worker, of before the machine's boot, or of the
// directory that this one was copied from. Nobody here may revoke it: it may be the
// lease of an agent that lives, on the machine that this one is an image of. It
// ends by itself, and the name is waited for until then.
func (w *Worker) disown(rec Records, former LeaseRecord) error {
	w.log.Info("the lease on record is not this agent's; it ends by itself", zap.String("lease", former.Lease),
		zap.String("of", string(former.Worker)), zap.Bool("this_boot", former.BootID == w.opts.BootID))
	if former.Worker == w.opts.ID {
		w.disowned = former.Lease
	}
	if err := rec.DropLease(); err != nil {
		return fmt.Errorf("%w: %w", errStateDir, err)
	}
	return nil
}

// former is the lease and the epoch of a record, once the store has answered.
func (w *Worker) former(ctx context.Context, former LeaseRecord) (*etcdstore.Lease, berth.Epoch, error) {
	var lease *etcdstore.Lease
	var epoch berth.Epoch
	err := w.retry(ctx, "take up the former lease", func(ctx context.Context) (err error) {
		if lease, err = w.opts.Store.ResumeLease(ctx, former.Lease, former.Cluster); err != nil {
			return err
		}
		facts, err := w.opts.Store.Get(ctx, berth.Key{Kind: berth.KindWorker, ID: string(w.opts.ID)})
		if err != nil {
			return err
		}
		own, _ := facts[0].Record.(*berth.Worker)
		if own == nil || own.Lease != former.Lease {
			return fmt.Errorf("nothing is registered under lease %s: %w", former.Lease, etcdstore.ErrLeaseGone)
		}
		epoch = berth.Epoch(facts[0].Create)
		w.tellChanges(own)
		return nil
	})
	return lease, epoch, err
}

// tellChanges: a registration is put once per epoch. CPU and memory are compared
// though they may have been found, too: only somebody's hand changes them.
func (w *Worker) tellChanges(own *berth.Worker) {
	now := w.opts.registration(w.stateID, own.Lease, 0)
	if w.opts.DiskFound {
		now.Capacity.DiskBytes = own.Capacity.DiskBytes
	}
	for _, f := range []struct {
		name     string
		was, now any
	}{{"pool", own.Pool, now.Pool}, {"capacity", own.Capacity, now.Capacity}, {"labels", own.Labels, now.Labels}, {"taints", own.Taints, now.Taints}, {"spot", own.Spot, now.Spot}, {"images", own.Images, now.Images}, {"address", own.Address, now.Address}} {
		if was, is := fmt.Sprint(f.was), fmt.Sprint(f.now); was != is {
			w.log.Warn("a changed setting takes effect with the next epoch: end the agent with --on-stop stop or drain",
				zap.String("setting", f.name), zap.Reflect("registered", f.was), zap.Reflect("now", f.now))
		}
	}
}

// leaveFormer is for an agent that is told to end before the store has answered:
// containers that it is to leave are left, others are killed.
func (w *Worker) leaveFormer(ctx context.Context, rec Records, former LeaseRecord) error {
	if w.onStop() == OnStopKeep {
		return nil
	}
	if err := giveUp(rec, former); err != nil {
		return err
	}
	if err := w.once(context.WithoutCancel(ctx), w.killLeftovers); err != nil {
		w.log.Warn("containers of the former agent may run until their deadline", zap.Error(err))
	}
	return nil
}

// giveUp makes durable that an epoch is never taken up again. Its lease's record
// stays: the lease is still to be revoked, once nothing runs.
func giveUp(rec Records, former LeaseRecord) error {
	former.GivenUp = true
	if err := rec.PutLease(former); err != nil {
		return fmt.Errorf("%w: %w", errStateDir, err)
	}
	return nil
}
