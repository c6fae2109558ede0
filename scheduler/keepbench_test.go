package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// BenchmarkReserve is BenchmarkPlace on 10,000 workers that are four fifths full, of which some are kept
// for a group: what it costs to keep off them.
func BenchmarkReserve(b *testing.B) {
	for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		for _, kept := range []int{0, 256, 1000} {
			b.Run(fmt.Sprintf("workers=10000/policy=%s/kept=%d", s, kept), func(b *testing.B) {
				l := newLoad(10_000, 0, s, 50, plainShape)
				k := &berth.Keep{Group: "g"}
				for i := range kept {
					k.Workers = append(k.Workers, berth.KeptWorker{
						Worker: berth.WorkerID(fmt.Sprintf("w%05d", i*10)),
						Share:  berth.Share{Quantities: berth.Quantities{CPUMilli: 16_000, MemoryBytes: 64 << 30}},
					})
				}
				l.fleet.Keep(berth.DefaultPool, k)
				benchmarkPlace(b, l, 80)
			})
		}
	}
}

// BenchmarkKeepFor chooses what is kept for a group of 256 on workers that are full, with ten
// allocations each; or of 256 that each want all of eight devices, each of which somebody has.
func BenchmarkKeepFor(b *testing.B) {
	for _, devices := range []int{0, 8} {
		for _, workers := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("devices=%d/workers=%d", devices, workers), func(b *testing.B) {
				f, on := fullFleet(workers, devices)
				ask := wantingAll(devices)
				for b.Loop() {
					got, ok := f.KeepFor(ask, on)
					if !ok || len(got.Workers) != 256 {
						b.Fatal(len(got.Workers), ok)
					}
				}
			})
		}
	}
}

// fullFleet is workers that are full, and who is on them.
func fullFleet(workers, devices int) (*scheduler.Fleet, func(berth.WorkerID) []scheduler.Stay) {
	f, shares := scheduler.NewFleet(), make([]berth.Share, 10)
	if devices > 0 {
		shares = make([]berth.Share, devices)
	}
	for i := range shares {
		shares[i].CPUMilli = 4000 / int64(len(shares))
		if devices > 0 {
			shares[i].Devices = []berth.DeviceShare{{Name: fmt.Sprintf("gpu%d", i), Milli: berth.WholeDevice}}
		}
	}
	for i := range workers {
		w := worker(fmt.Sprintf("w%05d", i), 4000, 0)
		for d := range devices {
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprintf("gpu%d", d), Type: "h100", MemoryBytes: 80 << 30})
		}
		for _, s := range shares {
			w.Ledger, _ = w.Ledger.Reserve(s)
		}
		f.Put(w)
	}
	n := int64(0)
	return f, func(berth.WorkerID) []scheduler.Stay {
		out := make([]scheduler.Stay, len(shares))
		for i := range out {
			n = (n*7919 + 13) % 100_003
			out[i] = scheduler.Stay{Share: &shares[i], Age: n}
		}
		return out
	}
}

// BenchmarkKeepPart is one part of that choice, as a daemon makes it, in which nothing else is done; the last
// of each choice, which has the shares reckoned, counts as any.
func BenchmarkKeepPart(b *testing.B) {
	for _, devices := range []int{0, 8} {
		b.Run(fmt.Sprintf("devices=%d/workers=10000", devices), func(b *testing.B) {
			f, on := fullFleet(10_000, devices)
			ask := wantingAll(devices)
			c := f.BeginKeep(ask)
			for b.Loop() {
				if _, done := c.Look(2048, on); done {
					c.Choose(on)
					c = f.BeginKeep(ask)
				}
			}
		})
	}
}

// wantingAll is a group of 256 of which each member wants all of a worker.
func wantingAll(devices int) scheduler.Wanting {
	ask := scheduler.Wanting{Gang: gangOf(request("g", 4000, 0), 256, 256, "")}
	if devices > 0 {
		ask.Members[0].Request.Resources.Devices = []berth.DeviceDemand{{Count: int64(devices), Milli: berth.WholeDevice}}
	}
	return ask
}
