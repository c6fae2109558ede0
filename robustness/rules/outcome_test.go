package rules

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// An unknown outcome is settled by sending the same again: whichever of the two
// was lost, the transaction has been applied once, and its sender knows.
func TestUnknown_Settled(t *testing.T) {
	for name, applied := range map[string]bool{"request lost": false, "answer lost": true} {
		bubbleSub(t, name, func(r *rig) {
			r.scene()
			p := r.placement("w", "pending")
			sent := 0
			r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
				if !writes(req) {
					return apply()
				}
				if sent++; sent > 1 {
					return apply()
				}
				if applied {
					if _, err := apply(); err != nil {
						r.t.Error(err)
					}
				}
				return nil, errLost
			})
			res, err := r.Commit(r.t.Context(), p)
			if err != nil {
				r.t.Fatalf("commit: %v, want it settled", err)
			}
			a, mod := r.allocation("w", "pending")
			if a == nil || a.Txn != p.ID || len(res.Facts) == 0 {
				r.t.Errorf("allocation %+v at %d after it was settled", a, mod)
			}
			if v := r.kv("allocations/w/pending").Version; v != 1 {
				r.t.Errorf("the allocation was written %d times", v)
			}
		})
	}
}

// A transaction whose first copy comes late, after a read would have said that
// it was not applied: what the sender is told is what is in the store at the end.
func TestUnknown_LateCopy(t *testing.T) {
	bubble(t, func(r *rig) {
		r.scene()
		p := r.placement("w", "pending")
		var late func() (proto.Message, error)
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if writes(req) && late == nil {
				late = apply
				return nil, errLost
			}
			return apply()
		})
		_, err := r.Commit(r.t.Context(), p)
		r.conn.between(nil)
		if _, lateErr := late(); lateErr != nil {
			r.t.Error(lateErr)
		}
		a, _ := r.allocation("w", "pending")
		if told, is := err == nil, a != nil; told != is {
			r.t.Errorf("the sender was told %v; the placement is in the store: %v", err, is)
		}
		if l, _ := r.ledger("w"); l.Count != 2 {
			r.t.Errorf("the ledger counts %d, want 2", l.Count)
		}
	})
}

// A request that is applied twice by the network is one placement.
func TestUnknown_Duplicate(t *testing.T) {
	bubble(t, func(r *rig) {
		r.scene()
		p := r.placement("w", "pending")
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			first, err := apply()
			if writes(req) {
				if _, err := apply(); err != nil {
					r.t.Error(err)
				}
			}
			return first, err
		})
		r.commit(p)
		if l, _ := r.ledger("w"); l.Count != 2 {
			r.t.Errorf("the ledger counts %d, want 2", l.Count)
		}
	})
}

// Of a transaction whose answer was lost each member is told what its key holds: one
// that another has changed since is not what was written, and what it holds is told.
func TestUnknown_MemberChangedSince(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		var items []etcdstore.ReportItem
		for _, id := range []string{"a", "b"} {
			r.submit(id)
			r.commit(r.placement("w", id))
			a, mod := r.allocation("w", id)
			a.State = berth.StateRunning
			items = append(items, etcdstore.ReportItem{Request: berth.RequestID(id), AllocationWas: mod, Allocation: *a})
		}
		other, lost := r.side(), false
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			if !puts(req, "allocations/w/b") || lost {
				return resp, err
			}
			lost = true
			b, mod := other.allocation("w", "b")
			b.Stop = &berth.StopOrder{Reason: berth.StopCancel, Deadline: time.Now().UTC()}
			other.commit(&berth.Plan{ID: other.NewTxnID(), Stops: []berth.StopWrite{{Request: "b", Worker: "w", AllocationWas: mod, Allocation: *b}}})
			return nil, errLost
		})
		res, err := r.Report(r.t.Context(), "w", items)
		r.ok(err)
		if !res[0].Done {
			r.t.Errorf("report of a: %+v, want it done", res[0])
		}
		if res[1].Done || res[1].Fresh == nil {
			r.t.Fatalf("report of b: %+v, want to be told what has come since", res[1])
		}
		if b, ok := res[1].Fresh.Record.(*berth.Allocation); !ok || b.Stop == nil || b.State != berth.StateRunning {
			r.t.Errorf("b is told to be %+v, want it RUNNING with a stop order", res[1].Fresh.Record)
		}
	})
}

// An answer that tells how the store is at a later revision than that of its own
// transaction does not stand for what the watch tells of that one.
func TestDaemon_AnswerOfALaterRevision(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		wait(r, 1)
		gate := make(chan struct{})
		r.conn.hear(func(w *pb.WatchResponse) {
			if len(w.Events) > 0 {
				<-gate
			}
		})
		other := r.side()
		lost := false
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			if puts(req, "requests/mine") && !lost {
				lost = true
				other.submit("other")
				return nil, errLost
			}
			return resp, err
		})
		r.run(d, "mine", nil) // its first answer is lost; the second is of the revision of the other's
		close(gate)
		wait(r, 1)
		if a, _ := r.allocation("w", "other"); a == nil {
			r.t.Error("a request that fits was not placed: the daemon has not heard of it")
		}
		kill()
		stop()
	})
}

// The deadline counts from the sending of the keepalive, however late the answer.
func TestLease_DeadlineFromSending(t *testing.T) {
	bubble(t, func(r *rig) {
		lease, err := r.KeepLease(r.t.Context(), 9*time.Second)
		r.ok(err)
		if got, want := lease.Deadline(), r.clock()+9*time.Second; got != want {
			r.t.Fatalf("deadline %s, want %s", got, want)
		}
		r.conn.between(func(_ proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			<-time.After(2 * time.Second) // on its way back
			return resp, err
		})
		ctx, cancel := contextOf(r)
		ended := make(chan error, 1)
		go func() { ended <- lease.Run(ctx) }()
		<-lease.Renewed()
		if got, most := lease.Deadline(), r.clock()-2*time.Second+9*time.Second; got > most {
			r.t.Errorf("deadline %s, want at most %s: the lease is over then", got, most)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			r.t.Errorf("the lease's end: %v", err)
		}
	})
}

// A heartbeat is a keepalive and no more: it writes nothing.
func TestLease_HeartbeatWritesNothing(t *testing.T) {
	bubble(t, func(r *rig) {
		_, lease := r.worker("w")
		before := r.revision()
		ctx, cancel := contextOf(r)
		ended := make(chan error, 1)
		go func() { ended <- lease.Run(ctx) }()
		for range 3 {
			<-lease.Renewed()
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			r.t.Errorf("the lease's end: %v", err)
		}
		synctest.Wait()
		if after := r.revision(); after != before {
			r.t.Errorf("keepalives took the store from revision %d to %d", before, after)
		}
		if kv := r.kv("workers/w"); kv == nil || kv.Version != 1 {
			r.t.Errorf("the presence key was put again: %+v", kv)
		}
	})
}

// A lease that is over is told as lost.
func TestLease_Lost(t *testing.T) {
	bubble(t, func(r *rig) {
		lease, err := r.KeepLease(r.t.Context(), 3*time.Second)
		r.ok(err)
		r.ok(r.RevokeLease(r.t.Context(), lease.ID))
		if err := lease.Run(r.t.Context()); err != nil {
			r.t.Errorf("run: %v, want nil", err)
		}
		<-lease.Lost()
		left, gone, err := r.LeaseRemaining(r.t.Context(), lease.ID)
		if err != nil || !gone || left != 0 {
			r.t.Errorf("remaining %s, gone %v, %v", left, gone, err)
		}
	})
}

// A registration is sent again with other compares when an operator's wish for the
// worker has changed, and its first copy may come late: then the key that lives is
// the sender's own, and not another agent's.
func TestRegister_FirstCopyLate(t *testing.T) {
	bubble(t, func(r *rig) {
		lease, err := r.KeepLease(r.t.Context(), time.Minute)
		r.ok(err)
		rec := r.registration(lease)
		wish := func(i *berth.Intent) {
			_, err := r.SetIntent(r.t.Context(), "w", func(*berth.Intent) *berth.Intent { return i })
			r.ok(err)
		}
		var late func() (proto.Message, error)
		sent := 0
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if !strings.Contains(firstWrites(req), "/workers/") {
				return apply()
			}
			switch sent++; sent {
			case 1: // held up
				late = apply
				wish(&berth.Intent{Cordon: true, At: time.Now().UTC()})
				return nil, errLost
			case 3: // what the second copy has met is gone again
				wish(nil)
				if _, err := late(); err != nil {
					r.t.Error(err)
				}
			}
			return apply()
		})
		epoch, err := r.RegisterWorker(r.t.Context(), "w", rec)
		if err != nil || sent != 3 {
			r.t.Fatalf("registered by %d copies: %v", sent, err)
		}
		if now := r.epochOf("w"); now != epoch || r.kv("workers/w").Version != 1 {
			r.t.Errorf("epoch %d, told %d", now, epoch)
		}
	})
}

// Two workers of one name: the key that lives stays as it is.
func TestRegister_LivingKey(t *testing.T) {
	bubble(t, func(r *rig) {
		epoch, _ := r.worker("w")
		lease, err := r.KeepLease(r.t.Context(), time.Minute)
		r.ok(err)
		if got, err := r.RegisterWorker(r.t.Context(), "w", r.registration(lease)); err == nil {
			r.t.Errorf("registered in epoch %d over a living key", got)
		}
		if kv := r.kv("workers/w"); berth.Epoch(kv.ModRevision) != epoch {
			r.t.Errorf("the living key was put again at %d", kv.ModRevision)
		}
	})
}
