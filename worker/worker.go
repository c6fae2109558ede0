package worker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// Worker is one agent. Make it with New; Run lives its life.
type Worker struct {
	opts Options
	log  *zap.Logger
	kept atomic.Bool // KeepContainers was called
	warm *warmth

	stateID  string // of its records; written by Run before it begins
	disowned string // a lease that holds the name, of this agent before the machine's boot
}

// KeepContainers has the agent leave its containers, and its lease, to the next
// agent of its state directory, whatever Options.OnStop says. Call it before
// Run's ctx ends.
func (w *Worker) KeepContainers() { w.kept.Store(true) }

func (w *Worker) onStop() OnStop {
	if w.kept.Load() {
		return OnStopKeep
	}
	return w.opts.OnStop
}

// followFunc delivers the allocations of a worker until ctx ends.
type followFunc func(ctx context.Context, w berth.WorkerID, deliver func(context.Context, etcdstore.Delta) error) error

// New checks the options. It starts nothing.
func New(opts Options) (*Worker, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Worker{opts: opts, warm: newWarmth(opts.WarmKeys, opts.WarmImages), log: opts.Log.With(zap.String("worker", string(opts.ID)))}, nil
}

// Run takes up what a former agent of this state directory has left, or registers
// the worker, and runs what is placed on it, one epoch after the other, until ctx
// ends; then it does what Options.OnStop says, revokes its lease (unless it keeps
// its containers), and returns nil. While the store cannot be reached it goes on trying.
// It returns ErrNameTaken, ErrStateDirLocked, or an error of the state directory.
func (w *Worker) Run(ctx context.Context) error {
	rec, err := w.opts.OpenRecords()
	if err != nil {
		return fmt.Errorf("worker %s: %w", w.opts.ID, err)
	}
	if w.stateID, err = rec.Identity(); err != nil {
		return errors.Join(fmt.Errorf("worker %s: %w: %w", w.opts.ID, errStateDir, err), rec.Close())
	}
	for ctx.Err() == nil {
		if err = w.live(ctx, rec); err != nil {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("worker %s: %w", w.opts.ID, err)
	}
	return errors.Join(err, rec.Close())
}

// live is one epoch: from a machine without containers, or a former agent's, to
// one without them, or the next agent's.
func (w *Worker) live(ctx context.Context, rec Records) error {
	reg, err := w.resume(ctx, rec)
	if err == nil && reg == nil && ctx.Err() == nil {
		reg, err = w.register(ctx, rec)
	}
	if err != nil || reg == nil {
		return err
	}
	w.log.Info("registered", zap.Int("taken_up", len(reg.adopted)), zap.Int64("epoch", int64(reg.epoch)), zap.String("lease", reg.lease.ID), zap.Duration("ttl", reg.lease.TTL))
	if w.opts.OnRegistered != nil {
		w.opts.OnRegistered(reg.epoch)
	}
	e := newEpoch(w, reg, rec)
	if err := e.run(ctx); err != nil {
		return errors.Join(err, reg.close())
	}
	if err := reg.close(); err != nil {
		w.log.Debug("lease ended", zap.Error(err))
	}
	if e.keeping {
		return nil
	}
	return w.revoke(rec, reg.lease)
}

// revoke ends the last epoch's lease: nothing of it runs. Where the store cannot
// be reached, its record stays, for the next registration or the next agent. That
// must not take the epoch up again: a revocation without an answer may come late.
func (w *Worker) revoke(rec Records, lease *etcdstore.Lease) error {
	if err := giveUp(rec, w.leaseRecord(lease)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := w.opts.Store.RevokeLease(ctx, lease.ID); err != nil {
		w.log.Warn("lease not revoked; it ends by itself", zap.String("lease", lease.ID), zap.Error(err))
		return nil
	}
	if err := rec.DropLease(); err != nil {
		return fmt.Errorf("%w: %w", errStateDir, err)
	}
	return nil
}

// storeTimeout bounds one call of the store; retryFirst and retryMost the pause
// before it is tried again.
const (
	storeTimeout = 10 * time.Second
	retryFirst   = 100 * time.Millisecond
	retryMost    = 5 * time.Second
)

// retry calls fn until it succeeds, fails for good, or ctx ends; then its error
// is ctx's.
func (w *Worker) retry(ctx context.Context, what string, fn func(context.Context) error) error {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		err := w.once(ctx, fn)
		if err == nil || final(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.log.Warn("not done yet; trying again", zap.String("what", what), zap.Duration("pause", pause), zap.Error(err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *Worker) once(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return fn(ctx)
}

// final says whether trying again cannot help.
func final(err error) bool {
	return errors.Is(err, etcdstore.ErrWorkerNameTaken) || errors.Is(err, etcdstore.ErrWorkerRemoved) ||
		errors.Is(err, etcdstore.ErrLeaseGone) || errors.Is(err, etcdstore.ErrNewerSchema) || errors.Is(err, errStateDir)
}
