package worker

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

var exitZero = berth.Exit{Kind: berth.ExitExited}

func TestRun_OneLife(t *testing.T) {
	s := newSite(t)
	a := s.run(s.testOptions("w1"))
	epoch := a.epoch()
	rec := s.worker("w1")
	if rec.TTLSeconds != 2 || rec.Pool != berth.DefaultPool || rec.KillMS != DefaultKillBound.Milliseconds() || len(rec.Enforces) != 1 {
		t.Errorf("registration %+v", rec)
	}
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r1"), func(r *berth.Request, _ *berth.Allocation) {
		r.Env = map[string]string{"A": "1"}
	})
	c := a.runtime.next(t)
	if c.spec.Env["BERTH_REQUEST_ID"] != "r1" || c.spec.Env["A"] != "1" || c.spec.CPUMilli != 1 || c.spec.Epoch != epoch {
		t.Errorf("spec %+v", c.spec)
	}
	if started := s.await("w1", "r1", berth.StateRunning).StartedAt; started.IsZero() {
		t.Error("RUNNING without started_at")
	}
	c.end(berth.Exit{Kind: berth.ExitExited, Code: 7})
	got := s.await("w1", "r1", berth.StateExited)
	if got.Exit == nil || got.Exit.Code != 7 || got.Exit.Kind != berth.ExitExited || got.Exit.At.IsZero() || got.StartedAt.IsZero() {
		t.Errorf("EXITED %+v", got)
	}
	a.stop()
	if err := receive(t, a.ended, "end"); err != nil {
		t.Errorf("Run: %v", err)
	}
	if f := s.fact(berth.Key{Kind: berth.KindWorker, ID: "w1"}); f.Record != nil {
		t.Errorf("still registered after its end: %+v", f.Record)
	}
}

// A hundred placed at once are fenced, and reported, in few transactions.
func TestRun_Coalesces(t *testing.T) {
	s := newSite(t)
	a := s.run(s.testOptions("w1"))
	epoch := a.epoch()
	s.open("w1", epoch)
	var many []berth.RequestID
	for i := range 100 {
		many = append(many, berth.RequestID(fmt.Sprintf("r%03d", i)))
	}
	s.place("w1", epoch, many, nil)
	for range many {
		a.runtime.next(t).end(exitZero)
	}
	fences, reports, exited := map[berth.Revision]bool{}, map[berth.Revision]bool{}, map[string]bool{}
	s.follow("w1", func(d etcdstore.Delta) bool {
		for _, f := range d.Facts {
			al, ok := f.Record.(*berth.Allocation)
			switch {
			case !ok || al.State == berth.StatePlaced:
			case al.State == berth.StateStarting:
				fences[f.Mod] = true
			default:
				reports[f.Mod] = true
				exited[f.Key.ID] = exited[f.Key.ID] || al.State == berth.StateExited
			}
		}
		return len(exited) == len(many)
	})
	if len(exited) != len(many) || a.runtime.startCount() != len(many) {
		t.Fatalf("%d ended, %d started, want %d", len(exited), a.runtime.startCount(), len(many))
	}
	// Placed in one transaction, they are fenced in one, or as few as fit. How
	// many reports there are depends on how slow the store is: see step_test.go.
	if len(fences) > 5 {
		t.Errorf("%d fences for 100 allocations placed at once", len(fences))
	}
	t.Logf("%d fences, %d reports seen", len(fences), len(reports))
}

// What was placed in an epoch that is over is never started in the next.
func TestRun_StaleEpoch(t *testing.T) {
	s := newSite(t)
	first := s.testOptions("w1")
	first.hang = true
	one := s.run(first)
	old := one.epoch()
	s.open("w1", old)
	s.place("w1", old, ids("stale"), nil)
	// Its agent dies with its lease: nothing of it is reported.
	if err := s.store.RevokeLease(t.Context(), s.worker("w1").Lease); err != nil {
		t.Fatal(err)
	}
	again := one.epoch()
	if again == old {
		t.Fatalf("epoch %d again", old)
	}
	one.stop()
	if err := receive(t, one.ended, "end"); err != nil {
		t.Fatal(err)
	}

	two := s.run(s.testOptions("w1"))
	epoch := two.epoch()
	ledger, ok := s.fact(berth.Key{Kind: berth.KindLedger, ID: "w1"}).Record.(*berth.Ledger)
	if !ok {
		t.Fatal("no ledger")
	}
	next := *ledger
	next.Epoch = epoch // a daemon would end "stale" first; this test wants it there
	s.commit(&berth.Plan{Ledgers: []berth.LedgerWrite{{Worker: "w1", Was: s.mod(berth.KindLedger, "w1"), Alive: epoch, Ledger: next}}})
	s.place("w1", epoch, ids("fresh"), nil)
	if c := two.runtime.next(t); c.spec.Request != "fresh" {
		t.Errorf("started %s", c.spec.Request)
	}
	s.await("w1", "fresh", berth.StateRunning)
	if a := s.allocation("w1", "stale"); a.State != berth.StatePlaced {
		t.Errorf("the stale allocation is %s", a.State)
	}
	if n := two.runtime.startCount(); n != 1 {
		t.Errorf("%d starts, want 1", n)
	}
}

func TestRun_StartFails(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want berth.ExitKind
		code int64
	}{
		{"failure", errors.New("no memory"), berth.ExitStartFailed, 0},
		{"its own fault", fmt.Errorf("start: %w", &RequestFault{Code: berth.CodeNotFound, Err: errors.New("no such file")}), berth.ExitStartFailed, berth.CodeNotFound},
		{"rejection", &Rejection{Problem: "no images here"}, berth.ExitRejected, 0},
		{"too late", fmt.Errorf("before exec: %w", ErrDeadline), berth.ExitRejected, 0},
	}
	s := newSite(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := berth.WorkerID(fmt.Sprintf("w%d", i))
			opts := s.testOptions(w)
			runtime := newFakeRuntime()
			runtime.fail = func(Spec) error { return tt.err }
			opts.Runtime = runtime
			a := s.run(opts)
			epoch := a.epoch()
			s.open(w, epoch)
			id := berth.RequestID("r-" + string(w))
			s.place(w, epoch, []berth.RequestID{id}, nil)
			got := s.await(w, id, berth.StateExited)
			if got.Exit.Kind != tt.want || got.Exit.Code != tt.code || got.Exit.Message == "" || !got.StartedAt.IsZero() {
				t.Errorf("exit %+v, started %v; want %s with code %d", got.Exit, got.StartedAt, tt.want, tt.code)
			}
		})
	}
}

// A fence without a memory of it may have run, and is never started again.
func TestRun_StartingWithoutMemory(t *testing.T) {
	s := newSite(t)
	a := s.run(s.testOptions("w1"))
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r1"), func(_ *berth.Request, al *berth.Allocation) { al.State = berth.StateStarting })
	if got := s.await("w1", "r1", berth.StateExited); got.Exit.Kind != berth.ExitMayHaveRun {
		t.Errorf("exit %+v", got.Exit)
	}
	if n := a.runtime.startCount(); n != 0 {
		t.Errorf("%d starts", n)
	}
}

func TestRun_StopOrders(t *testing.T) {
	s := newSite(t)
	a := s.run(s.testOptions("w1"))
	epoch := a.epoch()
	s.open("w1", epoch)
	tests := []struct {
		name      string
		in        time.Duration
		low, high time.Duration
	}{
		{"the deadline's", 3 * time.Second, time.Second, 3 * time.Second},
		{"at most the request's", time.Hour, 5 * time.Second, 5 * time.Second},
		{"a deadline that has passed", -time.Minute, 0, 0},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := berth.RequestID(fmt.Sprintf("r%d", i))
			s.place("w1", epoch, []berth.RequestID{id}, nil)
			c := a.runtime.next(t)
			s.await("w1", id, berth.StateRunning)
			s.order("w1", id, time.Now().Add(tt.in))
			if grace := receive(t, c.stops, "stop"); grace < tt.low || grace > tt.high {
				t.Errorf("grace %v, want %v to %v", grace, tt.low, tt.high)
			}
			c.end(berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM"})
			if got := s.await("w1", id, berth.StateExited); got.Exit.Signal != "SIGTERM" || got.Stop.Reason != berth.StopCancel {
				t.Errorf("%+v, %+v", got.Exit, got.Stop)
			}
		})
	}
}

func TestRun_StopOrderBeforeFence(t *testing.T) {
	s := newSite(t)
	a := s.run(s.testOptions("w1"))
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("r1"), func(_ *berth.Request, al *berth.Allocation) {
		al.Stop = &berth.StopOrder{Reason: berth.StopCancel, Deadline: time.Now()}
	})
	if got := s.await("w1", "r1", berth.StateExited); got.Exit.Kind != berth.ExitRejected {
		t.Errorf("exit %+v", got.Exit)
	}
	if n := a.runtime.startCount(); n != 0 {
		t.Errorf("%d starts", n)
	}
}
