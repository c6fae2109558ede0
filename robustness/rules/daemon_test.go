package rules

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/invariant"
	"github.com/berthd/berth/robustness/memetcd"
)

// daemon runs one on a store of its own; the invariants are checked at every
// revision, and stop says what they found.
func (r *rig) daemon() (d *daemon.Daemon, stop func()) {
	r.t.Helper()
	checked := r.checked()
	d, end := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
	return d, func() { end(); checked() }
}

// checked has the invariants looked at, at every revision, until it is told to end.
func (r *rig) checked() (end func()) {
	return r.checkedBy(func(broken string) { r.t.Error(broken) })
}

// checkedInto is checked of a model, of which what is broken is what is wrong: so the draw is told, and made smaller.
func (r *rig) checkedInto(wrong *string) (end func()) {
	broken := ""
	checked := r.checkedBy(func(told string) { broken = cmp.Or(broken, told) })
	return func() {
		checked()
		*wrong = cmp.Or(*wrong, broken)
	}
}

// checkedBy is checked that tells somebody else what is broken.
func (r *rig) checkedBy(tell func(broken string)) (end func()) {
	ctx, cancel := contextOf(r)
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		_ = invariant.WatchStore(ctx, memetcd.NewClient(ctx, r.conn.Direct), "/berth/", invariant.Options{}, func(rep invariant.Report) error {
			for _, v := range rep.Violations {
				tell(fmt.Sprintf("at revision %d: %v", rep.Revision, v))
			}
			return nil
		})
	}()
	return func() {
		synctest.Wait()
		cancel()
		<-checked
	}
}

func (r *rig) run(d *daemon.Daemon, id string, edit func(*berth.Request)) {
	r.t.Helper()
	s := r.submission(id).Spec
	if edit != nil {
		edit(&s)
	}
	res, err := d.Submit(r.t.Context(), []berth.Request{s})
	r.ok(err)
	r.ok(res[0].Err)
	synctest.Wait()
}

// reported moves an allocation on, as its worker would.
func (r *rig) reported(w, id string, state berth.State, exit *berth.Exit) {
	r.t.Helper()
	a, mod := r.allocation(w, id)
	if a == nil {
		r.t.Fatalf("no allocation of %s on %s", id, w)
	}
	if state == berth.StateStarting {
		a.State = state
		res, err := r.StartAllocations(r.t.Context(), berth.WorkerID(w), a.Epoch, []etcdstore.StartItem{{Request: berth.RequestID(id), AllocationWas: mod, Allocation: *a}})
		r.ok(err)
		if !res[0].Fenced {
			r.t.Fatalf("%s is not fenced", id)
		}
		synctest.Wait()
		return
	}
	a.State, a.Exit = state, exit
	if a.StartedAt.IsZero() && state == berth.StateRunning {
		a.StartedAt = time.Now().UTC()
	}
	_, err := r.Report(r.t.Context(), berth.WorkerID(w), []etcdstore.ReportItem{{Request: berth.RequestID(id), AllocationWas: mod, Allocation: *a}})
	r.ok(err)
	synctest.Wait()
}

func (r *rig) runs(w, id string) {
	r.t.Helper()
	r.reported(w, id, berth.StateStarting, nil)
	r.reported(w, id, berth.StateRunning, nil)
}

// lives registers a worker whose lease is kept alive until kill, which leaves it
// to end by itself.
func (r *rig) lives(w berth.WorkerID) (lease *etcdstore.Lease, kill func()) {
	r.t.Helper()
	_, lease = r.register(w)
	ctx, cancel := contextOf(r)
	ended := make(chan struct{})
	go func() { _ = lease.Run(ctx); close(ended) }()
	synctest.Wait()
	return lease, func() { cancel(); <-ended }
}

// livesOf is lives, of a worker of so much.
func (r *rig) livesOf(w berth.WorkerID, cpuMilli, memory int64) (kill func()) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	reg.Capacity.CPUMilli, reg.Capacity.MemoryBytes = cpuMilli, memory
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	ctx, cancel := contextOf(r)
	ended := make(chan struct{})
	go func() { _ = lease.Run(ctx); close(ended) }()
	synctest.Wait()
	return func() { cancel(); <-ended }
}

// movedAfter waits until a request has no allocation on w, and says how long.
func (r *rig) movedAfter(w, id string, most time.Duration) time.Duration {
	r.t.Helper()
	began := time.Now()
	for time.Since(began) < most {
		if a, _ := r.allocation(w, id); a == nil {
			return time.Since(began)
		}
		<-time.After(100 * time.Millisecond)
		synctest.Wait()
	}
	return most
}

// Of the registrations here: 60 s TTL, 2 s kill bound, so 2.6 s of grace.
const ttl, grace = 60 * time.Second, 2600 * time.Millisecond

// What may run on a lost worker moves after the grace, which begins when key
// and lease are gone; what is still PLACED moves at once.
func TestDaemon_Grace(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		lease, kill := r.lives("w")
		r.run(d, "runs", nil)
		r.run(d, "placed", func(s *berth.Request) { s.StartTimeoutMS = 600_000 })
		r.runs("w", "runs")
		kill()
		r.ok(r.RevokeLease(r.t.Context(), lease.ID))
		synctest.Wait()
		if a, _ := r.allocation("w", "placed"); a != nil {
			r.t.Error("what was only PLACED on a lost worker did not move at once")
		}
		if after := r.movedAfter("w", "runs", time.Minute); after < grace || after > grace+time.Second {
			r.t.Errorf("what may run was moved after %s, want %s", after, grace)
		}
		stop()
	})
}

// A key that is deleted while its lease lives: the grace counts from the lease's end.
func TestDaemon_GraceFromLeaseEnd(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		lease, kill := r.lives("w")
		r.run(d, "r", nil)
		r.runs("w", "r")
		kill()
		left, _, err := r.LeaseRemaining(r.t.Context(), lease.ID)
		r.ok(err)
		r.remove("workers/w")
		if after := r.movedAfter("w", "r", 2*ttl); after < left+grace {
			r.t.Errorf("moved %s after the key, while its lease had %s to live", after, left)
		}
		stop()
	})
}

// The grace is that of one epoch: a former one of the same worker says nothing.
func TestDaemon_GracePerEpoch(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		for round, id := range []string{"first", "second"} {
			lease, kill := r.lives("w")
			wait(r, 1)
			r.run(d, id, func(s *berth.Request) { s.Retry.MaxAttempts = 1 })
			r.runs("w", id)
			kill()
			r.ok(r.RevokeLease(r.t.Context(), lease.ID))
			synctest.Wait()
			if after := r.movedAfter("w", id, time.Minute); after < grace {
				r.t.Errorf("life %d: moved after %s, want %s", round+1, after, grace)
			}
			wait(r, 30)
		}
		stop()
	})
}

// on_disconnect: keep is added to the grace of the allocation that has it.
func TestDaemon_GraceOfKeep(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		lease, kill := r.lives("w")
		r.run(d, "r", func(s *berth.Request) { s.KeepMS = 20_000 })
		r.runs("w", "r")
		kill()
		r.ok(r.RevokeLease(r.t.Context(), lease.ID))
		synctest.Wait()
		if after := r.movedAfter("w", "r", time.Minute); after < grace+20*time.Second {
			r.t.Errorf("moved after %s, want %s", after, grace+20*time.Second)
		}
		stop()
	})
}

// A newer epoch proves the old one dead where the same agent has registered it: what
// another machine's does says nothing of what is cut off.
func TestDaemon_NameTakenOver(t *testing.T) {
	for by, proves := range map[string]bool{"rig": true, "another": false, "": false} {
		bubbleSub(t, by, func(r *rig) {
			d, stop := r.daemon()
			lease, kill := r.lives("w")
			r.run(d, "r", func(s *berth.Request) { s.KeepMS = 20_000 })
			r.runs("w", "r")
			kill()
			r.ok(r.RevokeLease(r.t.Context(), lease.ID))
			next, err := r.KeepLease(r.t.Context(), 60*time.Second)
			r.ok(err)
			rec := r.registration(next)
			rec.StateID = by
			_, err = r.RegisterWorker(r.t.Context(), "w", rec)
			r.ok(err)
			synctest.Wait()
			if after := r.movedAfter("w", "r", time.Minute); proves && after > time.Second || !proves && after < grace+20*time.Second {
				r.t.Errorf("moved after %s; proved dead: %t", after, proves)
			}
			stop()
		})
	}
}

// A container that is told to stop keeps its share until its end is reported.
func TestDaemon_StopBeforeRelease(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		r.run(d, "r", nil)
		r.runs("w", "r")
		_, err := d.Cancel(r.t.Context(), "r", "")
		r.ok(err)
		wait(r, 60)
		if a, _ := r.allocation("w", "r"); a == nil || a.Stop == nil {
			r.t.Fatalf("allocation %+v after its stop order, want it kept until its end", a)
		}
		if l, _ := r.ledger("w"); l.Count != 1 || l.Reserved.IsZero() {
			r.t.Errorf("ledger %+v while a container may run", l)
		}
		r.reported("w", "r", berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM", At: time.Now().UTC()})
		wait(r, 1)
		if l, _ := r.ledger("w"); !l.Empty() {
			r.t.Errorf("ledger %+v after the end", l)
		}
		kill()
		stop()
	})
}

// The retry policy bounds the attempts that may have run.
func TestDaemon_RetryPolicy(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		r.run(d, "r", func(s *berth.Request) {
			s.Retry = berth.RetryPolicy{MaxAttempts: 2, OnFailure: true, BackoffMS: 1000}
		})
		for range 2 {
			r.runs("w", "r")
			r.reported("w", "r", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()})
			wait(r, 5)
		}
		s, err := d.Get(r.t.Context(), "r")
		r.ok(err)
		if s.State != berth.StateFailed || s.Attempt != 2 {
			r.t.Errorf("state %s after attempt %d, want FAILED after 2", s.State, s.Attempt)
		}
		kill()
		stop()
	})
}

// A ledger is opened for a new epoch only when nothing of an older one is left in it.
func TestDaemon_OpensEmptyLedger(t *testing.T) {
	bubble(t, func(r *rig) {
		lease, kill := r.lives("w")
		r.commit(&berth.Plan{ID: r.NewTxnID(), Ledgers: []berth.LedgerWrite{r.opened("w", r.epochOf("w"), lease)}})
		old := r.epochOf("w")
		r.submit("r")
		r.commit(r.placement("w", "r"))
		r.runs("w", "r")
		_, stop := r.daemon()
		kill()
		r.ok(r.RevokeLease(r.t.Context(), lease.ID))
		synctest.Wait()
		var looking atomic.Bool
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			if writes(req) && looking.CompareAndSwap(false, true) {
				l, _ := r.peek()
				if a, _ := r.allocation("w", "r"); a != nil && a.Epoch == old && l.Epoch != old {
					r.t.Error("the ledger was opened while an older epoch's allocation was in it")
				}
				looking.Store(false)
			}
			return resp, err
		})
		_, kill = r.lives("w") // within the grace
		wait(r, 3)
		if l, _ := r.ledger("w"); l.Epoch == old {
			r.t.Error("the ledger was never opened for the new epoch")
		}
		r.conn.between(nil)
		kill()
		stop()
	})
}

func (r *rig) peek() (*berth.Ledger, berth.Revision) { return r.ledger("w") }

// A worker that vanishes while its ledger is being opened: it is not opened for
// an epoch that is over.
func TestDaemon_OpensForTheLiving(t *testing.T) {
	bubble(t, func(r *rig) {
		_, stop := r.daemon()
		var spoiled atomic.Bool
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if writes(req) && putsLedger(req) && spoiled.CompareAndSwap(false, true) {
				_, err := r.conn.Direct.Call(context.Background(), &pb.DeleteRangeRequest{Key: []byte("/berth/workers/w")})
				r.ok(err)
			}
			return apply()
		})
		_, kill := r.lives("w")
		wait(r, 2)
		if !spoiled.Load() {
			r.t.Fatal("no ledger was opened")
		}
		if kv := r.kv("ledgers/w"); kv != nil {
			r.t.Errorf("a ledger is open for an epoch that is over: %s", kv.Value)
		}
		kill()
		stop()
	})
}

func putsLedger(req proto.Message) bool {
	txn, _ := req.(*pb.TxnRequest)
	for _, op := range txn.GetSuccess() {
		if string(op.GetRequestPut().GetKey()) == "/berth/ledgers/w" {
			return true
		}
	}
	return false
}

// What a transaction's answer has said to be gone is not brought back by an
// event that comes late: neither of a revision that an answer has told whole, nor of
// one whose answer was lost.
func TestDaemon_LateEvent(t *testing.T) {
	t.Run("told", func(t *testing.T) { lateEvent(t, func(*rig) {}) })
	t.Run("lost", func(t *testing.T) { lateEvent(t, (*rig).loseAnswer) })
}

func lateEvent(t *testing.T, before func(*rig)) {
	t.Helper()
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		before(r)
		gate := make(chan struct{})
		r.conn.hear(func(w *pb.WatchResponse) {
			if len(w.Events) > 0 {
				<-gate
			}
		})
		r.run(d, "r", nil)
		ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
		defer cancel()
		s, err := d.Cancel(ctx, "r", "")
		r.ok(err)
		if s.State != berth.StateCancelled {
			r.t.Fatalf("cancelled, and its state is %s", s.State)
		}
		gate <- struct{}{} // the request's put, of long ago
		synctest.Wait()
		if s, err = d.Get(ctx, "r"); err != nil || s.State != berth.StateCancelled {
			r.t.Errorf("after a late event: state %s, %v, want CANCELLED", s.State, err)
		}
		if info, err := d.Info(ctx); err != nil || info.Requests != 0 {
			r.t.Errorf("after a late event: %d requests, %v, want none", info.Requests, err)
		}
		close(gate)
		stop()
	})
}

// A submission whose answer was lost is accepted once, and its submitter told so.
func TestDaemon_SubmitUnknown(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.loseAnswer()
		r.run(d, "r", nil)
		if kv := r.kv("requests/r"); kv == nil || kv.Version != 1 {
			r.t.Errorf("request %+v, want it put once", kv)
		}
		stop()
	})
}

// loseAnswer loses the answer of the next transaction that writes.
func (r *rig) loseAnswer() {
	var lost atomic.Bool
	r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		resp, err := apply()
		if writes(req) && lost.CompareAndSwap(false, true) {
			return nil, errLost
		}
		return resp, err
	})
}

// An end that is due twice in one plan releases once.
func TestDaemon_EndsOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		for _, id := range []string{"a", "b"} {
			r.run(d, id, nil)
			r.runs("w", id)
		}
		var lost atomic.Bool
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			if writes(req) && lost.CompareAndSwap(false, true) {
				return nil, errLost
			}
			return resp, err
		})
		r.reported("w", "a", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		wait(r, 5)
		if l, _ := r.ledger("w"); l.Count != 1 {
			r.t.Errorf("the ledger counts %d, want 1", l.Count)
		}
		kill()
		stop()
	})
}
