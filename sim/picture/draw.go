package picture

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/berthd/berth/sim"
)

// MaxRuns bounds the runs of one picture.
const MaxRuns = 16

// The colours are told apart by those who see red and green alike (Okabe and Ito, 2008). Green is of groups, and
// only where there are any.
const (
	blue, red, orange, green, grey = "#0072b2", "#d55e00", "#e69f00", "#009e73", "#787878"
	sky, pink, yellow, black       = "#56b4e9", "#cc79a7", "#f0e442", "#000000"
)

// tenantColours are those of tenants; more share one that is called others.
var tenantColours = []string{blue, red, green, orange, sky, pink, yellow}

// Draw draws runs, one below the other.
func Draw(w io.Writer, runs []*sim.TraceResult) error {
	if len(runs) == 0 || len(runs) > MaxRuns {
		return fmt.Errorf("draw %d runs; allowed: 1 to %d", len(runs), MaxRuns)
	}
	tall, all := 0.0, make([][]panel, len(runs))
	for i, r := range runs {
		if len(r.Series) == 1 {
			runs = slices.Clone(runs)
			r = lasting(r)
			runs[i] = r
		}
		all[i] = panelsOf(r)
		tall += head + float64(len(all[i]))*(height+between)
	}
	s := &svg{w: w}
	s.begin(tall)
	top := 0.0
	for i, r := range runs {
		s.text(left, top+22, "start", "run", titleOf(r))
		top += head
		x := axisOf(r)
		for k := range all[i] {
			s.panel(&all[i][k], x, top)
			top += height + between
		}
	}
	s.put("</svg>")
	return s.err
}

func titleOf(r *sim.TraceResult) string {
	return fmt.Sprintf("policy %s, seed %d: %s on %s, %s; %d placed", r.Policy, r.Seed, many(r.Jobs, "job"), many(r.Machines, "machine"), many(int(r.GPUs), "GPU"), r.Placed)
}

func many(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// panelsOf are those of which a run has something to tell.
func panelsOf(r *sim.TraceResult) []panel {
	groups := len(r.GroupRuns) > 0
	allocated := panel{title: "allocated", unit: " %", most: 100, curves: []curve{of(r, "CPU", grey, func(l *sim.Look) float64 { return l.CPU })}}
	waiting := panel{title: "jobs that wait", curves: []curve{of(r, "all", blue, func(l *sim.Look) float64 { return float64(l.Waiting) })}}
	out := []panel{allocated}
	if r.GPUs > 0 {
		out[0].curves = slices.Insert(out[0].curves, 0, of(r, "GPUs", blue, func(l *sim.Look) float64 { return l.Allocated }))
		out = append(out, idle(r, groups))
	}
	if groups {
		waiting.curves = append(waiting.curves, of(r, "of these, in groups", green, func(l *sim.Look) float64 { return float64(l.InGroups) }))
	}
	if some(r, func(l *sim.Look) bool { return l.OverLimit > 0 }) {
		waiting.curves = append(waiting.curves, of(r, "of these, for their limit", orange, func(l *sim.Look) float64 { return float64(l.OverLimit) }))
	}
	out = append(out, waiting, waited(r))
	if r.Preempted > 0 {
		out = append(out, preemptions(r, groups))
	}
	return append(out, shares(r))
}

func idle(r *sim.TraceResult, groups bool) panel {
	p := panel{title: "GPUs that are idle, by cause", unit: " %", most: 100, stacked: true, curves: []curve{
		of(r, "fragmented", red, func(l *sim.Look) float64 { return l.Fragmented }),
		of(r, "starved of CPU or memory", orange, func(l *sim.Look) float64 { return l.Starved }),
	}}
	if groups {
		p.curves = append(p.curves, of(r, "for groups", green, func(l *sim.Look) float64 { return l.ForGroups }))
	}
	p.curves = append(p.curves, of(r, "no demand", grey, func(l *sim.Look) float64 { return l.NoDemand }))
	return p
}

// waited is how long those that wait have done so, in the unit that suits the longest.
func waited(r *sim.TraceResult) panel {
	longest := int64(0)
	for i := range r.Series {
		longest = max(longest, r.Series[i].WaitedMost)
	}
	unit, ms := timeUnit(longest)
	return panel{title: "how long those that wait have waited (" + unit + ")", curves: []curve{
		of(r, "longest", red, func(l *sim.Look) float64 { return float64(l.WaitedMost) / ms }),
		of(r, "on average", blue, func(l *sim.Look) float64 { return l.WaitedMean / ms }),
	}}
}

func preemptions(r *sim.TraceResult, groups bool) panel {
	p := panel{title: "jobs that made room for others, since the point before", bars: true, curves: []curve{of(r, "all", red, func(l *sim.Look) float64 { return float64(l.Preempted) })}}
	if groups {
		p.curves = append(p.curves, of(r, "of these, for groups", green, func(l *sim.Look) float64 { return float64(l.ForGroup) }))
	}
	return p
}

// shares are the shares of tenants, those who hold most first, and how even they are.
func shares(r *sim.TraceResult) panel {
	p := panel{title: "fairness: dominant shares of tenants", unit: " %", most: 100}
	held := make(map[string]float64)
	for i := range r.Series {
		for tenant, share := range r.Series[i].Shares {
			held[tenant] += share
		}
	}
	var names []string
	for tenant := range held {
		names = append(names, tenant)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(held[b], held[a]), cmp.Compare(a, b)) })
	for i, tenant := range names[:min(len(names), len(tenantColours))] {
		p.curves = append(p.curves, of(r, tenant, tenantColours[i], func(l *sim.Look) float64 { return 100 * l.Shares[tenant] }))
	}
	even := of(r, "evenness (Jain) of who waits", black, func(l *sim.Look) float64 { return 100 * l.Evenness })
	even.dashed = true
	if more := len(names) - len(tenantColours); more > 0 {
		p.title += fmt.Sprintf(" (%d who hold least are not drawn)", more)
	}
	p.curves = append(p.curves, even)
	return p
}

func of(r *sim.TraceResult, name, colour string, value func(*sim.Look) float64) curve {
	c := curve{name: name, colour: colour}
	for i := range r.Series {
		c.ys = append(c.ys, value(&r.Series[i]))
	}
	return c
}

func some(r *sim.TraceResult, is func(*sim.Look) bool) bool {
	return slices.ContainsFunc(r.Series, func(l sim.Look) bool { return is(&l) })
}

// lasting is a run of one look, which stands for the whole of it, as one of a second: a point is no line.
func lasting(r *sim.TraceResult) *sim.TraceResult {
	as := *r
	later := r.Series[0]
	later.AtMS += 1000
	later.Preempted, later.ForGroup = 0, 0 // counted once
	as.Series = []sim.Look{r.Series[0], later}
	return &as
}

// axisOf counts from the first arrival, in the unit that suits the whole time.
func axisOf(r *sim.TraceResult) *axis {
	first, last := int64(0), int64(0)
	if n := len(r.Series); n > 0 {
		first, last = r.Series[0].AtMS, r.Series[n-1].AtMS
	}
	unit, ms := timeUnit(last - first)
	x := &axis{unit: unit, most: max(float64(last-first)/ms, 1e-3)}
	for i := range r.Series {
		x.xs = append(x.xs, float64(r.Series[i].AtMS-first)/ms)
	}
	return x
}

// timeUnit is in what so long a time is counted, and how many milliseconds that is.
func timeUnit(ms int64) (string, float64) {
	switch {
	case ms >= 4*24*3_600_000:
		return "days", 24 * 3_600_000
	case ms >= 2*3_600_000:
		return "hours", 3_600_000
	case ms >= 2*60_000:
		return "minutes", 60_000
	}
	return "seconds", 1000
}
