package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// BenchmarkPlace places equal requests on equal workers, and starts over before
// they are full; what that costs is not counted.
func BenchmarkPlace(b *testing.B) {
	for _, workers := range []int{20, 1000, 10000} {
		for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
			b.Run(fmt.Sprintf("workers=%d/policy=%s", workers, s), func(b *testing.B) { benchmarkPlace(b, workers, s) })
		}
	}
}

func benchmarkPlace(b *testing.B, workers int, s berth.Strategy) {
	const each = 50
	var f *scheduler.Fleet
	r := request("r", 100, 256<<20)
	ids := make([]berth.RequestID, workers*each)
	for i := range ids {
		ids[i] = berth.RequestID(fmt.Sprintf("request-%d", i))
	}
	left := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if left == 0 {
			b.StopTimer()
			f, left = scheduler.NewFleet(), len(ids)
			f.SetStrategy(berth.DefaultPool, s)
			for w := range workers {
				f.Put(worker(fmt.Sprintf("w%05d", w), 10_000, 20<<30))
			}
			b.StartTimer()
		}
		left--
		r.ID = ids[left]
		if d := f.Place(scheduler.Candidate{Request: r}); d.Verdict != nil {
			b.Fatalf("%d: %v", i, d.Verdict.Reasons)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "placements/s")
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
