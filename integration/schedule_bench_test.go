package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

// site is a daemon on an embedded etcd, with workers of 10 cores and 20 GB.
func site(b *testing.B, workers int) *daemon.Daemon {
	b.Helper()
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
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- d.Run(ctx) }()
	<-d.Ready()
	shape := worker.Shape{Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 10_000, MemoryBytes: 20 << 30}}}
	h, err := worker.NewHollow(worker.HollowOptions{Store: store, Name: "w", Count: workers, Shapes: []worker.Shape{shape}, RunFor: time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	hctx, stop := context.WithCancel(context.Background())
	hended := make(chan error, 1)
	go func() { hended <- h.Run(hctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-hended; err != nil && !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
		if err := server.Close(); err != nil {
			b.Error(err)
		}
	})
	ready(b, d, workers)
	return d
}

// ready waits until all workers can be placed on. Their ledgers are opened in
// few transactions, so each look costs about as much as the wait.
func ready(b *testing.B, d *daemon.Daemon, workers int) {
	b.Helper()
	for {
		all, err := d.Workers(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, w := range all {
			if w.State == "ready" {
				n++
			}
		}
		if n == workers {
			return
		}
	}
}

// BenchmarkScheduleContainerRequests places 100 requests of 0.1 core and 256 MB,
// submitted by 100 concurrent calls, on 20 workers; etcd syncs every write. The
// time is from the first call until the last request is placed, durably.
func BenchmarkScheduleContainerRequests(b *testing.B) {
	const requests, workers = 100, 20
	d := site(b, workers)
	before, err := d.Info(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var times []time.Duration
	used := make(map[berth.WorkerID]int)
	round := 0
	for b.Loop() {
		clear(used)
		round++
		start := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range requests {
			wg.Go(func() {
				r := berth.Request{
					ID: berth.RequestID(fmt.Sprintf("r%d-%d", round, i)), Command: []string{"true"},
					Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 256 << 20}},
				}
				res, err := d.Submit(b.Context(), []berth.Request{r})
				took := time.Since(start)
				if err != nil || res[0].Err != nil || res[0].Status.Worker == "" {
					b.Errorf("%s was not placed: %v %+v", r.ID, err, res)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				times = append(times, took)
				used[res[0].Status.Worker]++
			})
		}
		wg.Wait()
		b.StopTimer()
		idle(b, d)
		b.StartTimer()
	}
	report(b, d, before, times, used, requests)
}

// idle waits until nothing runs, so that rounds are alike.
func idle(b *testing.B, d *daemon.Daemon) {
	b.Helper()
	for {
		in, err := d.Info(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if in.Requests == 0 {
			return
		}
	}
}
