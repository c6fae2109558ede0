package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthd/berth/invariant"
)

// side is one way of being the scheduler: it places n requests on a fresh store.
type side struct {
	name string
	run  func(ctx context.Context, n int, done func(int)) (*outcome, error)
}

// outcome of a phase of the scheduler.
type outcome struct {
	Measure
	units      []unit
	templates  []template
	perWorker  map[int]int // placements of each, of the last burst
	stages     *Stages
	violations []invariant.Violation
}

// contest measures sides and floor by turns, each on a fresh store of the same size.
type contest struct {
	opts  *Options
	sides []side
	// store is a fresh one for the floor, as large as a side's; bare: without what is
	// in it already, which takes long to put and does not choose between points.
	store func(ctx context.Context, bare bool) (*etcd, *fleet, error)
	burst int // placements that are waited for together; 0: all
	top   int // points of the floor that each round tries
	tries int // placements by which points are chosen
}

// round is what one turn showed.
type round struct {
	sides []*outcome
	floor Measure
	point Point
}

// Of choosing points.
const (
	pointWithin = 1500 * time.Millisecond
	pointTries  = 8192
)

// results of a contest.
type results struct {
	rounds  []round
	partial *outcome // of a round that was cut: better than nothing
	grid    []GridPoint
	cut     bool
}

// GridPoint is the floor's rate at one point, on a store that other points have used.
type GridPoint struct {
	Point
	PerS float64 `json:"per_s"`
}

func (c *contest) run(ctx context.Context) (*results, error) {
	out := &results{}
	c.opts.Say("choosing the floor's batch and transactions in flight")
	sample, err := c.side(ctx, c.sides[0], min(c.tries, c.opts.Requests), "a first look at the scheduler")
	if err == nil && !sample.Cut {
		out.grid, err = c.choose(ctx, sample)
	}
	if err != nil || len(out.grid) == 0 {
		out.partial, out.cut = sample, ctx.Err() != nil
		return out, unlessCut(ctx, err)
	}
	script := sample
	for i := range c.opts.Rounds {
		r, last, err := c.round(ctx, i, script, out.grid)
		if last != nil && last.Placements > 0 && (out.partial == nil || !last.Cut) {
			out.partial = last
		}
		if ctx.Err() != nil {
			out.cut = true
			return out, nil
		}
		if err != nil {
			return out, err
		}
		script = r.sides[0]
		out.rounds = append(out.rounds, *r)
		c.opts.Say("round %d of %d: %s", i+1, c.opts.Rounds, r.line(c.sides))
	}
	return out, nil
}

// unlessCut drops errors that the end of ctx has brought about.
func unlessCut(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (r *round) line(sides []side) string {
	text := ""
	for i, o := range r.sides {
		text += fmt.Sprintf("%s %.0f/s, ", sides[i].name, o.PerS())
	}
	return text + fmt.Sprintf("floor %.0f/s (batches of %d, %d in flight)", r.floor.PerS(), r.point.Batch, r.point.Concurrency)
}

// round measures sides and floor; which comes first changes with each, among the
// sides, too, so that a machine that gets slower favours none.
func (c *contest) round(ctx context.Context, i int, script *outcome, grid []GridPoint) (*round, *outcome, error) {
	r := &round{sides: make([]*outcome, len(c.sides))}
	var last *outcome
	sides := func() error {
		for k := range c.sides {
			if i%2 == 1 {
				k = len(c.sides) - 1 - k
			}
			s := c.sides[k]
			o, err := c.side(ctx, s, c.opts.Requests, fmt.Sprintf("round %d of %d: %s", i+1, c.opts.Rounds, s.name))
			if k == 0 {
				last = o
			}
			if err != nil || o.Cut {
				return err
			}
			r.sides[k] = o
		}
		return nil
	}
	floor := func() error {
		for _, at := range grid[:min(c.top, len(grid))] {
			m, err := c.floor(ctx, script, at.Point, fmt.Sprintf("round %d of %d: floor", i+1, c.opts.Rounds))
			if err != nil {
				return err
			}
			if m.PerS() > r.floor.PerS() {
				r.floor, r.point = m, at.Point
			}
		}
		return nil
	}
	order := []func() error{sides, floor}
	if i%2 == 1 {
		slices.Reverse(order)
	}
	for n, step := range order {
		if err := step(); err != nil {
			return nil, last, err
		}
		if ctx.Err() != nil {
			return nil, last, ctx.Err()
		}
		if n == 0 && r.sides[0] != nil {
			script = r.sides[0]
		}
	}
	return r, last, nil
}

func (c *contest) side(ctx context.Context, s side, n int, what string) (*outcome, error) {
	settle()
	return s.run(ctx, n, c.opts.Progress.begin(what, n))
}

// floor writes a script on a fresh store.
func (c *contest) floor(ctx context.Context, script *outcome, at Point, what string) (_ Measure, err error) {
	settle()
	e, f, err := c.store(ctx, false)
	if err != nil {
		return Measure{}, errors.Join(err, closeIf(e))
	}
	defer func() { err = errors.Join(err, e.close()) }()
	fl := &floor{etcd: e, fleet: f, templates: script.templates, done: c.opts.Progress.begin(what, len(script.units))}
	return fl.measure(ctx, c.bursts(script.units), at, c.burst)
}

func closeIf(e *etcd) error {
	if e == nil {
		return nil
	}
	return e.close()
}

// measure is run, where a burst's time is asked for instead of a transaction's.
func (f *floor) measure(ctx context.Context, bursts [][]unit, at Point, burst int) (Measure, error) {
	m, walls, err := f.run(ctx, bursts, at)
	if burst > 0 {
		m.ofBursts(walls, burst)
	}
	return m, err
}

// ofBursts makes the rate that of the median burst: one that met a pause of the
// machine must not count for ten.
func (m *Measure) ofBursts(walls []time.Duration, burst int) {
	m.Latency = NewLatency()
	for _, w := range walls {
		m.Latency.Record(w)
	}
	if len(walls) > 0 {
		slices.Sort(walls)
		m.rate = float64(burst) / walls[len(walls)/2].Seconds()
	}
}

func (c *contest) bursts(units []unit) [][]unit {
	if c.burst == 0 {
		return [][]unit{units}
	}
	return slices.Collect(slices.Chunk(units, c.burst))
}

// choose tries every point on one store, and sorts them, the best first. Points
// whose transactions the store would refuse are left out.
func (c *contest) choose(ctx context.Context, script *outcome) (grid []GridPoint, err error) {
	e, f, err := c.store(ctx, true)
	if err != nil {
		return nil, errors.Join(err, closeIf(e))
	}
	defer func() { err = errors.Join(err, e.close()) }()
	limits := f.store.Limits()
	done := c.opts.Progress.begin("trying points of the floor", len(c.opts.Batches)*len(c.opts.InFlight))
	for _, batch := range c.opts.Batches {
		if batch > 1 && !fits(script.templates, batch, limits.Ops, limits.Bytes) {
			done(len(c.opts.InFlight))
			continue
		}
		for _, n := range c.opts.InFlight {
			at := Point{batch, n}
			m, err := c.try(ctx, e, f, script, at, len(grid))
			if err != nil {
				return nil, err
			}
			if m.Placements > 0 {
				grid = append(grid, GridPoint{at, m.PerS()})
			}
			done(1)
			if ctx.Err() != nil {
				return nil, nil
			}
		}
	}
	if len(grid) == 0 {
		return nil, fmt.Errorf("no batch of the floor fits into a transaction of the store: %d operations, %d bytes", limits.Ops, limits.Bytes)
	}
	slices.SortStableFunc(grid, func(a, b GridPoint) int { return cmp.Compare(b.PerS, a.PerS) })
	return grid, nil
}

// try writes the script once more, under other ids of the same length.
func (c *contest) try(ctx context.Context, e *etcd, f *fleet, script *outcome, at Point, turn int) (Measure, error) {
	units := slices.Clone(script.units)
	for i := range units {
		units[i].id = string(requestID('f', turn*len(units)+i))
	}
	fl := &floor{etcd: e, fleet: f, templates: script.templates, within: pointWithin}
	return fl.measure(ctx, c.bursts(units), at, c.burst)
}
