package bench

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berthd/berth"
)

// SeedOptions of the seed scenario: 100 requests by 100 concurrent calls on 20
// workers, until all are placed and on disk; by calls within the process, and by
// client calls over a unix socket. Workers and Requests (of a burst) may be others.
type SeedOptions struct {
	Options
	Bursts int // of a round; between two the fleet is emptied; default 20
	Warmup int // bursts before; default 3, below zero none
}

func (o *SeedOptions) defaults() {
	if len(o.Batches) == 0 {
		o.Batches = []int{10, 25, 50, 100}
	}
	if len(o.InFlight) == 0 {
		o.InFlight = []int{1, 2, 4}
	}
	o.Options.defaults(20, 100)
	setDefault(&o.Bursts, 20)
	setDefault(&o.Warmup, 3)
	o.Warmup = max(o.Warmup, 0)
}

// Validate checks every bound.
func (o SeedOptions) Validate() error {
	o.defaults()
	if err := o.validate(); err != nil {
		return err
	}
	if err := within(bound{"requests", o.Requests, 1, maxCallers}, bound{"bursts", o.Bursts, 1, maxBursts}, bound{"warmup", o.Warmup, 0, maxBursts}); err != nil {
		return err
	}
	return within(bound{"bursts", o.Bursts, 1, max(1, maxRequests/o.Requests)}, bound{"warmup", o.Warmup, 0, maxRequests / o.Requests})
}

// Seed measures the seed scenario, and the floor of the same.
func Seed(ctx context.Context, opts SeedOptions) (*Report, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.defaults()
	s := &seeding{opts: &opts, burst: opts.Requests}
	opts.Requests *= opts.Bursts // of a round
	c := &contest{
		opts: &opts.Options, store: s.store, burst: s.burst, top: 3, tries: s.burst * min(5, opts.Bursts),
		sides: []side{{"process", s.via(ViaProcess)}, {"socket", s.via(ViaSocket)}},
	}
	res, err := c.run(ctx)
	r := newReport("seed", &opts.Options, opts.setup(), res)
	r.Requests = s.burst
	return r, err
}

type seeding struct {
	opts  *SeedOptions
	burst int
}

func (s *seeding) store(ctx context.Context, _ bool) (*etcd, *fleet, error) {
	e, err := openEtcd(ctx, &s.opts.Options)
	if err != nil {
		return e, nil, err
	}
	capacity := s.opts.capacity(s.opts.requests('b', s.burst).total(), 50)
	f, err := newFleet(ctx, e, s.opts.Workers, capacity, nil)
	return e, f, err
}

func (s *seeding) via(via Via) func(context.Context, int, func(int)) (*outcome, error) {
	return func(ctx context.Context, n int, done func(int)) (_ *outcome, err error) {
		e, f, err := s.store(ctx, false)
		if err != nil {
			return nil, errors.Join(err, closeIf(e))
		}
		defer func() { err = errors.Join(err, e.close()) }()
		site, err := openSite(ctx, e, siteOptions{daemons: 1, sockets: via == ViaSocket})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, site.close()) }()
		if err := site.ready(ctx, s.opts.Workers); err != nil {
			return nil, err
		}
		o := &outcome{}
		if o.templates, err = site.learnAll(ctx, s.opts.Shapes, nil); err != nil {
			return nil, err
		}
		b := &bursting{site: site, fleet: f, by: site.submitters(via)[0], outcome: o, size: s.burst}
		if err := b.run(ctx, s.opts, n/s.burst, done); err != nil {
			return nil, err
		}
		if ctx.Err() == nil {
			o.violations, err = e.check(ctx)
		}
		return o, err
	}
}

// bursting is one burst after the other, each on an empty fleet.
type bursting struct {
	*outcome
	site  *site
	fleet *fleet
	by    submitter
	size  int
}

func (b *bursting) run(ctx context.Context, opts *SeedOptions, n int, done func(int)) error {
	if err := b.empty(ctx, opts.requests('s', len(opts.Shapes))); err != nil { // the samples
		return err
	}
	warm, load := opts.requests('u', opts.Warmup*b.size), opts.requests('b', n*b.size)
	for i := range opts.Warmup {
		if _, err := b.one(ctx, warm, i*b.size); err != nil {
			return unlessCut(ctx, err)
		}
	}
	settle()
	walls, err := b.all(ctx, opts, load, done)
	b.Cut = ctx.Err() != nil
	b.ofBursts(walls, b.size)
	b.finish(ctx, b.site.etcd)
	return unlessCut(ctx, err)
}

// all bursts, and how long each took.
func (b *bursting) all(ctx context.Context, opts *SeedOptions, load *requests, done func(int)) ([]time.Duration, error) {
	index := b.fleet.index()
	var walls []time.Duration
	err := opts.profiled(func() error {
		for from := 0; from < len(load.drawn); from += b.size {
			before := b.site.etcd.read(ctx, false)
			placed, err := b.burst(ctx, load, from)
			after := b.site.etcd.read(ctx, true)
			if err != nil || ctx.Err() != nil {
				return err
			}
			b.add(before, after)
			walls = append(walls, after.at.Sub(before.at))
			b.note(placed, load, from, index)
			done(b.size)
			if err := b.release(ctx, placed); err != nil {
				return err
			}
		}
		return nil
	})
	return walls, err
}

// note keeps where a burst was placed.
func (b *bursting) note(placed map[berth.RequestID]berth.WorkerID, load *requests, from int, index map[berth.WorkerID]int) {
	var units []unit
	for i := from; i < from+b.size; i++ {
		id := requestID(load.kind, i)
		units = append(units, unit{id: string(id), worker: index[placed[id]], form: int(load.drawn[i])})
	}
	b.units, b.perWorker = append(b.units, units...), perWorker(units)
	b.Placements += b.size
}

// one is a burst that does not count.
func (b *bursting) one(ctx context.Context, load *requests, from int) (map[berth.RequestID]berth.WorkerID, error) {
	placed, err := b.burst(ctx, load, from)
	if err != nil {
		return nil, err
	}
	return placed, b.release(ctx, placed)
}

// empty releases samples, wherever they are.
func (b *bursting) empty(ctx context.Context, load *requests) error {
	placed := make(map[berth.RequestID]berth.WorkerID)
	for i := range load.drawn {
		id := requestID(load.kind, i)
		w, err := Placed(ctx, b.site.daemons[0], id)
		if err != nil {
			return err
		}
		placed[id] = w
	}
	return b.release(ctx, placed)
}

func (b *bursting) release(ctx context.Context, placed map[berth.RequestID]berth.WorkerID) error {
	if err := release(ctx, b.fleet.store, placed); err != nil {
		return err
	}
	return Idle(ctx, b.site.daemons[0])
}

// burst submits so many requests at once, by as many calls.
func (b *bursting) burst(ctx context.Context, load *requests, from int) (map[berth.RequestID]berth.WorkerID, error) {
	placed := make(map[berth.RequestID]berth.WorkerID, b.size)
	var mu sync.Mutex // guards placed, failed
	var failed error
	var wg sync.WaitGroup
	for i := range b.size {
		wg.Go(func() {
			r := load.at(from + i)
			w, err := b.by(ctx, []berth.Request{r})
			if err == nil && w[0] == "" {
				w[0], err = Placed(ctx, b.site.daemons[0], r.ID)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, err)
				return
			}
			placed[r.ID] = w[0]
		})
	}
	wg.Wait()
	return placed, failed
}
