package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// Options of a daemon; zero fields mean the defaults given.
type Options struct {
	ID         berth.DaemonID // default: "daemon"
	Address    string         // of its API, for others to see
	Version    string
	TTL        time.Duration // of its membership; default 10 s
	Retention  Retention
	History    History
	Log        *zap.Logger           // default: none
	Registerer prometheus.Registerer // default: none
	Now        func() time.Time      // default: time.Now
}

// Retention bounds the archive: a record is purged when it is older than MaxAge,
// or, oldest first, while the archive is larger than MaxBytes.
type Retention struct {
	MaxAge   time.Duration // default 24 h; at least a minute
	MaxBytes int64         // default 512 MiB
}

// Daemon schedules requests of one store. Several may run on one store.
type Daemon struct {
	opts    Options
	store   *etcdstore.Store
	loop    *loop // the first; Run makes another for another cluster
	metrics *metrics
	calls   chan func(*loop) // written by callers, read by the loop, never closed
	readers chan struct{}    // a place for each of those who read the whole store
	own     chan ownKey      // written by the loop; one: the latest is what counts

	accepting chan struct{} // closed by the first loop when its workers are known
	ready     chan struct{} // closed by the first loop when everything is
	done      chan struct{} // closed when Run returns
}

// New validates options. It starts nothing.
func New(store *etcdstore.Store, opts Options) (*Daemon, error) {
	if opts.ID == "" {
		opts.ID = "daemon"
	}
	if err := berth.CheckID("daemon id", string(opts.ID)); err != nil {
		return nil, err
	}
	if opts.TTL == 0 {
		opts.TTL = 10 * time.Second
	}
	if opts.TTL < 2*time.Second {
		return nil, fmt.Errorf("daemon TTL %s is too short; allowed: at least 2s", opts.TTL)
	}
	if opts.Retention.MaxAge == 0 {
		opts.Retention.MaxAge = 24 * time.Hour
	}
	if opts.Retention.MaxAge < time.Minute {
		return nil, fmt.Errorf("retention age %s is too short; allowed: at least 1m", opts.Retention.MaxAge)
	}
	if opts.Retention.MaxBytes == 0 {
		opts.Retention.MaxBytes = 512 << 20
	}
	if opts.Retention.MaxBytes < 0 {
		return nil, fmt.Errorf("retention bytes %d is negative", opts.Retention.MaxBytes)
	}
	var err error
	if opts.History, err = opts.History.withDefaults(); err != nil {
		return nil, err
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	d := &Daemon{
		opts: opts, store: store,
		metrics: newMetrics(opts.Registerer),
		calls:   make(chan func(*loop), 256), // a burst of submissions gathers here
		readers: make(chan struct{}, readersMost),
		own:     make(chan ownKey, 1),

		accepting: make(chan struct{}), ready: make(chan struct{}), done: make(chan struct{}),
	}
	d.loop = newLoop(d)
	if opts.Registerer != nil {
		if err := opts.Registerer.Register(newRequestMetrics(d)); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return d, nil
}

// Accepting is closed when workers are known, and what is submitted is accepted and
// placed. What else is asked is answered when everything is known: see Ready.
func (d *Daemon) Accepting() <-chan struct{} { return d.accepting }

// Ready is closed when everything is known, and whatever is asked is answered.
func (d *Daemon) Ready() <-chan struct{} { return d.ready }

// Run follows the store and schedules until ctx ends; what is in flight then is
// finished. When another cluster answers, all that was known is dropped, and the
// new one is loaded. Call it once. It returns after its last goroutine.
func (d *Daemon) Run(ctx context.Context) error {
	defer close(d.done)
	for l := d.loop; ; l = l.renew() {
		err := d.runOn(ctx, l)
		switch {
		case errors.Is(err, etcdstore.ErrClusterChanged) && ctx.Err() == nil:
			d.opts.Log.Warn("the store was restored or replaced; dropping what was known, and loading it anew", zap.Error(err))
			wait(ctx, pause) // where two clusters answer by turns
		case errors.Is(err, context.Canceled):
			return nil
		default:
			return err
		}
	}
}

// runOn is the time on one cluster.
func (d *Daemon) runOn(ctx context.Context, l *loop) error {
	if err := d.store.Init(ctx); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	stopping := func() bool { return ctx.Err() != nil } // the whole daemon, not this cluster's time
	g, ctx := errgroup.WithContext(ctx)
	over := make(chan struct{})
	g.Go(func() error { return d.store.Follow(ctx, l.deliver) })
	g.Go(func() error { defer close(over); return l.run(ctx, stopping) })
	g.Go(func() error { return d.keepMembership(ctx, over) })
	g.Go(func() error { return d.keepSpace(ctx) })
	return g.Wait()
}

// post hands fn to the loop.
func (d *Daemon) post(ctx context.Context, fn func(*loop)) error {
	if ctx.Err() != nil {
		return ctx.Err() // not by the luck of the select
	}
	select {
	case d.calls <- fn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.done:
		return ErrNotReady
	}
}

// call runs fn on the loop, once everything is known, and waits for it.
func (d *Daemon) call(ctx context.Context, fn func(*loop)) error {
	return d.callOnce(ctx, needsAll, fn)
}

// callEarly is call once workers are known.
func (d *Daemon) callEarly(ctx context.Context, fn func(*loop)) error {
	return d.callOnce(ctx, needsWorkers, fn)
}

// callOnce has the loop wait, not the caller: so calls are answered in the order in
// which they came, and not in the order in which those who wait happen to wake.
func (d *Daemon) callOnce(ctx context.Context, need knowledge, fn func(*loop)) error {
	var taken atomic.Bool // by the loop, or by the caller, who has gone
	ran := make(chan bool, 1)
	ask := func(l *loop) {
		if !taken.CompareAndSwap(false, true) {
			return
		}
		known := l.knows(need)
		if known {
			fn(l)
		}
		ran <- known
	}
	if err := d.post(ctx, func(l *loop) { l.whenKnown(need, ask) }); err != nil {
		return notReady(err)
	}
	known, err := answerOf(ctx, d, ran)
	switch {
	case err != nil && taken.CompareAndSwap(false, true):
		return notReady(err) // it never runs
	case err == nil && !known:
		return fmt.Errorf("%w: the store was restored or replaced, and is being loaded", ErrNotReady)
	}
	return err
}

func notReady(err error) error {
	if errors.Is(err, ErrNotReady) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotReady, err)
}

// answerOf waits for an answer of the loop's; one that is there goes before an end.
func answerOf[T any](ctx context.Context, d *Daemon, c <-chan T) (v T, err error) {
	select {
	case v = <-c:
		return v, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-d.done:
		err = ErrNotReady
	}
	select {
	case v = <-c:
		return v, nil
	default:
		return v, err
	}
}
