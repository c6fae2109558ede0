package daemon_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
)

// site is a store in memory, daemons, and workers that are their leases, starts
// and reports only; all in simulated time.
type site struct {
	t       *testing.T
	ctx     context.Context //nolint:containedctx // of everything in the bubble
	etcd    *memetcd.Direct
	store   *etcdstore.Store // of the workers
	workers map[berth.WorkerID]context.CancelFunc
	warned  *observer.ObservedLogs
	log     *zap.Logger
}

const siteTTL = 9 * time.Second

// inSite runs a test in a bubble, with workers w00 to w19, each of which runs one
// container, and one daemon, d0.
func inSite(t *testing.T, test func(s *site, d *daemon.Daemon, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		s := &site{t: t, ctx: ctx, etcd: memetcd.NewDirect(memetcd.New(memetcd.Config{})), workers: make(map[berth.WorkerID]context.CancelFunc)}
		core, logs := observer.New(zap.WarnLevel)
		s.warned, s.log = logs, zap.New(core)
		go s.etcd.Run(ctx)
		s.store = s.newStore()
		d, stop := s.daemon("d0")
		if err := s.store.Init(ctx); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			s.register(workerNo(i))
		}
		s.pass(time.Second)
		var all []berth.Request
		for i := range 20 {
			r := request(fmt.Sprintf("r%02d", i))
			r.Resources.CPUMilli = 600 // one fits on each
			all = append(all, r)
		}
		if _, err := d.Submit(ctx, all); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Second)
		if n := s.runAll(); n != 20 {
			t.Fatalf("%d were started, want 20", n)
		}
		test(s, d, stop)
		cancel()
		synctest.Wait()
	})
}

func workerNo(i int) berth.WorkerID { return berth.WorkerID(fmt.Sprintf("w%02d", i)) }

// newStore is a client of its own, as each program has.
func (s *site) newStore() *etcdstore.Store {
	began := time.Now()
	store, err := etcdstore.New(memetcd.NewClient(s.ctx, s.etcd), etcdstore.Options{Clock: func() time.Duration { return time.Since(began) }})
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// daemon starts one; stop returns when it has ended.
func (s *site) daemon(id berth.DaemonID) (d *daemon.Daemon, stop func()) {
	d, err := daemon.New(s.newStore(), daemon.Options{ID: id, Log: s.log.Named(string(id))})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	<-d.Ready()
	return d, func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	}
}

// register begins an epoch of a worker, and keeps its lease alive until it vanishes.
func (s *site) register(w berth.WorkerID) {
	lease, err := s.store.KeepLease(s.ctx, siteTTL)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.RegisterWorker(s.ctx, w, berth.Worker{
		Pool: "default", Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 8 << 30}},
		Lease: lease.ID, TTLSeconds: int64(siteTTL / time.Second), KillMS: 2000, Agent: "test", StartedAt: time.Now().UTC(),
	}); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.workers[w] = cancel
	go func() { _ = lease.Run(ctx) }() // ends with ctx
}

// vanish cuts workers off, from the first to before the last of these numbers:
// their leases run out.
func (s *site) vanish(from, to int) {
	for i := from; i < to; i++ {
		s.workers[workerNo(i)]()
	}
}

// runAll starts what is PLACED and says how many it was.
func (s *site) runAll() (n int) {
	for w := range s.workers {
		_, err := s.store.Scan(s.ctx, berth.KindAllocation, string(w), func(f berth.Fact) error {
			a, ok := f.Record.(*berth.Allocation)
			if !ok || a.State != berth.StatePlaced {
				return nil
			}
			n++
			return s.run(w, berth.RequestID(f.Key.ID), *a, f.Mod)
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return n
}

func (s *site) run(w berth.WorkerID, id berth.RequestID, a berth.Allocation, was berth.Revision) error {
	a.State = berth.StateStarting
	started, err := s.store.StartAllocations(s.ctx, w, a.Epoch, []etcdstore.StartItem{{Request: id, AllocationWas: was, Allocation: a}})
	if err != nil {
		return err
	}
	a.State, a.StartedAt = berth.StateRunning, time.Now().UTC()
	_, err = s.store.Report(s.ctx, w, []etcdstore.ReportItem{{Request: id, AllocationWas: started[0].Mod, Allocation: a}})
	return err
}

// pass lets time pass.
func (s *site) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// moved counts the second attempts.
func (s *site) moved(d *daemon.Daemon) (n int) {
	s.t.Helper()
	all, err := d.List(s.ctx, daemon.Filter{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, st := range all {
		if st.Attempt > 1 {
			n++
		}
	}
	return n
}

// want says how many have moved, and what the brake of the only pool is; empty: none.
func (s *site) want(d *daemon.Daemon, moved int, state berth.BrakeState, why berth.BrakeRelease) {
	s.t.Helper()
	if n := s.moved(d); n != moved {
		s.t.Errorf("%d moved, want %d", n, moved)
	}
	brakes, err := d.Brakes(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	is := daemon.BrakeStatus{}
	if len(brakes) > 0 {
		is = brakes[0]
	}
	if is.Brake.State != state || is.Brake.Why != why {
		s.t.Errorf("the brake is %q %q, want %q %q", is.Brake.State, is.Brake.Why, state, why)
	}
}

// Half of a pool vanishes: each daemon holds what may run, also one that was not
// there then, and all move it when the bound has passed.
func TestBrake_BoundForAllDaemons(t *testing.T) {
	inSite(t, func(s *site, d *daemon.Daemon, _ func()) {
		other, stop := s.daemon("d1")
		s.vanish(0, 10)
		s.pass(30 * time.Second)
		s.want(d, 0, berth.BrakeEngaged, "")
		s.want(other, 0, berth.BrakeEngaged, "")
		stop()
		s.pass(time.Minute)
		other, _ = s.daemon("d1")
		s.pass(time.Second)
		s.want(other, 0, berth.BrakeEngaged, "")
		s.pass(3*time.Minute + 20*time.Second) // 4:51 after the loss
		s.want(d, 0, berth.BrakeEngaged, "")
		s.pass(30 * time.Second)
		s.want(d, 10, "", "") // it is gone with the last that was held
	})
}

// A daemon that starts when many are lost brakes as one does that saw it, and an
// operator's release outlives it.
func TestBrake_Restart(t *testing.T) {
	inSite(t, func(s *site, _ *daemon.Daemon, stop func()) {
		stop()
		s.vanish(0, 10)
		s.pass(time.Minute)
		d, stop := s.daemon("d0")
		s.pass(30 * time.Second)
		s.want(d, 0, berth.BrakeEngaged, "")
		if n := s.warned.FilterMessageSnippet("brake engaged").Len(); n != 1 {
			t.Errorf("%d warnings, want 1", n)
		}
		b, err := d.SetBrake(s.ctx, "default", daemon.BrakeWord{Release: true, Message: "the rack burnt"})
		if err != nil || b.Brake.Why != berth.ReleaseOperator || b.Brake.Lost != 10 || b.Brake.Size != 20 || b.Held != 10 {
			t.Errorf("%+v %v", b, err)
		}
		stop()
		d, _ = s.daemon("d0")
		s.pass(15 * time.Second)
		if n := s.moved(d); n != 10 {
			t.Errorf("%d moved after the release, want 10", n)
		}
	})
}

// An operator holds for longer than the bound. Those who come back as new epochs
// end it: what they held runs anew.
func TestBrake_HeldUntilTheyReturn(t *testing.T) {
	inSite(t, func(s *site, d *daemon.Daemon, _ func()) {
		s.vanish(0, 10)
		s.pass(30 * time.Second)
		if _, err := d.SetBrake(s.ctx, "default", daemon.BrakeWord{For: 2 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Hour + 59*time.Minute)
		s.want(d, 0, berth.BrakeEngaged, "")
		for i := range 10 {
			s.register(workerNo(i))
		}
		s.pass(time.Second)
		s.want(d, 10, "", "")
		if n := s.runAll(); n != 10 {
			t.Errorf("%d run anew, want 10", n)
		}
	})
}

// Workers that die one by one are no mass loss, however many they are in the end.
func TestBrake_SlowLoss(t *testing.T) {
	inSite(t, func(s *site, d *daemon.Daemon, _ func()) {
		for i := range 10 {
			s.vanish(i, i+1)
			s.pass(40 * time.Second)
			s.want(d, i+1, "", "")
		}
		if n := s.warned.FilterMessageSnippet("brake").Len(); n != 0 {
			t.Errorf("%d warnings of a brake", n)
		}
	})
}
