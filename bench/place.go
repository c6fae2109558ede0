package bench

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
)

// PlaceOptions of placements: from the call until the answer that a request is
// placed, and on disk. No agent is at work. Zero fields mean the defaults.
type PlaceOptions struct {
	Options
	Callers     int      // that each wait for their answer; default 1024
	PerCall     int      // requests of a call; default 1
	Rate        float64  // requests a second, whatever the answers do; default: none, as fast as callers get answers
	Daemons     int      // on one store; default 1
	Via         Via      // default process
	Allocations int      // that are there already; default 0
	Fill        int      // percent of the workers' capacity that is used at the end; default 50
	Warmup      int      // requests before the clock runs; default 500, below zero none
	Quota       bool     // the requests' tenant has a quota, which is larger than what they use
	Maintain    Maintain // what is done to the store meanwhile; default nothing
	Against     Against  // what it is measured against, by turns; default nothing
}

func (o *PlaceOptions) defaults() {
	o.Options.defaults(1000, 20_000)
	setDefault(&o.Callers, 1024)
	setDefault(&o.PerCall, 1)
	setDefault(&o.Daemons, 1)
	setDefault(&o.Via, ViaProcess)
	setDefault(&o.Fill, 50)
	setDefault(&o.Warmup, 500)
	setDefault(&o.Maintain, MaintainNothing)
	setDefault(&o.Against, AgainstNothing)
	o.Warmup = max(o.Warmup, 0)
}

// Validate checks every bound.
func (o PlaceOptions) Validate() error {
	o.defaults()
	if err := o.validate(); err != nil {
		return err
	}
	if !(o.Rate >= 0 && o.Rate <= maxRate) {
		return &berth.FieldError{Field: "rate", Value: fmt.Sprint(o.Rate), Problem: "is not allowed", Bound: fmt.Sprintf("0 (none) to %d a second", maxRate)}
	}
	return errors.Join(within(
		bound{"concurrency", o.Callers, 1, maxCallers}, bound{"per-call", o.PerCall, 1, maxPerCall}, bound{"daemons", o.Daemons, 1, maxDaemons},
		bound{"allocations", o.Allocations, 0, maxAllocated}, bound{"fill", o.Fill, 1, maxFill}, bound{"warmup", o.Warmup, 0, maxRequests},
	), o.Via.check(), o.Maintain.check(), o.checkAgainst())
}

// Place measures placements, and the floor of the same.
func Place(ctx context.Context, opts PlaceOptions) (*Report, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.defaults()
	p := &placing{opts: &opts}
	c := p.contest()
	res, err := c.run(ctx)
	return newReport("place", &opts.Options, opts.setup(), res), err
}

type placing struct{ opts *PlaceOptions }

func (p *placing) contest() *contest {
	c := &contest{
		opts: &p.opts.Options, sides: p.sides(), store: p.store, top: 2, tries: pointTries,
	}
	if p.opts.Allocations > 0 {
		c.top = 1 // each takes as long to fill as the scheduler's
	}
	return c
}

// store is a fresh one with the fleet, and what is there already.
func (p *placing) store(ctx context.Context, bare bool) (*etcd, *fleet, error) {
	o := p.opts
	n := o.Allocations
	load, already, warm := o.requests('b', o.Requests), o.requests('p', n), o.requests('u', o.Warmup)
	total := load.total()
	for _, more := range []*requests{already, warm} {
		sum := more.total()
		total.CPUMilli += sum.CPUMilli
		total.MemoryBytes += sum.MemoryBytes
	}
	capacity := o.capacity(total, o.Fill)
	e, err := openEtcd(ctx, &o.Options)
	if err != nil {
		return e, nil, err
	}
	if bare {
		already = nil
	}
	f, err := newFleet(ctx, e, o.Workers, capacity, already)
	return e, f, err
}

func (p *placing) schedule(ctx context.Context, n int, done func(int)) (_ *outcome, err error) {
	e, f, err := p.store(ctx, n < p.opts.Requests)
	if err != nil {
		return nil, errors.Join(err, closeIf(e))
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if p.opts.Strategy != berth.StrategySpread {
		set := func(was berth.Pool) berth.Pool { was.Strategy = p.opts.Strategy; return was }
		if err := f.store.SetPool(ctx, berth.DefaultPool, set); err != nil {
			return nil, err
		}
	}
	s, err := openSite(ctx, e, siteOptions{daemons: p.opts.Daemons, sockets: p.opts.Via == ViaSocket})
	if err != nil {
		return nil, err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.ready(ctx, p.opts.Workers); err != nil {
		return nil, err
	}
	o := &outcome{}
	if o.templates, err = s.learnAll(ctx, p.opts.Shapes, nil); err != nil {
		return nil, err
	}
	if p.opts.Quota { // the floor's writes are those without
		set := func(berth.Amounts) berth.Amounts {
			return berth.Amounts{berth.DimensionCPU: berth.MaxCPUMilli, berth.DimensionMemory: berth.MaxMemoryBytes}
		}
		if _, err := f.store.SetQuota(ctx, berth.DefaultTenant, berth.DefaultPool, set); err != nil {
			return nil, err
		}
	}
	if err := p.warm(ctx, s); err != nil {
		return nil, err
	}
	d := p.drive(s, p.opts.requests('b', n))
	d.done = done
	if err := o.maintained(ctx, e, d, p.opts); err != nil {
		return nil, err
	}
	o.units = d.units(f)
	o.perWorker = perWorker(o.units)
	closed = true
	if err := s.close(); err != nil {
		return nil, err
	}
	if ctx.Err() == nil {
		o.violations, err = e.check(ctx)
	}
	return o, err
}

func (p *placing) drive(s *site, load *requests) *drive {
	return &drive{
		site: s, by: s.submitters(p.opts.Via), load: load, callers: p.opts.Callers, perCall: p.opts.PerCall, rate: p.opts.Rate,
		latency: NewLatency(), done: func(int) {},
	}
}

func (p *placing) warm(ctx context.Context, s *site) error {
	d := p.drive(s, p.opts.requests('u', p.opts.Warmup))
	d.rate = 0
	return d.run(ctx)
}

// maintained is measure, while the store is maintained.
func (o *outcome) maintained(ctx context.Context, e *etcd, d *drive, opts *PlaceOptions) error {
	if opts.Maintain == MaintainNothing {
		return o.measure(ctx, e, d, &opts.Options)
	}
	m := newMaintenance(e, opts.Maintain, len(d.load.drawn))
	tell := d.done
	d.done = func(n int) { tell(n); m.done(n) }
	over := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error { return m.run(ctx, over) })
	err := o.measure(ctx, e, d, &opts.Options)
	close(over)
	err = errors.Join(err, g.Wait())
	o.Maintained = m.times
	return err
}

// measure runs a load between two readings.
func (o *outcome) measure(ctx context.Context, e *etcd, d *drive, opts *Options) error {
	settle()
	return opts.profiled(func() error {
		from := e.read(ctx, false)
		err := d.run(ctx)
		o.add(from, e.read(ctx, true))
		o.Placements, o.Latency, o.Cut = int(d.count.Load()), d.latency, ctx.Err() != nil
		o.finish(ctx, e)
		return err
	})
}

func perWorker(units []unit) map[int]int {
	out := make(map[int]int)
	for _, u := range units {
		out[u.worker]++
	}
	return out
}
