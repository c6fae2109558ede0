package worker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// Bounds of hollow workers, and when they share.
const (
	MaxHollow = 10_000
	// Up to ownWatches each has its watch, as in real life; beyond it one watch
	// for all of them costs the store a fraction, and the agents see the same.
	ownWatches       = 200
	registerParallel = 32
)

// DefaultShape is what a hollow worker pretends to be unless told otherwise: 10
// cores and 20 GB.
var DefaultShape = Shape{Capacity: berth.Capacity{
	Quantities: berth.Quantities{CPUMilli: 10_000, MemoryBytes: 20_000_000_000, DiskBytes: 100_000_000_000},
	Ports:      berth.PortRange{First: firstPort, Last: lastPort},
}}

// HollowOptions of many workers in one process that only pretend to run
// containers. Zero fields mean the defaults.
type HollowOptions struct {
	Store  *etcdstore.Store
	Name   string  // they are called NAME-0001 ...; default "hollow"
	Count  int     // default: one of each shape
	Shapes []Shape // taken in turn; default: DefaultShape
	Pool   berth.PoolID
	Spot   bool // all of them; else those whose shape says so
	TTL    time.Duration

	// WaitForName waits for the end of other agents' leases on these names, as after a crash of
	// this program: hollow workers keep no record of their own. Else they end with ErrNameTaken.
	WaitForName bool

	WarmKeys, WarmImages []string // of all of them; beside the images, those of the shape

	RunFor     time.Duration // how long a container runs; 0: until it is stopped
	StartDelay time.Duration
	FailStarts bool // every start fails
	Hang       bool // nothing is ever started

	OnRegistered func(berth.WorkerID, berth.Epoch) // called from many goroutines
	Version      string
	Log          *zap.Logger
	Now          func() time.Time

	now func() time.Time
}

// Hollow is many hollow workers. Their leases, watches, fences and reports are
// real.
type Hollow struct {
	workers []*Worker
	feed    *feed // nil: each has its own watch
}

func (o *HollowOptions) setDefaults() {
	setDefault(&o.Name, "hollow")
	if len(o.Shapes) == 0 {
		o.Shapes = []Shape{DefaultShape}
	}
	setDefault(&o.Count, len(o.Shapes))
	if o.Now == nil {
		o.Now = time.Now
	}
	o.now = o.Now
}

// Check says what is wrong with o, but for its Store. What comes behind the last shape is
// as one before, but for its name.
func (o HollowOptions) Check() error {
	o.setDefaults()
	if o.Count < 1 || o.Count > MaxHollow {
		return &berth.FieldError{Field: "hollow", Value: fmt.Sprint(o.Count), Problem: "is not allowed", Bound: fmt.Sprintf("1 to %d workers", MaxHollow)}
	}
	for i := range o.Count {
		if i > len(o.Shapes) && i < o.Count-1 {
			continue
		}
		if err := (&Hollow{}).options(o, i, nil, nil).Check(); err != nil {
			return fmt.Errorf("hollow worker %d: %w", i+1, err)
		}
	}
	return nil
}

// NewHollow checks the options. It starts nothing.
func NewHollow(opts HollowOptions) (*Hollow, error) {
	opts.setDefaults()
	if err := opts.Check(); err != nil {
		return nil, err
	}
	if opts.Store == nil {
		return nil, fmt.Errorf("hollow workers: Store is missing")
	}
	h := &Hollow{}
	if opts.Count > ownWatches {
		h.feed = newFeed(opts.Store)
	}
	if err := h.make(opts); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Hollow) make(opts HollowOptions) error {
	runtime, gate := &hollowRuntime{opts: opts}, make(chan struct{}, registerParallel)
	for i := range opts.Count {
		w, err := New(h.options(opts, i, runtime, gate))
		if err != nil {
			return fmt.Errorf("hollow worker %d: %w", i+1, err)
		}
		h.workers = append(h.workers, w)
	}
	return nil
}

func (h *Hollow) options(opts HollowOptions, i int, runtime Runtime, gate chan struct{}) Options {
	shape := opts.Shapes[i%len(opts.Shapes)]
	id := berth.WorkerID(fmt.Sprintf("%s-%04d", opts.Name, i+1))
	if shape.Name != "" && i < len(opts.Shapes) {
		id = berth.WorkerID(shape.Name)
	}
	o := Options{
		ID: id, Pool: opts.Pool, Labels: shape.Labels, Taints: shape.Taints, Spot: opts.Spot || shape.Spot, Capacity: shape.Capacity,
		Store: opts.Store, Runtime: runtime, TTL: opts.TTL, WaitForName: opts.WaitForName,
		Version: opts.Version, Log: opts.Log, Now: opts.Now,
		WarmKeys: opts.WarmKeys, WarmImages: slices.Concat(opts.WarmImages, shape.WarmImages),
		hollow: true, hang: opts.Hang, gate: gate,
	}
	if opts.OnRegistered != nil {
		o.OnRegistered = func(e berth.Epoch) { opts.OnRegistered(id, e) }
	}
	if h.feed != nil {
		o.follow = h.feed.follow
	}
	return o
}

// IDs names the workers.
func (h *Hollow) IDs() []berth.WorkerID {
	ids := make([]berth.WorkerID, 0, len(h.workers))
	for _, w := range h.workers {
		ids = append(ids, w.opts.ID)
	}
	return ids
}

// Run runs all of them until ctx ends, or one fails for good.
func (h *Hollow) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	feedCtx, stopFeed := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFeed()
	var feeding errgroup.Group
	if h.feed != nil {
		feeding.Go(func() error { return h.feed.run(feedCtx) })
	}
	for _, w := range h.workers {
		group.Go(func() error { return w.Run(ctx) })
	}
	err := group.Wait()
	stopFeed() // not before: the last events of ending workers come through it
	if feedErr := feeding.Wait(); err == nil {
		err = feedErr
	}
	return err
}
