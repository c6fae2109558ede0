package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthd/berth"
)

// Curve is a series of measurements of which one thing changes.
type Curve string

// The curves.
const (
	CurveLoad        Curve = "load"        // placements, over the rate at which requests come, by the sustained one
	CurveWorkers     Curve = "workers"     // placements, over the workers
	CurveAllocations Curve = "allocations" // placements, over what is in the store already
	CurveDecisions   Curve = "decisions"   // decisions alone, over the workers, by strategy, shapes and fill
)

// Curves are all of them.
var Curves = []Curve{CurveLoad, CurveWorkers, CurveAllocations, CurveDecisions}

// CurvePoint is one measurement, and a line of JSON in a curve's file.
type CurvePoint struct {
	Curve   Curve   `json:"curve"`
	Percent int     `json:"percent,omitempty"` // of load: of the sustained rate; 0: without a rate, which is how that one is found
	Report  *Report `json:"report"`
}

// CurveOptions of a curve. Zero fields mean the defaults; workers, shapes and strategy
// are the curve's own.
type CurveOptions struct {
	Options
	Curve Curve
	At    []int                  // percents of the sustained rate, workers, or allocations; default: see defaultAt
	Have  []CurvePoint           // measured before; those of this program, machine and shape are not measured again
	Write func(CurvePoint) error // called with each new one
}

// loadFor is how long requests come at a rate.
const loadFor = 10 * time.Second

// Of curves: the fleet of those that change something else.
const (
	curveWorkers     = 1000
	curveWorkersMost = 10_000 // of allocations
	curveRequests    = 20_000
)

func (c Curve) defaultAt() []int {
	switch c {
	case CurveLoad:
		return []int{10, 25, 50, 75, 90, 100, 110}
	case CurveWorkers:
		return []int{20, 100, 300, 1000, 3000, 10_000}
	case CurveAllocations:
		return []int{0, 10_000, 100_000, 300_000, 1_000_000}
	}
	return []int{20, 1000, 10_000}
}

func (c Curve) mostAt() int {
	switch c {
	case CurveLoad:
		return 1000
	case CurveAllocations:
		return maxAllocated
	}
	return maxWorkers
}

func (c Curve) leastAt() int {
	if c == CurveAllocations {
		return 0
	}
	return 1
}

func (o *CurveOptions) defaults() {
	if len(o.At) == 0 {
		o.At = o.Curve.defaultAt()
	}
	o.Workers, o.Shapes, o.Strategy = 0, nil, "" // each point says its own
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	setDefault(&o.Rounds, 3)
}

// Validate checks every bound.
func (o CurveOptions) Validate() error {
	o.defaults()
	if !slices.Contains(Curves, o.Curve) {
		var names []string
		for _, c := range Curves {
			names = append(names, string(c))
		}
		return &berth.FieldError{Field: "curve", Value: string(o.Curve), Problem: "is unknown", Bound: strings.Join(names, ", ")}
	}
	for _, at := range o.At {
		if err := within(bound{"at", at, o.Curve.leastAt(), o.Curve.mostAt()}); err != nil {
			return err
		}
	}
	o.Options.defaults(curveWorkers, curveRequests)
	return o.validate()
}

// MeasureCurve measures what is missing of a curve, a point after the other, and says
// how many still are when ctx ends: what was being measured then is dropped.
func MeasureCurve(ctx context.Context, opts CurveOptions) (missing int, err error) {
	if err := opts.Validate(); err != nil {
		return 0, err
	}
	opts.defaults()
	c := &curving{opts: &opts}
	points := c.points()
	for i, p := range points {
		if had := c.had(p); had != nil {
			c.learn(p, had)
			continue
		}
		opts.Say("point %d of %d: %s", i+1, len(points), p)
		r, err := c.measure(ctx, p)
		if err != nil {
			return len(points) - i, err
		}
		if r.Interrupted || ctx.Err() != nil {
			return len(points) - i, nil
		}
		c.learn(p, r)
		if err := opts.Write(CurvePoint{Curve: opts.Curve, Percent: p.percent, Report: r}); err != nil {
			return len(points) - i, err
		}
		if len(r.Violations) > 0 {
			return len(points) - i - 1, fmt.Errorf("%s: the store violates its invariants: %s", p, strings.Join(r.Violations, "; "))
		}
	}
	return 0, nil
}

// curving is a curve that is being measured.
type curving struct {
	opts      *CurveOptions
	sustained *Report // of load: without a rate
}

// point is what is asked for in one of them.
type point struct {
	percent, workers, allocations int
	shapes, fill                  int
	strategy                      berth.Strategy
}

func (p point) String() string {
	text := fmt.Sprintf("%d workers, %d allocations, %d shapes, %s", p.workers, p.allocations, p.shapes, p.strategy)
	if p.fill > 0 {
		text += fmt.Sprintf(", %d %% full", p.fill)
	}
	if p.percent > 0 {
		text += fmt.Sprintf(", %d %% of the sustained rate", p.percent)
	}
	return text
}

func (c *curving) points() []point {
	base := point{workers: curveWorkers, shapes: 1, strategy: berth.StrategySpread}
	var all []point
	if c.opts.Curve == CurveLoad {
		all = append(all, base)
	}
	for _, at := range c.opts.At {
		p := base
		switch c.opts.Curve {
		case CurveLoad:
			p.percent = at
		case CurveWorkers:
			p.workers = at
		case CurveAllocations:
			p.workers, p.allocations = curveWorkersMost, at
		default:
			all = append(all, decisionPoints(at)...)
			continue
		}
		all = append(all, p)
	}
	return all
}

func decisionPoints(workers int) []point {
	var all []point
	for _, strategy := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		for _, shapes := range []int{1, 50} {
			for _, fill := range []int{0, 50, 95} {
				all = append(all, point{workers: workers, shapes: shapes, fill: fill, strategy: strategy})
			}
		}
	}
	return all
}

// had is what an earlier run measured of a point, nil where it did not.
func (c *curving) had(p point) *Report {
	for i := range slices.Backward(c.opts.Have) {
		h := &c.opts.Have[i]
		if h.Curve == c.opts.Curve && h.Report != nil && h.point(c.opts.Curve) == p && h.Report.Version == c.opts.Version && h.Report.Machine.CPU == cpuModel() {
			return h.Report
		}
	}
	return nil
}

func (h *CurvePoint) point(c Curve) point {
	s := &h.Report.Setup
	p := point{percent: h.Percent, workers: h.Report.Workers, allocations: s.Allocations, shapes: s.Shapes, strategy: s.Strategy}
	if c == CurveDecisions {
		p.fill = s.Fill
	}
	return p
}

// learn takes what later points need.
func (c *curving) learn(p point, r *Report) {
	if c.opts.Curve == CurveLoad && p.percent == 0 {
		c.sustained = r
	}
}

func (c *curving) measure(ctx context.Context, p point) (*Report, error) {
	o := c.opts.Options
	o.Workers, o.Strategy = p.workers, p.strategy
	if p.shapes > 1 {
		o.Shapes = SomeShapes(p.shapes)
	}
	if c.opts.Curve == CurveDecisions {
		return Decide(ctx, DecideOptions{Options: o, Fill: p.fill})
	}
	place := PlaceOptions{Options: o, Allocations: p.allocations}
	if p.percent > 0 {
		c.atRate(&place, p.percent)
	}
	return Place(ctx, place)
}

// atRate has requests come at a share of the sustained rate for a while. The floor is
// measured beside it at its best point, which is known by then.
func (c *curving) atRate(o *PlaceOptions, percent int) {
	o.Rate = *c.sustained.PlacementsPerS * float64(percent) / 100
	if o.Requests == 0 {
		o.Requests = max(1, min(maxRequests, int(o.Rate*loadFor.Seconds())))
	}
	if grid := c.sustained.Grid; len(grid) > 0 {
		o.Batches, o.InFlight = []int{grid[0].Batch}, []int{grid[0].Concurrency}
	}
}
