package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// BenchmarkPlace places requests of several shapes, at random, on workers that
// are and stay so full: for each that is placed another ends, beforehand and at
// random, and all of it is applied. What is reported is placements by CPU time,
// their ends and the collector's work included.
func BenchmarkPlace(b *testing.B) {
	for _, workers := range []int{20, 1000, 10000} {
		for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
			for _, fill := range []int64{0, 50, 95} {
				for _, shapes := range []int{1, 50, 1000} {
					b.Run(fmt.Sprintf("workers=%d/policy=%s/fill=%d/shapes=%d", workers, s, fill, shapes), func(b *testing.B) {
						benchmarkPlace(b, newLoad(workers, 0, s, shapes, plainShape), fill)
					})
				}
			}
		}
	}
}

// BenchmarkPlaceWeighed is BenchmarkPlace in pools with weights: of what searches know
// of parts of the pool, and of what only a worker tells.
func BenchmarkPlaceWeighed(b *testing.B) {
	for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		for _, kind := range []struct {
			name    string
			devices int
			fill    int64
			shape   func(*rand.Rand, *berth.Request)
			weights berth.Weights
		}{
			{"load", 0, 80, plainShape, berth.Weights{berth.ScorerLoad: 3, berth.ScorerYields: 1}},
			{"constrained", 0, 30, constrainedShape, berth.Weights{berth.ScorerLoad: 3, berth.ScorerDislike: 1}},
			{"devices", 8, 50, devicesShape, berth.Weights{berth.ScorerLoss: 3, berth.ScorerLoad: 1}},
		} {
			b.Run(fmt.Sprintf("workers=10000/policy=%s/fill=%d/shapes=50/%s", s, kind.fill, kind.name), func(b *testing.B) {
				l := newLoad(10_000, kind.devices, s, 50, kind.shape)
				l.fleet.SetWeights(berth.DefaultPool, kind.weights)
				benchmarkPlace(b, l, kind.fill)
			})
		}
	}
}

// BenchmarkPlaceOther is BenchmarkPlace with what shapes may have beside amounts.
func BenchmarkPlaceOther(b *testing.B) {
	for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		for _, kind := range []struct {
			name    string
			devices int
			fill    int64
			shape   func(*rand.Rand, *berth.Request)
		}{{"keyed", 0, 80, keyedShape}, {"constrained", 0, 30, constrainedShape}, {"ports", 0, 80, portsShape}, {"devices", 8, 50, devicesShape}} {
			b.Run(fmt.Sprintf("workers=10000/policy=%s/fill=%d/shapes=50/%s", s, kind.fill, kind.name), func(b *testing.B) {
				benchmarkPlace(b, newLoad(10_000, kind.devices, s, 50, kind.shape), kind.fill)
			})
		}
	}
}

// BenchmarkPlaceImages is BenchmarkPlace of requests with images, which few workers hold
// or many.
func BenchmarkPlaceImages(b *testing.B) {
	for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		for _, kind := range []struct {
			name    string
			devices int
			fill    int64
			shape   func(*rand.Rand, *berth.Request)
		}{{"plain", 0, 80, plainShape}, {"devices", 8, 50, devicesShape}} {
			b.Run(fmt.Sprintf("workers=10000/policy=%s/fill=%d/shapes=50/%s", s, kind.fill, kind.name), func(b *testing.B) {
				l := newLoad(10_000, kind.devices, s, 50, func(random *rand.Rand, r *berth.Request) {
					kind.shape(random, r)
					r.Image = fmt.Sprint("image-", random.IntN(12))
				})
				l.holdImages(12)
				benchmarkPlace(b, l, kind.fill)
			})
		}
	}
}

// holdImages has each worker hold some of so many images: the last one nearly all of
// them, and of each before it half as many.
func (l *load) holdImages(images int) {
	for i := range l.workers {
		w := *l.fleet.Worker(berth.WorkerID(fmt.Sprintf("w%05d", i)))
		w.Images = true
		for k := range images {
			if l.random.IntN(1<<images) < 1<<(k+1)-1 {
				w.Holds = append(w.Holds, fmt.Sprint("image-", k))
			}
		}
		l.fleet.Put(w)
	}
}

// BenchmarkPlaceShadowed is BenchmarkPlace without a shadow, with one that only follows,
// and with one that is asked about each placement.
func BenchmarkPlaceShadowed(b *testing.B) {
	for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		for _, kind := range []string{"none", "follows", "judged"} {
			b.Run(fmt.Sprintf("workers=10000/policy=%s/fill=50/shapes=50/shadow=%s", s, kind), func(b *testing.B) {
				l := newLoad(10_000, 0, s, 50, plainShape)
				if kind != "none" {
					other := map[berth.Strategy]berth.Strategy{berth.StrategySpread: berth.StrategyBinpack, berth.StrategyBinpack: berth.StrategySpread}
					l.fleet.SetShadow(berth.DefaultPool, &berth.Shadow{Strategy: other[s]})
				}
				l.shadow = kind == "judged"
				benchmarkPlace(b, l, 50)
			})
		}
	}
}

func benchmarkPlace(b *testing.B, l *load, fill int64) {
	blocked := 0
	for l.cpu*100 < fill*l.capacity {
		if l.place() {
			blocked = 0
		} else if blocked++; blocked > 1000 {
			b.Fatalf("full at %d %%", l.cpu*100/l.capacity)
		}
	}
	blocked = 0
	b.ReportAllocs()
	began := cpuTime(b)
	for b.Loop() {
		for len(l.live) > 0 && l.cpu*100 >= fill*l.capacity+100*l.workers {
			l.end()
		}
		if !l.place() {
			blocked++
		}
	}
	b.ReportMetric(float64(b.N)/(cpuTime(b)-began).Seconds(), "placements/cpu-s")
	b.ReportMetric(float64(blocked)/float64(b.N), "blocked/op")
}

// cpuTime is what the process has used, its collector included: on a machine that
// is shared the clock says nothing.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load is a fleet, what runs on it, and the requests to come.
type load struct {
	fleet         *scheduler.Fleet
	random        *rand.Rand
	shapes        []berth.Request
	ids           []berth.RequestID
	live          []placement
	workers       int64
	cpu, capacity int64 // thousandths of a core
	placed        int
	shadow        bool // each is judged
	judged        int64
}

type placement struct {
	worker berth.WorkerID
	share  berth.Share
}

func newLoad(workers, devices int, s berth.Strategy, shapes int, shape func(*rand.Rand, *berth.Request)) *load {
	l := &load{fleet: scheduler.NewFleet(), random: rand.New(rand.NewPCG(1, 2)), workers: int64(workers)}
	l.fleet.SetStrategy(berth.DefaultPool, s)
	for i := range workers {
		w := worker(fmt.Sprintf("w%05d", i), 16_000, 64<<30)
		w.Labels = map[string]string{"zone": string(rune('a' + i%10)), "rack": fmt.Sprint(i / 40)}
		w.Ledger.Capacity.Ports = berth.PortRange{First: 20_000, Last: 20_999}
		for d := range devices {
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint("gpu", d), Type: deviceTypes[i%2]})
		}
		l.fleet.Put(w)
		l.capacity += w.Ledger.Capacity.CPUMilli
	}
	for range shapes {
		r := *request("r", 0, 0)
		shape(l.random, &r)
		l.shapes = append(l.shapes, r)
	}
	for i := range 1 << 16 {
		l.ids = append(l.ids, berth.RequestID(fmt.Sprintf("request-%d", i)))
	}
	return l
}

func (l *load) place() bool {
	r := &l.shapes[l.random.IntN(len(l.shapes))]
	r.ID = l.ids[l.placed%len(l.ids)]
	l.placed++
	d := l.fleet.Place(scheduler.Candidate{Request: r, Sample: l.shadow})
	if l.placed%64 == 0 {
		for l.fleet.ShadowsBehind() {
			l.fleet.JudgeShadows(64, func(j scheduler.Judgement) { l.judged++ })
		}
	}
	if d.Verdict != nil {
		return false
	}
	l.live = append(l.live, placement{d.Worker, d.Share})
	l.cpu += d.Share.CPUMilli
	return true
}

// end releases what a random one holds, as the daemon does.
func (l *load) end() {
	i := l.random.IntN(len(l.live))
	p := l.live[i]
	l.live[i] = l.live[len(l.live)-1]
	l.live = l.live[:len(l.live)-1]
	w := *l.fleet.Worker(p.worker)
	var err error
	if w.Ledger, err = w.Ledger.Release(p.share); err != nil {
		panic(err)
	}
	l.fleet.Put(w)
	l.cpu -= p.share.CPUMilli
}

// plainShape is a tenth of a core to two, with the memory that a worker has for
// it, or half or a quarter less.
func plainShape(random *rand.Rand, r *berth.Request) {
	r.Resources.CPUMilli = 100 * (1 + random.Int64N(20))
	r.Resources.MemoryBytes = r.Resources.CPUMilli * (2 + random.Int64N(3)) << 20
}

func keyedShape(random *rand.Rand, r *berth.Request) {
	plainShape(random, r)
	r.AffinityKey = fmt.Sprint("key-", random.IntN(50))
}

// constrainedShape is for a tenth of the workers, or for one in 25.
func constrainedShape(random *rand.Rand, r *berth.Request) {
	plainShape(random, r)
	c := berth.Constraint{Label: "zone", Operator: berth.OperatorIn, Values: []string{string(rune('a' + random.IntN(10)))}}
	if random.IntN(2) == 0 {
		c = berth.Constraint{Label: "rack", Operator: berth.OperatorIn}
		for i, first := 0, random.IntN(240); i < 10; i++ {
			c.Values = append(c.Values, fmt.Sprint(first+i))
		}
	}
	r.Constraints = []berth.Constraint{c}
}

func portsShape(random *rand.Rand, r *berth.Request) {
	plainShape(random, r)
	r.Resources.Ports = []berth.PortDemand{{Name: "http"}}
}

func devicesShape(random *rand.Rand, r *berth.Request) {
	plainShape(random, r)
	d := berth.DeviceDemand{Count: 1 + random.Int64N(2), Milli: 1000}
	if random.IntN(2) == 0 {
		d = berth.DeviceDemand{Count: 1, Milli: 100 * (1 + random.Int64N(9))}
	}
	d.Types = [][]string{nil, {"h100"}, {"a100"}, {"h100", "a100"}}[random.IntN(4)]
	r.Resources.CPUMilli, r.Resources.MemoryBytes = 2*r.Resources.CPUMilli, 2*r.Resources.MemoryBytes
	r.Resources.Devices = []berth.DeviceDemand{d}
}

// BenchmarkBlocked judges a request that no worker can take.
func BenchmarkBlocked(b *testing.B) {
	f := scheduler.NewFleet()
	for w := range 1000 {
		f.Put(worker(fmt.Sprintf("w%05d", w), 10_000, 20<<30))
	}
	r := request("r", 20_000, 1)
	b.ReportAllocs()
	for b.Loop() {
		if d := f.Place(scheduler.Candidate{Request: r}); d.Verdict == nil {
			b.Fatal("placed")
		}
	}
}
