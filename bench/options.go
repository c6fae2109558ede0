package bench

import (
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// Options that all measurements share. Zero fields mean the defaults; each
// measurement has its own for some.
type Options struct {
	Version  string                              // of this program, to be told; default: none
	StoreDir string                              // of temporary directories; default: the system's
	Dial     func() (*clientv3.Client, error)    // connects to an external store; nil: embedded
	Workers  int                                 // default 1000; of a seed 20, of a life 100
	Requests int                                 // of a round; default 20,000; of a seed 100, of a life 5,000
	Shapes   []berth.Demand                      // what requests ask for; default: 0.1 core and 256 MiB
	Strategy berth.Strategy                      // of the pool; default spread
	Rounds   int                                 // of scheduler and floor, on fresh stores; default 3
	Seed     uint64                              // of what is random
	Batches  []int                               // of the floor: placements of a transaction; default 24, 64, 256, 512
	InFlight []int                               // of the floor: transactions in flight; default 1, 2, 4, 8
	Progress *Progress                           // default: none
	Say      func(format string, args ...any)    // a line for people; default: none
	Log      *zap.Logger                         // of daemons and stores; default: none
	Profile  func() (stop func() error, _ error) // around what is measured of the scheduler; default: none
}

// Bounds of Options, which are those of flags of the same names.
const (
	maxWorkers   = 10_000
	maxRequests  = 1_000_000
	maxRounds    = 100
	maxBatch     = 4096
	maxInFlight  = 1024
	maxCallers   = 100_000
	maxPerCall   = berth.MaxRequestsPerCall
	maxDaemons   = 64
	maxRate      = 1_000_000
	maxFill      = 95
	maxBursts    = 10_000
	maxRunFor    = time.Minute
	maxAllocated = 10_000_000
)

// MaxShapes bounds those of a measurement.
const MaxShapes = 1000

// DefaultShape is what a request asks for unless told otherwise.
var DefaultShape = berth.Demand{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 256 << 20}}

// defaults fills in what is not given.
func (o *Options) defaults(workers, requests int) {
	setDefault(&o.Workers, workers)
	setDefault(&o.Requests, requests)
	setDefault(&o.Strategy, berth.StrategySpread)
	setDefault(&o.Rounds, 3)
	if len(o.Shapes) == 0 {
		o.Shapes = []berth.Demand{DefaultShape}
	}
	if len(o.Batches) == 0 {
		o.Batches = []int{24, 64, 256, 512}
	}
	if len(o.InFlight) == 0 {
		o.InFlight = []int{1, 2, 4, 8}
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Progress == nil {
		o.Progress = &Progress{}
	}
	o.Log = nop(o.Log)
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// profiled runs what is to be in the profile.
func (o *Options) profiled(run func() error) error {
	if o.Profile == nil {
		return run()
	}
	stop, err := o.Profile()
	if err != nil {
		return err
	}
	return errors.Join(run(), stop())
}

// bound is a number and what it may be.
type bound struct {
	field       string
	value       int
	least, most int
}

func within(bounds ...bound) error {
	for _, b := range bounds {
		if b.value < b.least || b.value > b.most {
			return &berth.FieldError{Field: b.field, Value: fmt.Sprint(b.value), Problem: "is not allowed", Bound: fmt.Sprintf("%d to %d", b.least, b.most)}
		}
	}
	return nil
}

func (o *Options) validate() error {
	bounds := []bound{
		{"workers", o.Workers, 1, maxWorkers},
		{"requests", o.Requests, 1, maxRequests},
		{"rounds", o.Rounds, 1, maxRounds},
		{"shape", len(o.Shapes), 1, MaxShapes},
	}
	for _, b := range o.Batches {
		bounds = append(bounds, bound{"floor-batch", b, 1, maxBatch})
	}
	for _, n := range o.InFlight {
		bounds = append(bounds, bound{"floor-in-flight", n, 1, maxInFlight})
	}
	if err := within(bounds...); err != nil {
		return err
	}
	if o.Strategy != berth.StrategySpread && o.Strategy != berth.StrategyBinpack {
		return &berth.FieldError{Field: "strategy", Value: string(o.Strategy), Problem: "is unknown", Bound: "spread, binpack"}
	}
	for i, s := range o.Shapes {
		r := berth.Request{ID: requestID('s', i), Command: []string{"true"}, Resources: s}.Normalize()
		if err := r.Validate(); err != nil {
			return fmt.Errorf("shape: %w", err)
		}
		if s.CPUMilli == 0 && s.MemoryBytes == 0 {
			return &berth.FieldError{Field: "shape", Value: fmt.Sprint(i + 1), Problem: "asks for nothing", Bound: "some CPU or memory"}
		}
	}
	return nil
}

// SomeShapes are n unlike ones: a little more CPU and memory each.
func SomeShapes(n int) []berth.Demand {
	out := make([]berth.Demand, n)
	for i := range out {
		out[i].CPUMilli, out[i].MemoryBytes = 50+int64(10*i), int64(64+16*i)<<20
	}
	return out
}

// requestID numbers the requests of a kind, all of one length: the floor's keys are
// then as long as the scheduler's.
func requestID(kind byte, i int) berth.RequestID {
	return berth.RequestID(fmt.Sprintf("%c%08d", kind, i))
}

// capacity of each worker, so that requests fill percent of all, and one more of
// each shape fits anywhere.
func (o *Options) capacity(total berth.Quantities, percent int) berth.Capacity {
	var largest berth.Quantities
	for _, s := range o.Shapes {
		largest.CPUMilli, largest.MemoryBytes = max(largest.CPUMilli, s.CPUMilli), max(largest.MemoryBytes, s.MemoryBytes)
	}
	share := func(sum, most int64) int64 {
		n := int64(o.Workers) * int64(percent)
		return (sum*100+n-1)/n + most
	}
	return berth.Capacity{Quantities: berth.Quantities{
		CPUMilli: max(10_000, share(total.CPUMilli, largest.CPUMilli)), MemoryBytes: max(20<<30, share(total.MemoryBytes, largest.MemoryBytes)),
	}}
}
