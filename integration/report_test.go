package integration_test

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// report names what the issue asks of the benchmarks; used is the last round's.
func report(b *testing.B, d *daemon.Daemon, before daemon.Info, times []time.Duration, used map[berth.WorkerID]int, requests int) {
	b.Helper()
	after, err := d.Info(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	perOp := b.Elapsed().Seconds() / float64(b.N)
	slices.Sort(times)
	least, most := requests, 0
	for _, n := range used {
		least, most = min(least, n), max(most, n)
	}
	b.ReportMetric(perOp*1000*100/float64(requests), "ms/100")
	b.ReportMetric(float64(requests)/perOp, "placements/s")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(after.Conflicts-before.Conflicts)/float64(b.N), "conflicts/op")
	b.ReportMetric(float64(len(used)), "workers-used")
	b.ReportMetric(float64(least), "min/worker")
	b.ReportMetric(float64(most), "max/worker")
}
