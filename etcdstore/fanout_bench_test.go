package etcdstore_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
)

// Of these benchmarks: what workers cost a store that do nothing. Store and workers are
// in one process, so that CPU and memory are of both; an idle one is the difference.
var (
	fanWorkers     = flag.Int("fan.workers", 1000, "workers of BenchmarkWatchers and BenchmarkKeepalives; docs/performance.md quotes 10000")
	fanConnections = flag.Int("fan.connections", 50, "connections that they share; as many as workers: one each, as agents have")
)

// fan is a store, and clients over loopback.
type fan struct {
	server  *embed.Server
	clients []*clientv3.Client
}

func newFan(b *testing.B) *fan {
	b.Helper()
	server, err := embed.Start(b.Context(), embed.Options{Dir: b.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	f := &fan{server: server}
	b.Cleanup(func() {
		for _, c := range f.clients {
			_ = c.Close() // its watches are cut off
		}
		if err := server.Close(); err != nil {
			b.Error(err)
		}
	})
	for range min(*fanConnections, *fanWorkers) {
		c, err := etcdstore.Dial(etcdstore.DialOptions{Endpoints: []string{server.Endpoint()}})
		if err != nil {
			b.Fatal(err)
		}
		f.clients = append(f.clients, c)
	}
	return f
}

func (f *fan) client(worker int) *clientv3.Client { return f.clients[worker%len(f.clients)] }

func workerFolder(i int) string { return fmt.Sprintf("/berth/allocations/w-%05d/", i) }

// BenchmarkWatchers puts allocations on 24 workers in one transaction, as a plan would,
// and waits until each has seen its own: by=prefix, each worker watches its own prefix;
// by=shared, one watch of all of them, which an agent or a proxy of many would share
// out; by=none, nobody watches: what the writes cost by themselves.
func BenchmarkWatchers(b *testing.B) {
	for _, by := range []string{"none", "shared", "prefix"} {
		b.Run(fmt.Sprintf("workers=%d/by=%s", *fanWorkers, by), func(b *testing.B) { benchmarkWatchers(b, by) })
	}
}

func benchmarkWatchers(b *testing.B, by string) {
	const atOnce = 24
	f := newFan(b)
	seen := make(chan int64, 1024) // revisions; written by each watch, read by the loop
	before, began := residentNow(), time.Now()
	watchers := map[string]int{"shared": 1, "prefix": *fanWorkers}[by]
	for i := range watchers {
		folder := workerFolder(i)
		if by == "shared" {
			folder = "/berth/allocations/"
		}
		ctx := clientv3.WithRequireLeader(b.Context())
		events := f.client(i).Watch(ctx, folder, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		if first := <-events; !first.Created {
			b.Fatalf("watch %d: %+v", i, first)
		}
		go func() {
			for resp := range events {
				for _, ev := range resp.Events {
					select {
					case seen <- ev.Kv.ModRevision:
					case <-ctx.Done():
					}
				}
			}
		}()
	}
	open, grown := time.Since(began), residentNow()-before
	value := strings.Repeat("v", 300)
	var times []time.Duration
	next, cpu := 0, cpuNow()
	for b.Loop() {
		var puts []clientv3.Op
		for range atOnce {
			puts = append(puts, clientv3.OpPut(workerFolder(next%*fanWorkers)+strconv.Itoa(next), value))
			next++
		}
		start := time.Now()
		if _, err := f.server.Client().Txn(b.Context()).Then(puts...).Commit(); err != nil {
			b.Fatal(err)
		}
		if watchers > 0 {
			for range atOnce {
				<-seen
			}
		}
		times = append(times, time.Since(start))
	}
	if watchers > 0 {
		b.ReportMetric(open.Seconds(), "s-to-open")
		b.ReportMetric(float64(grown)/float64(watchers)/1024, "KiB/watcher")
	}
	slices.Sort(times)
	b.ReportMetric(float64((cpuNow()-cpu).Microseconds())/float64(next), "cpu-us/event")
	b.ReportMetric(times[len(times)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(times[len(times)*99/100].Seconds()*1000, "p99-ms")
}

// BenchmarkKeepalives has each worker keep its lease alive as an agent does, and takes
// the CPU of a second.
func BenchmarkKeepalives(b *testing.B) {
	const ttl = 10 * time.Second
	b.Run(fmt.Sprintf("workers=%d/ttl=%s", *fanWorkers, ttl), func(b *testing.B) {
		f := newFan(b)
		stores := make([]*etcdstore.Store, len(f.clients))
		for i, c := range f.clients {
			var err error
			if stores[i], err = etcdstore.New(c, etcdstore.Options{}); err != nil {
				b.Fatal(err)
			}
		}
		if err := stores[0].Init(b.Context()); err != nil {
			b.Fatal(err)
		}
		idle := cpuOf(b, time.Second)
		ctx, cancel := context.WithCancel(b.Context())
		var kept errgroup.Group
		defer func() {
			cancel()
			if err := kept.Wait(); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
		}()
		for i := range *fanWorkers {
			lease, err := stores[i%len(stores)].KeepLease(ctx, ttl)
			if err != nil {
				b.Fatal(err)
			}
			kept.Go(func() error { return lease.Run(ctx) })
		}
		cpuOf(b, ttl/3) // all have begun
		sum, seconds := time.Duration(0), 0
		for b.Loop() {
			sum += cpuOf(b, time.Second)
			seconds++
		}
		b.ReportMetric(sum.Seconds()/float64(seconds), "cpu-s/s")
		b.ReportMetric(idle.Seconds(), "idle-cpu-s/s")
		b.ReportMetric(float64(*fanWorkers)/(ttl/3).Seconds(), "keepalives/s")
	})
}

// cpuOf is the CPU that the process needs in a time.
func cpuOf(b *testing.B, d time.Duration) time.Duration {
	b.Helper()
	from := cpuNow()
	select {
	case <-time.After(d):
	case <-b.Context().Done():
		b.Fatal(b.Context().Err())
	}
	return cpuNow() - from
}

func cpuNow() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentNow is the process's memory, without what the collector has freed.
func residentNow() int64 {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.ParseInt(fields[min(1, len(fields)-1)], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
