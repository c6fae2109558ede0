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
// allocations each.
func BenchmarkKeepFor(b *testing.B) {
	for _, workers := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			f, share := scheduler.NewFleet(), berth.Share{Quantities: berth.Quantities{CPUMilli: 400}}
			for i := range workers {
				w := worker(fmt.Sprintf("w%05d", i), 4000, 0)
				for range 10 {
					w.Ledger, _ = w.Ledger.Reserve(share)
				}
				f.Put(w)
			}
			ask := scheduler.Wanting{Gang: gangOf(request("g", 4000, 0), 256, 256, "")}
			n := int64(0)
			for b.Loop() {
				got, ok := f.KeepFor(ask, func(berth.WorkerID) []scheduler.Stay {
					out := make([]scheduler.Stay, 10)
					for i := range out {
						n = (n*7919 + 13) % 100_003
						out[i] = scheduler.Stay{Share: &share, Age: n}
					}
					return out
				})
				if !ok || len(got.Workers) != 256 {
					b.Fatal(len(got.Workers), ok)
				}
			}
		})
	}
}
