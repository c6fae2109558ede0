package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
)

// StartOptions of a restart: how long a daemon takes to know a store that is full.
// Zero fields mean the defaults.
type StartOptions struct {
	Options
	Allocations int // that are in the store; default 100,000
}

func (o *StartOptions) defaults() {
	o.Options.defaults(1000, 1)
	setDefault(&o.Allocations, 100_000)
}

// Validate checks every bound.
func (o StartOptions) Validate() error {
	o.defaults()
	if o.Dial != nil {
		return &berth.FieldError{Field: "etcd-endpoints", Value: "given", Problem: "is not allowed", Bound: "none: the store is restarted, too"}
	}
	if err := o.validate(); err != nil {
		return err
	}
	return within(bound{"allocations", o.Allocations, 1, maxAllocated})
}

// StartReport is what restarts took, from when the store was opened again: each the
// median of the rounds.
type StartReport struct {
	Bench string `json:"bench"` // start
	Circumstances
	Workers         int     `json:"workers"`
	Allocations     int     `json:"allocations"`
	Rounds          int     `json:"rounds"`
	StoreS          float64 `json:"store_s"`              // until etcd served
	FirstPlacementS float64 `json:"first_placement_s"`    // until a new request was placed, and on disk
	KnownS          float64 `json:"known_s"`              // until the daemon knew everything
	CPUS            float64 `json:"cpu_s"`                // of all that, the store's too
	HeapBytes       int64   `json:"heap_bytes"`           // what the daemon holds, apart from the store's
	BytesPerAlloc   float64 `json:"bytes_per_allocation"` // of that
	RSSBytes        int64   `json:"rss_bytes"`            // of the process, with the store
	DBBytes         int64   `json:"db_bytes"`
	StoreHeapBytes  int64   `json:"store_heap_bytes"` // what etcd holds, before the daemon starts
}

// Start measures restarts.
func Start(ctx context.Context, opts StartOptions) (_ *StartReport, err error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.defaults()
	e, err := openEtcd(ctx, &opts.Options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	already := opts.requests('p', opts.Allocations)
	if _, err := newFleet(ctx, e, opts.Workers, opts.capacity(already.total(), 50), already); err != nil {
		return nil, err
	}
	var rounds []StartReport
	for i := range opts.Rounds {
		opts.Say("restart %d of %d", i+1, opts.Rounds)
		var r StartReport
		if err := opts.profiled(func() (err error) { r, err = e.startOnce(ctx, &opts, i); return err }); err != nil {
			return nil, err
		}
		rounds = append(rounds, r)
	}
	r := medianStart(rounds)
	r.Bench, r.Circumstances = "start", opts.circumstances()
	return r, nil
}

// startOnce restarts the store, and a daemon on it.
func (e *etcd) startOnce(ctx context.Context, opts *StartOptions, round int) (r StartReport, err error) {
	r.Workers, r.Allocations = opts.Workers, opts.Allocations
	if err := e.server.Close(); err != nil {
		return r, fmt.Errorf("stop etcd: %w", err)
	}
	settle()
	began, cpu := time.Now(), processCPU()
	since := func() float64 { return time.Since(began).Seconds() }
	e.server, err = embed.Start(ctx, embed.Options{
		Dir: e.dir, Listen: "127.0.0.1:0", QuotaBytes: embeddedQuota, StartIn: startWithin, Log: etcdLog(e.opts.Log),
	})
	if err != nil {
		return r, fmt.Errorf("start etcd again: %w", err)
	}
	e.client = e.server.Client()
	count(e.client, &e.sums)
	r.StoreS = since()
	spent := processCPU()
	// etcd holds what it has read of its log until the next entry of that.
	if _, err := e.client.Grant(ctx, int64(startWithin/time.Second)); err != nil {
		return r, fmt.Errorf("grant a lease: %w", err)
	}
	before := liveHeap()
	paused := since() - r.StoreS // for the collector, which is not what is measured
	cpu += processCPU() - spent
	store, err := e.store(ctx)
	if err != nil {
		return r, err
	}
	d, err := daemon.New(store, daemon.Options{ID: "bench-1", Version: "bench", Log: e.opts.Log})
	if err != nil {
		return r, err
	}
	own, stop := context.WithCancel(ctx)
	defer stop()
	g, own := errgroup.WithContext(own)
	g.Go(func() error { return d.Run(own) })
	g.Go(func() error {
		defer stop()
		results, err := d.Submit(own, []berth.Request{opts.requests('f', round+1).at(round)})
		if err == nil {
			err = results[0].Err
		}
		if err != nil {
			return fmt.Errorf("place after the restart: %w", err)
		}
		r.FirstPlacementS = since() - paused
		if results[0].Status.Worker == "" {
			return errors.New("the first request after the restart was not placed at once")
		}
		select {
		case <-d.Ready():
		case <-own.Done():
			return own.Err()
		}
		r.KnownS = since() - paused
		r.CPUS = (processCPU() - cpu).Seconds()
		r.StoreHeapBytes, r.HeapBytes = before, liveHeap()-before
		r.BytesPerAlloc = float64(r.HeapBytes) / float64(opts.Allocations)
		r.RSSBytes, r.DBBytes = residentBytes(), e.dbBytes(own)
		return nil
	})
	return r, g.Wait()
}

// startWithin bounds etcd's own start, which reads all keys.
const startWithin = 10 * time.Minute

// liveHeap is what the heap holds that is in use: the least of some collections, for
// what is made while one goes on counts in it, and a daemon that has just loaded has
// yet to look at everything.
func liveHeap() int64 {
	const collections, between = 8, 250 * time.Millisecond
	least := int64(math.MaxInt64)
	for range collections {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		least = min(least, int64(m.HeapAlloc))
		time.Sleep(between)
	}
	return least
}

// medianStart is the round whose time until everything was known is the median.
func medianStart(rounds []StartReport) *StartReport {
	slices.SortFunc(rounds, func(a, b StartReport) int { return cmp.Compare(a.KnownS, b.KnownS) })
	r := rounds[(len(rounds)-1)/2]
	r.Rounds = len(rounds)
	return &r
}
