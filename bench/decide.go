package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// DecideOptions of decisions alone: no store, no daemon, one core.
type DecideOptions struct {
	Options
	Fill int // percent of the workers' capacity that is in use; default none
}

func (o *DecideOptions) defaults() { o.Options.defaults(10_000, 100_000) }

// Validate checks every bound.
func (o DecideOptions) Validate() error {
	o.defaults()
	if err := o.validate(); err != nil {
		return err
	}
	return within(bound{"fill", o.Fill, 0, maxFill})
}

// Of decisions.
const (
	decideWithin = 10 * time.Second // of a round
	decideTakes  = 2                // percent of the capacity, after which what was taken is given back, off the clock
	decideEvery  = 16               // of so many, the time of one is taken
)

// decideCapacity is each worker's.
var decideCapacity = berth.Quantities{CPUMilli: 32_000, MemoryBytes: 64 << 30}

// beyond says whether a sum is more than so many percent of the capacity of n workers,
// by the resource that is scarcer.
func beyond(sum berth.Quantities, n, percent int) bool {
	share := int64(n) * int64(percent)
	return sum.CPUMilli*100 > decideCapacity.CPUMilli*share || sum.MemoryBytes/100 > decideCapacity.MemoryBytes/10_000*share
}

func plus(a, b berth.Quantities) berth.Quantities {
	a.CPUMilli += b.CPUMilli
	a.MemoryBytes += b.MemoryBytes
	return a
}

// Decide measures the scheduler by itself. Shapes are drawn at random, and every
// decision is applied before the next.
func Decide(ctx context.Context, opts DecideOptions) (*Report, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.defaults()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	d := newDeciding(&opts)
	var all []*Measure
	for i := range opts.Rounds {
		var m *Measure
		err := opts.profiled(func() (err error) {
			m, err = d.round(ctx, opts.Progress.begin(fmt.Sprintf("round %d of %d", i+1, opts.Rounds), opts.Requests))
			return err
		})
		if err != nil {
			return nil, err
		}
		if !m.Cut || len(all) == 0 {
			all = append(all, m)
		}
		if m.Cut {
			break
		}
		opts.Say("round %d of %d: %.0f decisions/s", i+1, opts.Rounds, m.PerS())
	}
	r := &Report{
		Bench: "decide", Circumstances: opts.circumstances(), Interrupted: ctx.Err() != nil, Rounds: len(all),
		Workers: opts.Workers, Requests: opts.Requests, CPUs: 1, Setup: opts.setup(), Grid: []GridPoint{}, Violations: []string{},
	}
	if r.Interrupted && all[len(all)-1].Cut {
		r.Rounds--
	}
	r.Machine.FileSystem = "" // it has no store
	r.Figures = figures(all)
	return r, nil
}

// deciding is a fleet that is filled, and what to do with it.
type deciding struct {
	opts     *DecideOptions
	fleet    *scheduler.Fleet
	full     map[berth.WorkerID]scheduler.Worker // as they are before anything is decided
	requests []berth.Request                     // used again and again
	next     int
}

func newDeciding(o *DecideOptions) *deciding {
	d := &deciding{opts: o, fleet: scheduler.NewFleet(), full: make(map[berth.WorkerID]scheduler.Worker, o.Workers)}
	d.fleet.SetStrategy(berth.DefaultPool, o.Strategy)
	random := rand.New(rand.NewPCG(o.Seed, 'w'))
	capacity := berth.Capacity{Quantities: decideCapacity}
	for i := range o.Workers {
		w := scheduler.Worker{ID: workerID(i), Epoch: berth.Epoch(i + 1), Pool: berth.DefaultPool, Ready: true}
		w.Ledger = d.filled(berth.Ledger{Epoch: w.Epoch, Capacity: capacity}, random)
		d.full[w.ID] = w
		d.fleet.Put(w)
	}
	kinds := o.Options.requests('b', min(o.Requests, 1<<16))
	for i := range kinds.drawn {
		d.requests = append(d.requests, kinds.at(i).Normalize())
	}
	return d
}

// filled takes what fills the ledger, as far as asked for.
func (d *deciding) filled(l berth.Ledger, random *rand.Rand) berth.Ledger {
	for {
		s := d.opts.Shapes[random.IntN(len(d.opts.Shapes))]
		if beyond(plus(l.Reserved.Quantities, s.Quantities), 1, d.opts.Fill) {
			return l
		}
		more, err := l.Reserve(berth.Share{Quantities: s.Quantities})
		if err != nil {
			return l // something else is short
		}
		l = more
	}
}

func (d *deciding) round(ctx context.Context, done func(int)) (*Measure, error) {
	settle()
	m := &Measure{Latency: NewLatency()}
	for m.Placements < d.opts.Requests && m.Wall < decideWithin {
		n, err := d.take(m)
		if err != nil {
			return nil, err
		}
		done(n)
		if ctx.Err() != nil {
			m.Cut = true
			break
		}
	}
	m.RSSBytes = residentBytes()
	return m, nil
}

// take decides until its share of the capacity is taken, nothing fits any more, or
// there is nothing to do, and gives all back.
func (d *deciding) take(m *Measure) (int, error) {
	used := make(map[berth.WorkerID]bool)
	var placed berth.Quantities
	decided := 0
	from := readProcess(false)
	for !beyond(placed, d.opts.Workers, decideTakes) && m.Placements+decided < d.opts.Requests {
		r := &d.requests[d.next%len(d.requests)]
		d.next++
		timed, began := decided%decideEvery == 0, time.Time{}
		if timed {
			began = time.Now()
		}
		to := d.fleet.Place(scheduler.Candidate{Request: r})
		if timed {
			m.Latency.Record(time.Since(began))
		}
		decided++
		if to.Verdict != nil {
			break
		}
		used[to.Worker] = true
		placed = plus(placed, r.Resources.Quantities)
	}
	m.add(from, readProcess(true))
	if len(used) == 0 {
		return 0, fmt.Errorf("nothing fits: %d workers are %d %% full", d.opts.Workers, d.opts.Fill)
	}
	m.Placements += decided
	for w := range used { // in any order: they are as they were
		d.fleet.Put(d.full[w])
	}
	return decided, nil
}
