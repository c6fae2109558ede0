package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// Cut off from its store, an agent ends what it runs before its lease does.
func TestRun_LeaseLost(t *testing.T) {
	s, cut := newCutSite(t)
	opts := s.testOptions("w1")
	a := s.run(opts)
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r1"), nil)
	c := a.runtime.next(t)
	s.await("w1", "r1", berth.StateRunning)
	cut()
	deadline := bootClock{}.Now() + opts.TTL // of the last keepalive that can have been answered
	grace := receive(t, c.stops, "SIGTERM")
	if now := (bootClock{}).Now(); now+grace > deadline {
		t.Errorf("asked to end %v before the deadline with a grace of %v", deadline-now, grace)
	}
	killed := receive(t, c.kills, "SIGKILL")
	if killed >= deadline {
		t.Errorf("killed %v after the deadline", killed-deadline)
	}
	t.Logf("killed %v before the latest deadline", deadline-killed)
	if err := c.spec.Check(); !errors.Is(err, ErrDeadline) {
		t.Errorf("a start after it: %v, want ErrDeadline", err)
	}
}

// An end whose report has no answer until the epoch is over is not reported for
// ever: the agent goes on to its next epoch (found by TestChaos: it span).
func TestRun_LeaseLostWhileReporting(t *testing.T) {
	s, cut := newCutSite(t)
	opts, runtime := s.testOptions("w1"), newFakeRuntime()
	lives := make(chan struct{}, 100)
	runtime.leftovers = func() { lives <- struct{}{} }
	opts.Runtime = runtime
	a := s.run(opts)
	receive(t, lives, "the first registration")
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r1", "r2"), nil)
	ended, runs := a.runtime.next(t), a.runtime.next(t)
	s.await("w1", "r1", berth.StateRunning)
	s.await("w1", "r2", berth.StateRunning)
	cut()
	ended.end(berth.Exit{Kind: berth.ExitExited})
	receive(t, runs.stops, "SIGTERM: the lease is nearly over")
	runs.end(berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM"})
	receive(t, lives, "the next registration")
}

// A lease that somebody revoked: all is killed, then a new epoch begins.
func TestRun_LeaseRevoked(t *testing.T) {
	s := newSite(t)
	opts, runtime := s.testOptions("w1"), newFakeRuntime()
	opts.Runtime, opts.KillBound = runtime, 500*time.Millisecond
	a := s.run(opts)
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r1"), nil)
	c := a.runtime.next(t)
	s.await("w1", "r1", berth.StateRunning)
	if err := s.store.RevokeLease(t.Context(), s.worker("w1").Lease); err != nil {
		t.Fatal(err)
	}
	receive(t, c.kills, "SIGKILL")
	if again := a.epoch(); again <= epoch {
		t.Errorf("epoch %d after %d", again, epoch)
	}
	// The end that the agent itself brought about is not the request's.
	if got := s.allocation("w1", "r1"); got.State != berth.StateRunning {
		t.Errorf("the lost allocation is %s", got.State)
	}
}

// After a crash, what the former agent left is killed while its registration
// still stands, then its lease is revoked, then the next epoch begins.
func TestRun_AfterCrash(t *testing.T) {
	s := newSite(t)
	opts, runtime := s.testOptions("w1"), newFakeRuntime()
	old, lease := s.crashed("w1", opts.StateDir)
	var during berth.Fact
	runtime.leftovers = func() { during = s.fact(berth.Key{Kind: berth.KindWorker, ID: "w1"}) }
	opts.Runtime = runtime
	opts.TTL = 10 * time.Second
	began := time.Now()
	epoch := s.run(opts).epoch()
	if epoch <= old {
		t.Errorf("epoch %d after %d", epoch, old)
	}
	if berth.Epoch(during.Create) != old {
		t.Errorf("while leftovers were killed, the key was of epoch %d, want %d", during.Create, old)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("registered after %v: did it wait for the old lease?", took)
	}
	if _, gone, err := s.store.LeaseRemaining(t.Context(), lease); err != nil || !gone {
		t.Errorf("the former lease: gone %t, %v", gone, err)
	}
}

func TestRun_NameTaken(t *testing.T) {
	s := newSite(t)
	_, lease := s.crashed("w1", t.TempDir()) // its record is not ours
	a := s.run(s.testOptions("w1"))
	if err := receive(t, a.ended, "end"); !errors.Is(err, ErrNameTaken) {
		t.Fatalf("Run: %v, want ErrNameTaken", err)
	}
	waiting := s.testOptions("w1")
	waiting.WaitForName = true
	b := s.run(waiting)
	if err := s.store.RevokeLease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	b.epoch()
}

func TestRun_StateDirLocked(t *testing.T) {
	s := newSite(t)
	opts := s.testOptions("w1")
	s.run(opts).epoch()
	opts.ID = "w2"
	if err := receive(t, s.run(opts).ended, "end"); !errors.Is(err, ErrStateDirLocked) {
		t.Errorf("Run: %v, want ErrStateDirLocked", err)
	}
}

// A registration that was deleted by hand is noticed, though the lease lives.
func TestRun_KeyDeleted(t *testing.T) {
	s := newSite(t)
	a := s.run(s.testOptions("w1"))
	epoch := a.epoch()
	s.deleteWorker("w1")
	if again := a.epoch(); again <= epoch {
		t.Errorf("epoch %d after %d", again, epoch)
	}
}

// A layout that the agent does not know refuses its next transaction: it asks its
// containers to end, leaves them the time, and ends with that error (found by
// TestUpgrade: it tried again for ever).
func TestRun_NewerLayout(t *testing.T) {
	s := newSite(t)
	opts := s.testOptions("w1")
	opts.TTL = time.Minute
	a := s.run(opts)
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r1", "r2"), nil)
	ended, runs := a.runtime.next(t), a.runtime.next(t)
	s.await("w1", "r1", berth.StateRunning)
	s.await("w1", "r2", berth.StateRunning)
	s.raiseLayout()
	ended.end(berth.Exit{Kind: berth.ExitExited})
	if grace := receive(t, runs.stops, "SIGTERM"); grace < opts.TTL/4 {
		t.Errorf("asked to end within %v, with a lease of %v", grace, opts.TTL)
	}
	runs.end(berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM"})
	if err := receive(t, a.ended, "end"); !errors.Is(err, etcdstore.ErrNewerSchema) {
		t.Errorf("Run: %v, want ErrNewerSchema", err)
	}
}

func TestRun_OnStop(t *testing.T) {
	begin := func(t *testing.T, onStop OnStop) (*site, *agent, *fakeContainer, chan struct{}) {
		s := newSite(t)
		opts, abort := s.testOptions("w1"), make(chan struct{})
		opts.OnStop, opts.Abort = onStop, abort
		a := s.run(opts)
		epoch := a.epoch()
		s.open("w1", epoch)
		s.place("w1", epoch, ids("r1"), nil)
		c := a.runtime.next(t)
		s.await("w1", "r1", berth.StateRunning)
		a.stop()
		return s, a, c, abort
	}
	ended := func(t *testing.T, s *site, a *agent) *berth.Allocation {
		t.Helper()
		if err := receive(t, a.ended, "end"); err != nil {
			t.Fatal(err)
		}
		if f := s.fact(berth.Key{Kind: berth.KindWorker, ID: "w1"}); f.Record != nil {
			t.Error("still registered")
		}
		return s.allocation("w1", "r1")
	}
	t.Run("stop", func(t *testing.T) {
		s, a, c, _ := begin(t, OnStopStop)
		if grace := receive(t, c.stops, "stop"); grace != 5*time.Second {
			t.Errorf("grace %v, want the request's", grace)
		}
		s.worker("w1") // registered until its last container has ended
		c.end(berth.Exit{Kind: berth.ExitSignaled, Signal: "SIGTERM"})
		if got := ended(t, s, a); got.State != berth.StateExited || got.Stop == nil || got.Stop.Reason != berth.StopDrain {
			t.Errorf("%+v", got)
		}
	})
	t.Run("stop, aborted", func(t *testing.T) {
		s, a, c, abort := begin(t, OnStopStop)
		receive(t, c.stops, "stop")
		close(abort)
		receive(t, c.kills, "kill")
		if got := ended(t, s, a); got.State != berth.StateExited {
			t.Errorf("%+v", got)
		}
	})
	t.Run("drain", func(t *testing.T) {
		s, a, c, _ := begin(t, OnStopDrain)
		s.awaitCordon("w1", true)
		if len(c.stops) > 0 {
			t.Error("a drain asked a container to end")
		}
		c.end(exitZero)
		if got := ended(t, s, a); got.State != berth.StateExited || got.Stop != nil {
			t.Errorf("%+v", got)
		}
		s.run(s.testOptions("w1")).epoch()
		s.awaitCordon("w1", false)
	})
	t.Run("drain, aborted", func(t *testing.T) {
		s, a, c, abort := begin(t, OnStopDrain)
		close(abort)
		receive(t, c.stops, "stop")
		c.end(exitZero)
		if got := ended(t, s, a); got.Stop == nil || got.Stop.Reason != berth.StopDrain {
			t.Errorf("%+v", got)
		}
	})
}
