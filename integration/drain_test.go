package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

// Without a pace all is stopped at once, and runs elsewhere; it costs no attempt.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 2, runFor: time.Hour, watch: true})
	d := s.daemons[0]
	batch := many(10, func(r *berth.Request) { r.StopTimeoutMS = 100; r.Retry.MaxAttempts = 1 })
	submit(t, d, batch...)
	for _, r := range batch {
		until(t, d, string(r.ID), in(berth.StateRunning))
	}
	if _, err := d.SetIntent(t.Context(), "w-0001", daemon.Wish{Drain: true, Message: "test"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range batch {
		until(t, d, string(r.ID), func(s daemon.Status) bool { return s.State == berth.StateRunning && s.Worker == "w-0002" })
	}
	if w := workerState(t, d, "w-0001"); w.State != "draining" || w.Count != 0 {
		t.Errorf("%+v", w)
	}
	for _, r := range batch {
		if st, err := d.Cancel(t.Context(), r.ID, "enough"); err != nil || st.UsedAttempts != 0 {
			t.Errorf("a drain is no attempt of the request's: %+v, %v", st, err)
		}
		until(t, d, string(r.ID), in(berth.StateCancelled))
	}
}

// stops follows how many containers of a worker are stopping at once.
type stops struct {
	stopping map[string]bool
	most     int // at once
	begun    int
}

// followStops watches the allocations of a worker until the test's end; the
// function it returns is to be called when all is over.
func (s *site) followStops(id berth.WorkerID) func() stops {
	s.tb.Helper()
	st := stops{stopping: map[string]bool{}}
	ready := make(chan struct{})
	first := true
	stop := background(s.tb, func(ctx context.Context) error {
		return s.store.FollowWorker(ctx, id, func(_ context.Context, delta etcdstore.Delta) error {
			for _, f := range delta.Facts {
				a, _ := f.Record.(*berth.Allocation)
				if a == nil || a.State == berth.StateExited {
					delete(st.stopping, f.Key.ID)
					continue
				}
				if a.Stop != nil && !st.stopping[f.Key.ID] {
					st.stopping[f.Key.ID] = true
					st.begun++
				}
			}
			st.most = max(st.most, len(st.stopping))
			if first {
				first = false
				close(ready)
			}
			return nil
		})
	})
	<-ready
	return func() stops { stop(); return st }
}

// A pace holds at every revision, with several daemons, one of which ends in the
// middle; new requests go elsewhere meanwhile.
func TestDrain_Paced(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{daemons: 3, workers: 3, runFor: time.Hour, watch: true})
	batch := many(60, func(r *berth.Request) { r.StopTimeoutMS = 1000 })
	submit(t, s.daemons[0], batch...)
	for _, r := range batch {
		until(t, s.daemons[0], string(r.ID), in(berth.StateRunning))
	}
	begun := workerState(t, s.daemons[1], "w-0001").Count
	if begun < 10 {
		t.Fatalf("%d of 60 were placed on one of three equal workers, by one daemon of three", begun)
	}
	seen := s.followStops("w-0001")
	if _, err := s.daemons[1].SetIntent(t.Context(), "w-0001", daemon.Wish{Drain: true, Parallel: 2, PerMinute: 3000}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; {
		w := workerState(t, s.daemons[2], "w-0001")
		if time.Now().After(end) {
			t.Fatalf("the drain does not go on: %+v", w)
		}
		if w.State == "draining" && int(w.Intent.BegunWith) != begun {
			t.Fatalf("begun with %d, want %d", w.Intent.BegunWith, begun)
		}
		if w.State == "draining" && w.Count < begun-3 {
			break
		}
	}
	s.stops[0]()
	more := small("during")
	submit(t, s.daemons[1], more)
	if st := until(t, s.daemons[1], "during", in(berth.StateRunning)); st.Worker == "w-0001" {
		t.Errorf("placed on a worker that is emptied: %+v", st)
	}
	for _, r := range batch {
		until(t, s.daemons[1], string(r.ID), func(st daemon.Status) bool { return st.State == berth.StateRunning && st.Worker != "w-0001" })
	}
	if st := seen(); st.most > 2 || st.begun != begun {
		t.Errorf("%d stopped, at most %d at once; want %d, 2", st.begun, st.most, begun)
	}
}

// A deadline alone stops nothing before it, and everything then.
func TestDrain_Deadline(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 1, runFor: time.Hour, watch: true})
	d := s.daemons[0]
	batch := many(10, func(r *berth.Request) { r.StopTimeoutMS = 100 })
	submit(t, d, batch...)
	for _, r := range batch {
		until(t, d, string(r.ID), in(berth.StateRunning))
	}
	seen := s.followStops("w-0001")
	before := time.Now()
	if _, err := d.SetIntent(t.Context(), "w-0001", daemon.Wish{Drain: true, Deadline: 700 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for _, r := range batch {
		if st := until(t, d, string(r.ID), in(berth.StatePending)); st.Reason != berth.EndDrained {
			t.Errorf("%+v", st)
		}
	}
	if took := time.Since(before); took < 700*time.Millisecond {
		t.Errorf("stopped after %s", took)
	}
	if st := seen(); st.begun != 10 {
		t.Errorf("%d stopped", st.begun)
	}
}

// A worker is forgotten when it is empty and its agent is gone; while it is being
// removed, nothing registers under its name.
func TestRemove(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{daemons: 2, workers: 1, runFor: time.Hour, watch: true})
	ctx, leave := context.WithCancel(t.Context())
	h, err := worker.NewHollow(worker.HollowOptions{Store: s.store, Name: "old", Count: 1, RunFor: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- h.Run(ctx) }()
	ready(t, s.daemons[0], 2)
	d := s.daemons[0]
	batch := many(10, func(r *berth.Request) { r.StopTimeoutMS = 100 })
	submit(t, d, batch...)
	for _, r := range batch {
		until(t, d, string(r.ID), in(berth.StateRunning))
	}
	if _, err := d.SetIntent(t.Context(), "old-0001", daemon.Wish{Remove: true, Message: "scrap"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range batch {
		until(t, d, string(r.ID), func(s daemon.Status) bool { return s.State == berth.StateRunning && s.Worker == "w-0001" })
	}
	if w := workerState(t, d, "old-0001"); w.State != "removing" || w.Count != 0 {
		t.Errorf("%+v", w)
	}
	leave()
	if err := <-gone; err != nil {
		t.Error(err)
	}
	keys := []berth.Key{{Kind: berth.KindLedger, ID: "old-0001"}, {Kind: berth.KindIntent, ID: "old-0001"}}
	for left := true; left; {
		facts, err := s.store.Get(t.Context(), keys...)
		if err != nil {
			t.Fatal(err)
		}
		left = slices.ContainsFunc(facts, func(f berth.Fact) bool { return f.Record != nil })
	}
	if _, err := d.Worker(t.Context(), "old-0001"); !errors.Is(err, daemon.ErrNotFound) {
		t.Errorf("still known: %v", err)
	}
}

// registration of a worker that lives for as long as its lease.
func register(t *testing.T, s *site, id berth.WorkerID) (lease string, _ error) {
	t.Helper()
	l, err := s.store.KeepLease(t.Context(), 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.store.RegisterWorker(t.Context(), id, berth.Worker{
		Pool: "default", Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}},
		Lease: l.ID, TTLSeconds: 60, KillMS: 600_000, Agent: "test", StateID: "test", StartedAt: time.Now().UTC(),
	})
	return l.ID, err
}

// Of a machine that is dead by its operator's word, what may run moves without the
// grace; its name is free again afterwards, and not before.
func TestRemove_Dead(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{watch: true})
	d := s.daemons[0]
	lease, err := register(t, s, "dead")
	if err != nil {
		t.Fatal(err)
	}
	ready(t, d, 1)
	r := small("r")
	r.StartTimeoutMS = 600_000
	submit(t, d, r)
	st := until(t, d, "r", in(berth.StatePlaced))
	fence(t, s, "dead", st.ID)
	if err := s.store.RevokeLease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	for workerState(t, d, "dead").State != "lost" {
	}
	if _, err := d.SetIntent(t.Context(), "dead", daemon.Wish{Remove: true, Dead: true}); err != nil {
		t.Fatal(err)
	}
	// The grace would be ten minutes.
	if st := until(t, d, "r", in(berth.StatePending)); st.Reason != berth.EndWorkerLost {
		t.Errorf("%+v", st)
	}
	for {
		_, err := register(t, s, "dead")
		if err == nil {
			break
		}
		if !errors.Is(err, etcdstore.ErrWorkerRemoved) || !strings.Contains(fmt.Sprint(err), "uncordon") {
			t.Fatal(err)
		}
	}
	until(t, d, "r", in(berth.StatePlaced))
}

// fence makes an allocation one that may run.
func fence(t *testing.T, s *site, w berth.WorkerID, id berth.RequestID) {
	t.Helper()
	facts, err := s.store.Get(t.Context(), berth.Key{Kind: berth.KindAllocation, Owner: string(w), ID: string(id)})
	if err != nil {
		t.Fatal(err)
	}
	a, ok := facts[0].Record.(*berth.Allocation)
	if !ok {
		t.Fatalf("%+v", facts[0])
	}
	next := *a
	next.State = berth.StateStarting
	res, err := s.store.StartAllocations(t.Context(), w, a.Epoch, []etcdstore.StartItem{{Request: id, AllocationWas: facts[0].Mod, Allocation: next}})
	if err != nil || !res[0].Fenced {
		t.Fatalf("%+v %v", res, err)
	}
}

// What is being removed takes no registration until it is uncordoned.
func TestRemove_TakenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{watch: true})
	d := s.daemons[0]
	lease, err := register(t, s, "w")
	if err != nil {
		t.Fatal(err)
	}
	ready(t, d, 1)
	r := small("r")
	submit(t, d, r)
	until(t, d, "r", in(berth.StatePlaced))
	fence(t, s, "w", "r")
	if _, err := d.SetIntent(t.Context(), "w", daemon.Wish{Remove: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.store.RevokeLease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	if _, err := register(t, s, "w"); !errors.Is(err, etcdstore.ErrWorkerRemoved) {
		t.Errorf("registered all the same: %v", err)
	}
	if _, err := d.SetIntent(t.Context(), "w", daemon.Wish{}); err != nil {
		t.Fatal(err)
	}
	if _, err := register(t, s, "w"); err != nil {
		t.Error(err)
	}
	until(t, d, "r", in(berth.StatePlaced))
}
