package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// FloorOptions of the floor by itself. Its transactions are learned from a daemon
// that places a few thousand requests first; Requests are written in each round.
type FloorOptions struct {
	PlaceOptions
	Lives bool // the writes of whole lives, instead of placements
}

func (o *FloorOptions) defaults() {
	if len(o.Batches) == 0 {
		o.Batches = []int{1, 24, 64, 256, 512}
	}
	if len(o.InFlight) == 0 {
		o.InFlight = []int{1, 2, 4, 8, 16}
	}
	o.PlaceOptions.defaults()
}

// Validate checks every bound.
func (o FloorOptions) Validate() error {
	o.defaults()
	return o.PlaceOptions.Validate()
}

// Floor measures the floor, and beside it, by turns, a bare loop of etcd
// transactions of that shape: the floor must come close to it.
func Floor(ctx context.Context, opts FloorOptions) (*Report, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.defaults()
	c := (&placing{opts: &opts.PlaceOptions}).contest()
	if opts.Lives {
		l := &living{opts: &LifeOptions{Options: opts.Options, Callers: opts.Callers, Daemons: opts.Daemons, Via: opts.Via}}
		l.opts.defaults()
		c = &contest{opts: &opts.Options, store: l.store, sides: []side{{"scheduler", l.live}}, tries: pointTries / 4}
	}
	fl := &flooring{contest: c, setup: opts.setup()}
	err := fl.run(ctx)
	return fl.report(), err
}

type flooring struct {
	*contest
	setup        Setup
	grid         []GridPoint
	floors, bare []Measure
	cut          bool
}

func (f *flooring) run(ctx context.Context) error {
	sample, err := f.side(ctx, f.sides[0], min(f.tries, f.opts.Requests), "the scheduler, to learn its writes")
	if err == nil && !sample.Cut {
		f.grid, err = f.choose(ctx, sample)
	}
	if f.cut = ctx.Err() != nil; f.cut || err != nil {
		return unlessCut(ctx, err)
	}
	script := sample.stretched(f.opts.Requests)
	for i := range f.opts.Rounds {
		order := []bool{false, true}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, bare := range order {
			m, err := f.one(ctx, script, bare, fmt.Sprintf("round %d of %d: %s", i+1, f.opts.Rounds, word(bare)))
			if m.Placements > 0 && (!m.Cut || len(f.floors) == 0) {
				f.keep(m, bare)
			}
			if f.cut = ctx.Err() != nil; f.cut || err != nil {
				return unlessCut(ctx, err)
			}
		}
		f.opts.Say("round %d of %d: floor %.0f/s, bare loop %.0f/s", i+1, f.opts.Rounds, f.floors[i].PerS(), f.bare[i].PerS())
	}
	return nil
}

func word(bare bool) string {
	if bare {
		return "bare loop"
	}
	return "floor"
}

func (f *flooring) keep(m Measure, bare bool) {
	if bare {
		f.bare = append(f.bare, m)
	} else {
		f.floors = append(f.floors, m)
	}
}

func (f *flooring) one(ctx context.Context, script *outcome, bare bool, what string) (_ Measure, err error) {
	settle()
	e, fleet, err := f.store(ctx, false)
	if err != nil {
		return Measure{}, errors.Join(err, closeIf(e))
	}
	defer func() { err = errors.Join(err, e.close()) }()
	fl := &floor{etcd: e, fleet: fleet, templates: script.templates, bare: bare, done: f.opts.Progress.begin(what, len(script.units))}
	m, _, err := fl.run(ctx, f.bursts(script.units), f.grid[0].Point)
	return m, err
}

// stretched repeats a script, under new ids, until it has n placements.
func (o *outcome) stretched(n int) *outcome {
	out := &outcome{templates: o.templates, units: make([]unit, n)}
	for i := range out.units {
		out.units[i] = o.units[i%len(o.units)]
		out.units[i].id = string(requestID('b', i))
	}
	return out
}
