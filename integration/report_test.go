package integration_test

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// count sums the daemons' counters.
type count struct{ commits, conflicts int64 }

func counters(b *testing.B, s *site) (sum count) {
	b.Helper()
	for _, d := range s.daemons {
		in, err := d.Info(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		sum.commits += in.Commits
		sum.conflicts += in.Conflicts
	}
	return sum
}

// report gives the figures of a benchmark; used is the last round's.
func report(b *testing.B, before, after count, times []time.Duration, used map[berth.WorkerID]int, requests int) {
	b.Helper()
	perOp := b.Elapsed().Seconds() / float64(b.N)
	slices.Sort(times)
	least, most := requests, 0
	for _, n := range used {
		least, most = min(least, n), max(most, n)
	}
	b.ReportMetric(perOp*1000*100/float64(requests), "ms/100")
	b.ReportMetric(float64(requests)/perOp, "placements/s")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(after.conflicts-before.conflicts)/float64(b.N), "conflicts/op")
	b.ReportMetric(float64(len(used)), "workers-used")
	b.ReportMetric(float64(least), "min/worker")
	b.ReportMetric(float64(most), "max/worker")
}
