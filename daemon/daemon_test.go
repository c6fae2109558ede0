package daemon_test

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

func start(t *testing.T) (*daemon.Daemon, *etcdstore.Store) {
	t.Helper()
	return startWith(t, daemon.Options{}, func(*daemon.Daemon) {})
}

// startWith calls before with the daemon before it runs.
func startWith(t *testing.T, opts daemon.Options, before func(*daemon.Daemon)) (*daemon.Daemon, *etcdstore.Store) {
	t.Helper()
	server, err := embed.Start(t.Context(), embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	store, err := etcdstore.New(server.Client(), etcdstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.New(store, opts)
	if err != nil {
		t.Fatal(err)
	}
	before(d)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-d.Ready():
	case err := <-done:
		t.Fatal(err)
	}
	return d, store
}

func hollow(t *testing.T, store *etcdstore.Store, opts worker.HollowOptions) {
	t.Helper()
	opts.Store, opts.Name = store, "w"
	h, err := worker.NewHollow(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func request(id string) berth.Request {
	return berth.Request{
		ID: berth.RequestID(id), Command: []string{"true"},
		Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 256 << 20}},
	}
}

// await waits for a request's end.
func await(t *testing.T, d *daemon.Daemon, id berth.RequestID) daemon.Status {
	t.Helper()
	return awaitState(t, d, id, berth.State.Final)
}

// awaitState waits for a state of a request.
func awaitState(t *testing.T, d *daemon.Daemon, id berth.RequestID, is func(berth.State) bool) daemon.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var last daemon.Status
	stop := fmt.Errorf("seen")
	err := d.Watch(ctx, daemon.Filter{IDs: []berth.RequestID{id}}, func(s daemon.Status) error {
		last = s
		if is(s.State) {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatalf("request %s never came to that: %v; last %+v", id, err, last)
	}
	return last
}

func TestDaemon_PlacesRunsAndEnds(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 20, RunFor: 10 * time.Millisecond})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			res, err := d.Submit(t.Context(), []berth.Request{request(fmt.Sprintf("r%d", i))})
			if err != nil || res[0].Err != nil {
				t.Errorf("submit r%d: %v %+v", i, err, res)
			}
		})
	}
	wg.Wait()
	for i := range 100 {
		if s := await(t, d, berth.RequestID(fmt.Sprintf("r%d", i))); s.State != berth.StateSucceeded {
			t.Errorf("r%d ended %s %s %s", i, s.State, s.Reason, s.Message)
		}
	}
	workers, err := d.Workers(t.Context())
	if err != nil || len(workers) != 20 {
		t.Fatalf("%d workers, %v", len(workers), err)
	}
	for _, w := range workers {
		if !w.Ledger.Empty() {
			t.Errorf("worker %s still holds %+v", w.ID, w.Ledger)
		}
	}
}
