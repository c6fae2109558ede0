package bench

import (
	"runtime"
	"slices"

	"github.com/berthd/berth"
)

// Report is what berth bench tells, as a table and as JSON. docs/performance.md
// says what each field means. What is not known is null.
type Report struct {
	Bench string `json:"bench"` // place, life, seed, floor, decide
	Circumstances
	Interrupted bool  `json:"interrupted"`
	Rounds      int   `json:"rounds"` // complete ones
	Workers     int   `json:"workers"`
	Requests    int   `json:"requests"` // of a round; of a seed, of a burst
	CPUs        int   `json:"cpus"`
	Setup       Setup `json:"setup"`
	Figures
	Socket       *Figures    `json:"socket,omitempty"`  // of a seed: by client calls over a unix socket
	Against      *Figures    `json:"against,omitempty"` // of placements: of what they were measured against
	OfAgainst    *float64    `json:"of_against,omitempty"`
	OfAgainstMin *float64    `json:"of_against_min,omitempty"`
	OfAgainstMax *float64    `json:"of_against_max,omitempty"`
	Stages       *Stages     `json:"stages,omitempty"` // of lives
	BarePerS     *float64    `json:"bare_per_s,omitempty"`
	FloorOfBare  *float64    `json:"floor_of_bare,omitempty"`
	Grid         []GridPoint `json:"grid"`
	Violations   []string    `json:"violations"`
}

// Setup is what was asked for: a figure means nothing without it.
type Setup struct {
	Strategy    berth.Strategy `json:"strategy"`
	Shapes      int            `json:"shapes"`
	Seed        uint64         `json:"seed"`
	External    bool           `json:"external"`
	Concurrency int            `json:"concurrency,omitempty"`
	PerCall     int            `json:"per_call,omitempty"`
	RatePerS    float64        `json:"rate_per_s,omitempty"`
	Daemons     int            `json:"daemons,omitempty"`
	Via         Via            `json:"via,omitempty"`
	Allocations int            `json:"allocations,omitempty"`
	Fill        int            `json:"fill,omitempty"`
	Quota       bool           `json:"quota,omitempty"`
	Maintain    Maintain       `json:"maintain,omitempty"`
	Against     Against        `json:"against,omitempty"`
	RunForMS    float64        `json:"run_for_ms,omitempty"`
	Bursts      int            `json:"bursts,omitempty"`
	Warmup      int            `json:"warmup,omitempty"`
	Lives       bool           `json:"lives,omitempty"`
}

func (o *Options) setup() Setup {
	return Setup{Strategy: o.Strategy, Shapes: len(o.Shapes), Seed: o.Seed, External: o.Dial != nil}
}

func (o *PlaceOptions) setup() Setup {
	s := o.Options.setup()
	s.Concurrency, s.PerCall, s.RatePerS, s.Daemons, s.Via = o.Callers, o.PerCall, o.Rate, o.Daemons, o.Via
	s.Allocations, s.Fill, s.Warmup, s.Quota, s.Maintain, s.Against = o.Allocations, o.Fill, o.Warmup, o.Quota, o.Maintain, o.Against
	return s
}

func (o *LifeOptions) setup() Setup {
	s := o.Options.setup()
	s.Concurrency, s.Daemons, s.Via, s.RunForMS = o.Callers, o.Daemons, o.Via, o.RunFor.Seconds()*1000
	return s
}

func (o *DecideOptions) setup() Setup {
	s := o.Options.setup()
	s.Fill = o.Fill
	return s
}

func (o *SeedOptions) setup() Setup {
	s := o.Options.setup()
	s.Bursts, s.Warmup = o.Bursts, o.Warmup
	return s
}

func (o *FloorOptions) setup() Setup {
	s := o.PlaceOptions.setup()
	s.Lives = o.Lives
	return s
}

// Figures of one side: medians of the rounds, but where the field says otherwise.
type Figures struct {
	PlacementsPerS *float64 `json:"placements_per_s"`
	P50MS          *float64 `json:"p50_ms"`
	P99MS          *float64 `json:"p99_ms"`
	P999MS         *float64 `json:"p999_ms"`
	Conflicts      int64    `json:"conflicts"` // of all rounds
	Retries        int64    `json:"retries"`   // of all rounds
	FloorPerS      *float64 `json:"floor_per_s"`
	Ratio          *float64 `json:"ratio"`
	RatioMin       *float64 `json:"ratio_min"`
	RatioMax       *float64 `json:"ratio_max"`

	CPUSPer1000         *float64 `json:"cpu_s_per_1000"`
	OwnCPUSPer1000      *float64 `json:"own_cpu_s_per_1000"`
	OwnCPUSPer1000Min   *float64 `json:"own_cpu_s_per_1000_min"`
	OwnCPUSPer1000Max   *float64 `json:"own_cpu_s_per_1000_max"`
	StoreCPUSPer1000    *float64 `json:"store_cpu_s_per_1000"`
	AllocsPerPlacement  *float64 `json:"allocs_per_placement"`
	BytesPerPlacement   *float64 `json:"bytes_per_placement"`
	RSSBytes            *float64 `json:"rss_bytes"`
	DBBytes             *float64 `json:"db_bytes"`
	Fsyncs              *float64 `json:"fsyncs"`
	FsyncsPerPlacement  *float64 `json:"fsyncs_per_placement"`
	KeysPerPlacement    *float64 `json:"keys_per_placement"`
	KeyBytesPer         *float64 `json:"key_bytes_per_placement"`
	ValueBytesPer       *float64 `json:"value_bytes_per_placement"`
	ComparesPer         *float64 `json:"compares_per_placement"`
	PlacementsPerTxn    *float64 `json:"placements_per_txn"`
	Maintained          int      `json:"maintained"`         // times, of all rounds
	MaintainedMostMS    *float64 `json:"maintained_most_ms"` // of all rounds
	WorkersUsed         int      `json:"workers_used"`
	LeastPerWorker      int      `json:"least_per_worker"`
	MostPerWorker       int      `json:"most_per_worker"`
	Floor               *Floored `json:"floor"`
	Histogram           []Bar    `json:"histogram"` // of all rounds
	Each                []Each   `json:"each"`
	latency, floorTimes *Latency
}

// Floored is what the floor showed beside it: medians of the rounds.
type Floored struct {
	Point                       // of the last round
	P50MS              *float64 `json:"p50_ms"`
	P99MS              *float64 `json:"p99_ms"`
	CPUSPer1000        *float64 `json:"cpu_s_per_1000"`
	DBBytes            *float64 `json:"db_bytes"`
	Fsyncs             *float64 `json:"fsyncs"`
	FsyncsPerPlacement *float64 `json:"fsyncs_per_placement"`
	KeysPerPlacement   *float64 `json:"keys_per_placement"`
	KeyBytesPer        *float64 `json:"key_bytes_per_placement"`
	ValueBytesPer      *float64 `json:"value_bytes_per_placement"`
	ComparesPer        *float64 `json:"compares_per_placement"`
	PlacementsPerTxn   *float64 `json:"placements_per_txn"`
}

// Each is one round.
type Each struct {
	PlacementsPerS float64  `json:"placements_per_s"`
	P50MS          *float64 `json:"p50_ms"`
	P99MS          *float64 `json:"p99_ms"`
	FloorPerS      *float64 `json:"floor_per_s"`
	Ratio          *float64 `json:"ratio"`
	Floor          *Point   `json:"floor"`
}

func newReport(name string, opts *Options, setup Setup, res *results) *Report {
	r := &Report{
		Bench: name, Circumstances: opts.circumstances(), Interrupted: res.cut, Rounds: len(res.rounds), Workers: opts.Workers, Requests: opts.Requests,
		CPUs: runtime.GOMAXPROCS(0), Setup: setup, Grid: notNil(res.grid), Violations: []string{},
	}
	r.Figures = figuresOf(res, 0)
	if len(res.rounds) == 0 {
		return r
	}
	last := res.rounds[len(res.rounds)-1]
	r.Stages = last.sides[0].stages
	switch {
	case len(last.sides) == 1:
	case name == "seed":
		r.Socket = ptr(figuresOf(res, 1))
	default:
		r.setAgainst(res)
	}
	for _, round := range res.rounds {
		for _, o := range round.sides {
			for _, v := range o.violations {
				r.Violations = append(r.Violations, v.String())
			}
		}
	}
	return r
}

// figuresOf is what one side of all rounds shows, or what there is of a cut one.
func figuresOf(res *results, side int) Figures {
	var own, floors []*Measure
	last := res.partial
	for i := range res.rounds {
		last = res.rounds[i].sides[side]
		own, floors = append(own, &last.Measure), append(floors, &res.rounds[i].floor)
	}
	if len(own) == 0 && last != nil && last.Placements > 0 && side == 0 {
		own = append(own, &last.Measure)
	}
	f := figures(own)
	for i, m := range floors {
		at := res.rounds[i].point
		f.Each[i].versus(m.PerS(), at)
	}
	f.setRatios()
	f.setOwn(own, floors)
	f.Floor, f.floorTimes = floored(floors)
	if n := len(res.rounds); n > 0 {
		f.Floor.Point = res.rounds[n-1].point
	}
	if last != nil {
		f.setSpread(last.perWorker)
	}
	return f
}

func (e *Each) versus(perS float64, at Point) {
	e.FloorPerS, e.Floor = ptr(perS), ptr(at)
	if perS > 0 {
		e.Ratio = ptr(e.PlacementsPerS / perS)
	}
}

func (f *Figures) setRatios() {
	var rates, ratios []float64
	for _, e := range f.Each {
		if e.Ratio != nil {
			rates, ratios = append(rates, *e.FloorPerS), append(ratios, *e.Ratio)
		}
	}
	f.FloorPerS, f.Ratio = median(rates), median(ratios)
	if len(ratios) > 0 {
		f.RatioMin, f.RatioMax = ptr(slices.Min(ratios)), ptr(slices.Max(ratios))
	}
}

// setOwn tells what of the CPU's time is not the store's and the client's of it,
// which are all that the floor of the same round needs.
func (f *Figures) setOwn(all, floors []*Measure) {
	var own []float64
	for i := range floors {
		if with, without := cpuPer1000(all[i]), cpuPer1000(floors[i]); with != nil && without != nil {
			own = append(own, *with-*without)
		}
	}
	if f.OwnCPUSPer1000 = median(own); f.OwnCPUSPer1000 != nil {
		f.OwnCPUSPer1000Min, f.OwnCPUSPer1000Max = ptr(slices.Min(own)), ptr(slices.Max(own))
	}
}

func (f *Figures) setSpread(perWorker map[int]int) {
	f.WorkersUsed = len(perWorker)
	for _, n := range perWorker {
		if f.LeastPerWorker == 0 || n < f.LeastPerWorker {
			f.LeastPerWorker = n
		}
		f.MostPerWorker = max(f.MostPerWorker, n)
	}
}

// figures of the measures of one side.
func figures(all []*Measure) Figures {
	f := Figures{Each: []Each{}, Histogram: []Bar{}, latency: NewLatency()}
	for _, m := range all {
		f.latency.Add(m.Latency)
		f.Conflicts += m.Conflicts
		f.Retries += m.Retries
		f.Maintained += len(m.Maintained)
		for _, took := range m.Maintained {
			f.MaintainedMostMS = ptr(max(took.Seconds()*1000, value(f.MaintainedMostMS)))
		}
		f.Each = append(f.Each, Each{PlacementsPerS: m.PerS(), P50MS: m.Latency.MS(50), P99MS: m.Latency.MS(99)})
	}
	if f.latency.Count() > 0 {
		f.Histogram = f.latency.Bars()
	}
	of := func(get func(*Measure) *float64) *float64 { return medianOf(all, get) }
	f.PlacementsPerS = of(func(m *Measure) *float64 { return ptr(m.PerS()) })
	f.P50MS = of(func(m *Measure) *float64 { return m.Latency.MS(50) })
	f.P99MS = of(func(m *Measure) *float64 { return m.Latency.MS(99) })
	f.P999MS = of(func(m *Measure) *float64 { return m.Latency.MS(99.9) })
	f.CPUSPer1000 = of(cpuPer1000)
	f.StoreCPUSPer1000 = of(func(m *Measure) *float64 {
		if m.Fsyncs == nil || m.StoreCPU == 0 {
			return nil
		}
		return per(m, m.StoreCPU.Seconds()*1000)
	})
	f.AllocsPerPlacement = of(func(m *Measure) *float64 { return per(m, float64(m.Mallocs)) })
	f.BytesPerPlacement = of(func(m *Measure) *float64 { return per(m, float64(m.AllocBytes)) })
	f.RSSBytes = of(func(m *Measure) *float64 { return known(float64(m.RSSBytes)) })
	f.DBBytes = of(dbBytes)
	f.Fsyncs, f.FsyncsPerPlacement = of(fsyncs), of(fsyncsPer)
	f.KeysPerPlacement, f.KeyBytesPer, f.ValueBytesPer = of(keysPer), of(keyBytesPer), of(valueBytesPer)
	f.ComparesPer, f.PlacementsPerTxn = of(comparesPer), of(perTxn)
	return f
}

func floored(all []*Measure) (*Floored, *Latency) {
	times := NewLatency()
	if len(all) == 0 {
		return nil, times
	}
	for _, m := range all {
		times.Add(m.Latency)
	}
	of := func(get func(*Measure) *float64) *float64 { return medianOf(all, get) }
	return &Floored{
		P50MS: of(func(m *Measure) *float64 { return m.Latency.MS(50) }), P99MS: of(func(m *Measure) *float64 { return m.Latency.MS(99) }),
		CPUSPer1000: of(cpuPer1000), DBBytes: of(dbBytes), Fsyncs: of(fsyncs), FsyncsPerPlacement: of(fsyncsPer),
		KeysPerPlacement: of(keysPer), KeyBytesPer: of(keyBytesPer), ValueBytesPer: of(valueBytesPer),
		ComparesPer: of(comparesPer), PlacementsPerTxn: of(perTxn),
	}, times
}

// value is 0 where nothing is known.
func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

func per(m *Measure, v float64) *float64 {
	if m.Placements == 0 {
		return nil
	}
	return ptr(v / float64(m.Placements))
}

func known(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return ptr(v)
}

func cpuPer1000(m *Measure) *float64    { return per(m, m.CPU.Seconds()*1000) }
func dbBytes(m *Measure) *float64       { return known(float64(m.DBBytes)) }
func keysPer(m *Measure) *float64       { return per(m, float64(m.Puts+m.Deletes)) }
func keyBytesPer(m *Measure) *float64   { return per(m, float64(m.KeyBytes)) }
func valueBytesPer(m *Measure) *float64 { return per(m, float64(m.ValueBytes)) }
func comparesPer(m *Measure) *float64   { return per(m, float64(m.Compares)) }

func fsyncs(m *Measure) *float64 {
	if m.Fsyncs == nil {
		return nil
	}
	return ptr(float64(*m.Fsyncs))
}

func fsyncsPer(m *Measure) *float64 {
	if m.Fsyncs == nil {
		return nil
	}
	return per(m, float64(*m.Fsyncs))
}

func perTxn(m *Measure) *float64 {
	if m.Txns == 0 {
		return nil
	}
	return ptr(float64(m.Placements) / float64(m.Txns))
}

// medianOf is the median of what is known.
func medianOf(all []*Measure, get func(*Measure) *float64) *float64 {
	var values []float64
	for _, m := range all {
		if v := get(m); v != nil {
			values = append(values, *v)
		}
	}
	return median(values)
}

// median of no values is nil; of an even number, the middle of the two in the middle.
func median(values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values) / 2
	if len(values)%2 == 1 {
		return ptr(values[n])
	}
	return ptr((values[n-1] + values[n]) / 2)
}

// report of the floor by itself.
func (f *flooring) report() *Report {
	r := &Report{
		Bench: "floor", Circumstances: f.opts.circumstances(), Interrupted: f.cut, Rounds: min(len(f.floors), len(f.bare)), Workers: f.opts.Workers, Requests: f.opts.Requests,
		CPUs: runtime.GOMAXPROCS(0), Setup: f.setup, Grid: notNil(f.grid), Violations: []string{},
	}
	own := pointers(f.floors)
	r.Figures = figures(own)
	if len(own) == 0 {
		return r
	}
	r.FloorPerS = r.PlacementsPerS
	r.Floor, r.floorTimes = floored(own)
	r.Floor.Point = f.grid[0].Point
	var rates, shares []float64
	for i := range r.Rounds {
		rates = append(rates, f.bare[i].PerS())
		shares = append(shares, f.floors[i].PerS()/f.bare[i].PerS())
	}
	r.BarePerS, r.FloorOfBare = median(rates), median(shares)
	return r
}

// notNil is an empty array in JSON, not null.
func notNil[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func pointers(all []Measure) []*Measure {
	out := make([]*Measure, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out
}
