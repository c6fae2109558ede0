package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
)

// BenchmarkGroup places groups over 256 workers, one member on each, on an embedded etcd:
// one that does nothing else, and one to which 5,000 requests a second come by themselves,
// for twice as many workers. What is reported is what a submitter waits until all members have
// their places, by one transaction; and of the others how many were placed a second, and
// what they waited.
func BenchmarkGroup(b *testing.B) {
	for _, rate := range []int{0, 5000} {
		b.Run(fmt.Sprintf("beside=%d", rate), func(b *testing.B) { benchmarkGroup(b, rate) })
	}
}

func benchmarkGroup(b *testing.B, rate int) {
	const size = 256
	d := benchedFleet(b, size*(1+min(rate, 1)))
	others := submitBeside(b, d, rate)
	var waits []float64
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("g%d", i)
		r := groupOf(id, size, 0)
		r.StartTimeoutMS = 3_600_000
		began := time.Now()
		if res, err := d.Submit(b.Context(), []berth.Request{r}); err != nil || res[0].Err != nil {
			b.Fatal(err, res)
		}
		for {
			s, err := d.Group(b.Context(), berth.GroupID(id))
			if err == nil && s.Record.State == berth.GroupPlaced {
				break
			}
			<-time.After(time.Millisecond / 2)
		}
		waits = append(waits, float64(time.Since(began).Microseconds())/1000)
		b.StopTimer()
		cancelAll(b, d, berth.GroupID(id))
		b.StartTimer()
	}
	b.StopTimer()
	perS, theirs := others()
	reportWaits(b, waits, "")
	if rate > 0 {
		b.ReportMetric(perS, "others/s")
		reportWaits(b, theirs, "others-")
	}
}

// reportWaits reports quantiles of waits in milliseconds.
func reportWaits(b *testing.B, waits []float64, of string) {
	slices.Sort(waits)
	b.ReportMetric(waits[len(waits)/2], of+"p50-ms")
	b.ReportMetric(waits[len(waits)*99/100], of+"p99-ms")
}

func cancelAll(b *testing.B, d *daemon.Daemon, id berth.GroupID) {
	if _, err := d.CancelGroup(b.Context(), id, ""); err != nil {
		b.Fatal(err)
	}
	for {
		if _, err := d.Group(b.Context(), id); err != nil {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// benchedFleet is a daemon on an embedded etcd, with so many workers: each has room for one
// member of a group, and for a million others.
func benchedFleet(b *testing.B, workers int) *daemon.Daemon {
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
	lease, err := store.KeepLease(ctx, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = lease.Run(ctx) }()
	for i := range workers {
		_, err := store.RegisterWorker(ctx, berth.WorkerID(fmt.Sprintf("w%03d", i)), berth.Worker{
			Pool: "default", Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}},
			Lease: lease.ID, TTLSeconds: 60, KillMS: 2000, Agent: "bench", StateID: "bench", StartedAt: time.Now(),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return d
}

// submitBeside submits requests at a rate, five in a call, until what it returns is called:
// that says how many were placed a second, and what each call waited, in milliseconds.
func submitBeside(b *testing.B, d *daemon.Daemon, rate int) func() (perS float64, waits []float64) {
	if rate == 0 {
		return func() (float64, []float64) { return 0, nil }
	}
	const perCall = 5
	ctx, cancel := context.WithCancel(b.Context())
	var mu sync.Mutex // guards waits
	var waits []float64
	began, over := time.Now(), make(chan struct{})
	go func() {
		defer close(over)
		var calls sync.WaitGroup
		defer calls.Wait()
		for n := 0; ; n++ {
			due := began.Add(time.Duration(n) * perCall * time.Second / time.Duration(rate))
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(due)):
			}
			calls.Go(func() {
				rs := make([]berth.Request, perCall)
				for i := range rs {
					rs[i] = berth.Request{ID: berth.RequestID(fmt.Sprintf("o%d-%d", n, i)), Command: []string{"true"}, StartTimeoutMS: 3_600_000, Resources: berth.Demand{Quantities: berth.Quantities{MemoryBytes: 1 << 10}}}.Normalize()
				}
				if res, err := d.Submit(b.Context(), rs); err != nil || res[0].Err != nil || res[0].Status.State != berth.StatePlaced {
					b.Error(err, res)
				}
				mu.Lock()
				defer mu.Unlock()
				waits = append(waits, float64(time.Since(due).Microseconds())/1000)
			})
		}
	}()
	return func() (float64, []float64) {
		cancel()
		<-over
		return float64(len(waits)*perCall) / time.Since(began).Seconds(), waits
	}
}
