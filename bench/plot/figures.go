package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/bench"
)

// figure is one picture: lines over one axis.
type figure struct {
	name, title string
	x, y        axis
	lines       []line
	source      string // what was measured, on what
}

type axis struct {
	label string
	log   bool
}

// line is a median, and how far it reached.
type line struct {
	name   string
	marks  []mark
	dashed bool // it is no measurement of Berth: a limit, or what was asked for
}

type mark struct{ x, y, least, most float64 }

// figuresOf are those that there are points of. Of a curve that was measured by several
// programs, only the last one's points are drawn: no line is of two.
func figuresOf(points []bench.CurvePoint) []figure {
	of := make(map[bench.Curve][]bench.CurvePoint)
	for _, p := range points {
		of[p.Curve] = append(of[p.Curve], p)
	}
	var all []figure
	for _, c := range bench.Curves {
		some := of[c]
		if len(some) == 0 {
			continue
		}
		last := some[len(some)-1].Report
		some = slices.DeleteFunc(some, func(p bench.CurvePoint) bool { return p.Report.Version != last.Version })
		for _, f := range draftsOf(c, some) {
			f.lines = slices.DeleteFunc(f.lines, func(l line) bool { return len(l.marks) == 0 })
			if len(f.lines) > 0 {
				f.source = sourceOf(last)
				all = append(all, f)
			}
		}
	}
	return all
}

func draftsOf(c bench.Curve, points []bench.CurvePoint) []figure {
	switch c {
	case bench.CurveLoad:
		return loads(points)
	case bench.CurveWorkers:
		x := axis{"workers", true}
		return []figure{costs("cost-workers", "CPU for each placement, over workers", x, points, func(p *bench.CurvePoint) float64 { return float64(p.Report.Workers) })}
	case bench.CurveAllocations:
		x := axis{"allocations in the store, on 10,000 workers", false}
		return []figure{costs("cost-allocations", "CPU for each placement, over allocations", x, points, func(p *bench.CurvePoint) float64 { return float64(p.Report.Setup.Allocations) })}
	}
	return decisions(points)
}

func sourceOf(r *bench.Report) string {
	m := &r.Machine
	text := fmt.Sprintf("berth %s, %s; %s, CPUs used: %d", r.Version, r.At.Format("2006-01-02"), m.CPU, r.CPUs)
	if m.FileSystem != "" {
		text += ", " + m.FileSystem
	}
	if r.Rounds == 1 {
		return text + "; one round"
	}
	return text + fmt.Sprintf("; medians of %d rounds", r.Rounds)
}

// sorted are the points by x; of those that are of the same, the last counts.
func sorted(marks []mark) []mark {
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.x, b.x) })
	var out []mark
	for _, m := range marks {
		if n := len(out); n > 0 && out[n-1].x == m.x {
			out[n-1] = m
			continue
		}
		out = append(out, m)
	}
	return out
}

// loads are throughput and latency over the rate that was asked for.
func loads(points []bench.CurvePoint) []figure {
	var asked, got, p50, p99, p999 []mark
	sustained := 0.0
	for i := range points {
		p := &points[i]
		r := p.Report
		if p.Percent == 0 {
			sustained = value(r.PlacementsPerS)
			continue
		}
		x := r.Setup.RatePerS
		least, most := spread(r.Each, func(e *bench.Each) *float64 { return &e.PlacementsPerS })
		asked = append(asked, mark{x, x, x, x})
		got = append(got, mark{x, value(r.PlacementsPerS), least, most})
		p50 = append(p50, latency(x, r.P50MS, r.Each, func(e *bench.Each) *float64 { return e.P50MS })...)
		p99 = append(p99, latency(x, r.P99MS, r.Each, func(e *bench.Each) *float64 { return e.P99MS })...)
		if r.P999MS != nil {
			p999 = append(p999, mark{x, *r.P999MS, *r.P999MS, *r.P999MS})
		}
	}
	x := axis{"offered load, requests/s", false}
	if sustained > 0 {
		x.label = fmt.Sprintf("offered load, requests/s (sustained without a rate: %s/s)", comma(math.Round(sustained)))
	}
	return []figure{
		{name: "load-throughput", title: "Throughput over offered load", x: x, y: axis{"placements/s", false}, lines: []line{
			{name: "placed", marks: sorted(got)}, {name: "asked for", marks: sorted(asked), dashed: true},
		}},
		{name: "load-latency", title: "Latency over offered load, submit to placed and on disk", x: x, y: axis{"milliseconds", true}, lines: []line{
			{name: "p999", marks: sorted(p999)}, {name: "p99", marks: sorted(p99)}, {name: "p50", marks: sorted(p50)},
		}},
	}
}

func latency(x float64, median *float64, each []bench.Each, of func(*bench.Each) *float64) []mark {
	if median == nil {
		return nil
	}
	least, most := spread(each, of)
	return []mark{{x, *median, least, most}}
}

// costs are Berth's own CPU, and its store's beside it.
func costs(name, title string, x axis, points []bench.CurvePoint, at func(*bench.CurvePoint) float64) figure {
	const micros = 1000 // seconds for 1,000 are milliseconds for one
	var own, floor []mark
	for i := range points {
		p := &points[i]
		r := p.Report
		if r.OwnCPUSPer1000 != nil {
			own = append(own, mark{at(p), *r.OwnCPUSPer1000 * micros, *r.OwnCPUSPer1000Min * micros, *r.OwnCPUSPer1000Max * micros})
		}
		if r.Floor != nil && r.Floor.CPUSPer1000 != nil {
			v := *r.Floor.CPUSPer1000 * micros
			floor = append(floor, mark{at(p), v, v, v})
		}
	}
	return figure{name: name, title: title, x: x, y: axis{"microseconds of CPU", false}, lines: []line{
		{name: "Berth's own", marks: sorted(own)}, {name: "the floor: etcd, for the same writes", marks: sorted(floor), dashed: true},
	}}
}

// decisions are those of few shapes and of many, by how full the workers are.
func decisions(points []bench.CurvePoint) []figure {
	return []figure{
		decisionsOf("decisions-one-shape", "Decisions on one core, one shape, each applied", 1, points),
		decisionsOf("decisions", "Decisions on one core, 50 shapes at random, each applied", 50, points),
	}
}

func decisionsOf(name, title string, shapes int, points []bench.CurvePoint) figure {
	f := figure{name: name, title: title, x: axis{"workers", true}, y: axis{"decisions/s", true}}
	for _, strategy := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		for _, fill := range []int{0, 50, 95} {
			var marks []mark
			for i := range points {
				r := points[i].Report
				if s := &r.Setup; s.Strategy == strategy && s.Fill == fill && s.Shapes == shapes {
					least, most := spread(r.Each, func(e *bench.Each) *float64 { return &e.PlacementsPerS })
					marks = append(marks, mark{float64(r.Workers), value(r.PlacementsPerS), least, most})
				}
			}
			name := string(strategy) + ", empty"
			if fill > 0 {
				name = fmt.Sprintf("%s, %d %% full", strategy, fill)
			}
			f.lines = append(f.lines, line{name: name, marks: sorted(marks)})
		}
	}
	return f
}

// spread is the least and the most of what the rounds showed.
func spread(each []bench.Each, of func(*bench.Each) *float64) (least, most float64) {
	for i := range each {
		v := value(of(&each[i]))
		if i == 0 || v < least {
			least = v
		}
		most = max(most, v)
	}
	return least, most
}

func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}
