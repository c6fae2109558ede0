package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// ErrNameTaken means that another agent lives under this worker's name.
var ErrNameTaken = errors.New("the name is taken by another agent that lives")

// errStateDir marks failures of the state directory: without its record an
// agent must not register.
var errStateDir = errors.New("state directory")

// registered is a registration whose lease is being kept alive.
type registered struct {
	epoch   berth.Epoch
	lease   *etcdstore.Lease
	alarm   Alarm
	adopted []Adopted // of a former agent's epoch that was taken up
	cancel  context.CancelFunc
	group   *errgroup.Group
}

// close stops keeping the lease alive, without revoking it.
func (r *registered) close() error {
	r.cancel()
	r.alarm.Close()
	return r.group.Wait()
}

// register returns nil without an error when ctx ended first. The order is what
// makes a new epoch the proof that nothing of an old one lives: what runs is
// killed, the former lease is revoked, the new one is on disk, then the key.
func (w *Worker) register(ctx context.Context, rec Records) (*registered, error) {
	select {
	case w.opts.gate <- struct{}{}:
		defer func() { <-w.opts.gate }()
	case <-ctx.Done():
		return nil, nil
	}
	reg, err := w.tryRegister(ctx, rec)
	if ctx.Err() != nil && (err == nil && reg == nil || err != nil && !final(err)) {
		return nil, nil
	}
	return reg, err
}

func (w *Worker) tryRegister(ctx context.Context, rec Records) (*registered, error) {
	if err := w.retry(ctx, "kill leftovers", w.killLeftovers); err != nil {
		return nil, err
	}
	for {
		if err := w.endFormer(ctx, rec); err != nil {
			return nil, err
		}
		reg, err := w.grant(ctx, rec)
		if err != nil {
			return nil, err
		}
		err = w.putRegistration(ctx, reg)
		if err == nil {
			return reg, nil
		}
		if closeErr := reg.close(); closeErr != nil {
			w.log.Debug("lease ended", zap.Error(closeErr))
		}
		if err := w.revoke(rec, reg.lease); err != nil {
			return nil, err
		}
		if err := w.afterRefusal(ctx, err); err != nil {
			return nil, err
		}
	}
}

func (w *Worker) killLeftovers(ctx context.Context) error {
	killed, err := w.opts.Runtime.Leftovers(ctx)
	if len(killed) > 0 {
		w.log.Warn("killed what a former agent left", zap.Strings("containers", killed))
	}
	return err
}

// endFormer revokes the lease that a former epoch of this agent has left.
func (w *Worker) endFormer(ctx context.Context, rec Records) error {
	former, err := rec.Lease()
	if err != nil {
		return fmt.Errorf("%w: %w", errStateDir, err)
	}
	if former.Lease == "" {
		return nil
	}
	if err := w.retry(ctx, "revoke the former lease", func(ctx context.Context) error {
		return w.opts.Store.RevokeLease(ctx, former.Lease)
	}); err != nil {
		return err
	}
	if err := rec.DropLease(); err != nil {
		return fmt.Errorf("%w: %w", errStateDir, err)
	}
	return nil
}

// grant takes a lease, has it on disk, and keeps it alive.
func (w *Worker) grant(ctx context.Context, rec Records) (*registered, error) {
	var lease *etcdstore.Lease
	if err := w.retry(ctx, "grant a lease", func(ctx context.Context) (err error) {
		lease, err = w.opts.Store.KeepLease(ctx, w.opts.TTL)
		return err
	}); err != nil {
		return nil, err
	}
	if err := rec.PutLease(w.leaseRecord(lease)); err != nil {
		return nil, fmt.Errorf("%w: %w", errStateDir, err)
	}
	return w.keep(ctx, lease)
}

func (w *Worker) leaseRecord(lease *etcdstore.Lease) LeaseRecord {
	return LeaseRecord{Lease: lease.ID, Worker: w.opts.ID, BootID: w.opts.BootID, StateID: w.stateID, Cluster: lease.Cluster}
}

// keep begins to keep a lease alive.
func (w *Worker) keep(ctx context.Context, lease *etcdstore.Lease) (*registered, error) {
	alarm, err := w.opts.Clock.NewAlarm()
	if err != nil {
		return nil, err
	}
	keepCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	reg := &registered{lease: lease, alarm: alarm, cancel: cancel, group: new(errgroup.Group)}
	reg.group.Go(func() error { return ignoreCancel(keepCtx, lease.Run(keepCtx)) })
	return reg, nil
}

// putRegistration ends with the lease at the latest.
func (w *Worker) putRegistration(ctx context.Context, reg *registered) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-reg.lease.Lost():
			cancel()
		case <-ctx.Done():
		}
	}()
	rec := w.opts.registration(w.stateID, reg.lease.ID, reg.lease.TTL)
	epoch, err := w.opts.Store.RegisterWorker(ctx, w.opts.ID, rec)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	reg.epoch = epoch
	return nil
}

// afterRefusal returns nil when the registration is to be tried again, after
// what stood in its way may be gone.
func (w *Worker) afterRefusal(ctx context.Context, err error) error {
	if !errors.Is(err, etcdstore.ErrWorkerNameTaken) {
		if errors.Is(err, etcdstore.ErrClusterChanged) {
			// Nothing runs here and nothing is known yet: begin anew on the restored store.
			w.log.Warn("the store was restored or replaced; opening it anew", zap.Error(err))
			return w.retry(ctx, "open the store", w.opts.Store.Init)
		}
		if final(err) && !errors.Is(err, etcdstore.ErrLeaseGone) { // under another lease it may be taken
			return err
		}
		w.log.Warn("registration failed; trying again", zap.Error(err))
		return pause(ctx, time.Second)
	}
	other, lease, left := w.holder(ctx)
	if !w.opts.WaitForName && (w.disowned == "" || lease != w.disowned) {
		return fmt.Errorf("%w%s: %w; if that has died, the name is free within %s", ErrNameTaken, other, etcdstore.ErrWorkerNameTaken, max(left, 0).Round(time.Second))
	}
	w.log.Warn("the name is taken; waiting for the end of the other's lease", zap.String("holder", other), zap.Duration("left", left))
	return pause(ctx, max(left, retryFirst))
}

// holder says who lives under our name, by which lease, and for how long it is good.
func (w *Worker) holder(ctx context.Context) (who, lease string, left time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	facts, err := w.opts.Store.Get(ctx, berth.Key{Kind: berth.KindWorker, ID: string(w.opts.ID)})
	if err != nil || len(facts) != 1 {
		return "", w.disowned, time.Second
	}
	rec, ok := facts[0].Record.(*berth.Worker)
	if !ok {
		return "", w.disowned, retryFirst
	}
	left, _, err = w.opts.Store.LeaseRemaining(ctx, rec.Lease)
	if err != nil {
		left = time.Second
	}
	return fmt.Sprintf(" on host %q since %s (epoch %d)", rec.Hostname, rec.StartedAt.Format(time.RFC3339), facts[0].Create), rec.Lease, left
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fullDisk is the share of the state directory's disk below which it is full:
// output of containers is dropped then.
const fullDisk = 0.02

func (w *Worker) pressure() []string {
	if w.opts.StateDir == "" {
		return nil
	}
	if free, err := freeShare(w.opts.StateDir); err == nil && free < fullDisk {
		return []string{"disk"}
	}
	return nil
}
