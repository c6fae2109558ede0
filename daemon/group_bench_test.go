package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
)

// BenchmarkGroup places groups over 256 workers, one member on each, on an embedded
// etcd that does nothing else: what is reported is the one transaction that places
// them, and what a submitter waits until all members have their places.
func BenchmarkGroup(b *testing.B) {
	server, err := embed.Start(b.Context(), embed.Options{Dir: b.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	store, err := etcdstore.New(server.Client(), etcdstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	d, err := daemon.New(store, daemon.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, server.Close()); err != nil {
			b.Error(err)
		}
	})
	<-d.Ready()
	const size = 256
	lease, err := store.KeepLease(ctx, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = lease.Run(ctx) }()
	for i := range size {
		_, err := store.RegisterWorker(ctx, berth.WorkerID(fmt.Sprintf("w%03d", i)), berth.Worker{
			Pool: "default", Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}},
			Lease: lease.ID, TTLSeconds: 60, KillMS: 2000, Agent: "bench", StateID: "bench", StartedAt: time.Now(),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	var waits []float64
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("g%d", i)
		r := groupOf(id, size, 0)
		r.StartTimeoutMS = 3_600_000
		began := time.Now()
		if res, err := d.Submit(ctx, []berth.Request{r}); err != nil || res[0].Err != nil {
			b.Fatal(err, res)
		}
		for {
			s, err := d.Group(ctx, berth.GroupID(id))
			if err == nil && s.Record.State == berth.GroupPlaced {
				break
			}
			<-time.After(time.Millisecond / 2)
		}
		waits = append(waits, float64(time.Since(began).Microseconds())/1000)
		b.StopTimer()
		if _, err := d.CancelGroup(ctx, berth.GroupID(id), ""); err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := d.Group(ctx, berth.GroupID(id)); err != nil {
				break
			}
			<-time.After(time.Millisecond)
		}
		b.StartTimer()
	}
	slices.Sort(waits)
	b.ReportMetric(waits[len(waits)/2], "p50-ms")
	b.ReportMetric(waits[len(waits)*99/100], "p99-ms")
}
