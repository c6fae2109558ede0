package rules

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

// epochOf is a worker's epoch in the store.
func (r *rig) epochOf(w string) berth.Epoch {
	r.t.Helper()
	kv := r.kv("workers/" + w)
	if kv == nil {
		r.t.Fatalf("worker %s is not registered", w)
	}
	return berth.Epoch(kv.CreateRevision)
}

// placed puts an allocation on a worker as a daemon would, with the change that
// edit makes to it.
func (r *rig) placed(w, id string, edit func(*berth.Allocation)) {
	r.t.Helper()
	r.placedIn(r.epochOf(w), w, id, edit)
}

func (r *rig) placedIn(epoch berth.Epoch, w, id string, edit func(*berth.Allocation)) {
	r.t.Helper()
	if r.kv("requests/"+id) == nil {
		r.submit(id)
	}
	a := berth.Allocation{
		Header: berth.Header{Version: 1, Txn: "test-1"}, State: berth.StatePlaced, Attempt: 1, Epoch: epoch, PlanID: "test-1",
		Tenant: "default", Share: share, StartTimeoutMS: 10_000, PlacedAt: time.Now().UTC(),
	}
	if edit != nil {
		edit(&a)
	}
	text, err := json.Marshal(a)
	r.ok(err)
	r.put("allocations/"+w+"/"+id, string(text))
	synctest.Wait()
}

func (r *rig) wantState(w, id string, want berth.State) *berth.Allocation {
	r.t.Helper()
	a, _ := r.allocation(w, id)
	if a == nil || a.State != want {
		r.t.Errorf("allocation %s: %+v, want %s", id, a, want)
	}
	return a
}

// The fence comes first: when a container starts, its allocation is STARTING in
// the store, in the worker's own epoch.
func TestWorker_FencesBeforeStart(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		m.holds = make(chan struct{})
		r.placed("w", "r", nil)
		if m.noted("asked r/1") < 0 {
			r.t.Fatalf("not started: %q", m.log)
		}
		r.wantState("w", "r", berth.StateStarting)
		close(m.holds)
		synctest.Wait()
		r.wantState("w", "r", berth.StateRunning)
		m.container("r/1").end(0)
		if a := r.wantState("w", "r", berth.StateExited); a.Exit == nil || a.Exit.Code != 0 {
			r.t.Errorf("exit %+v", a.Exit)
		}
		stop()
	})
}

// A worker acts on allocations of its own epoch alone.
func TestWorker_OwnEpochOnly(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", func(a *berth.Allocation) { a.Epoch-- })
		r.placed("w", "s", func(a *berth.Allocation) { a.Epoch--; a.State = berth.StateRunning })
		wait(r, 3)
		if m.noted("asked r/1") >= 0 {
			r.t.Error("an allocation of another epoch was started")
		}
		r.wantState("w", "r", berth.StatePlaced)
		r.wantState("w", "s", berth.StateRunning)
		stop()
	})
}

// What was fenced by an agent that has lost its memory may have run: it is
// reported so, and never started again.
func TestWorker_StartingWithoutMemory(t *testing.T) {
	for _, state := range []berth.State{berth.StateStarting, berth.StateRunning} {
		bubbleSub(t, string(state), func(r *rig) {
			m := r.machine("w")
			stop := m.agent(10 * time.Second)
			r.placed("w", "r", func(a *berth.Allocation) { a.State = state })
			wait(r, 1)
			if m.noted("asked r/1") >= 0 {
				r.t.Error("it was started, perhaps a second time")
			}
			if a := r.wantState("w", "r", berth.StateExited); a != nil && (a.Exit == nil || a.Exit.Kind != berth.ExitMayHaveRun) {
				r.t.Errorf("exit %+v, want may_have_run", a.Exit)
			}
			stop()
		})
	}
}

// A start that the runtime has on record as made before may have run.
func TestWorker_StartedBefore(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		m.before = true
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", nil)
		wait(r, 1)
		if a := r.wantState("w", "r", berth.StateExited); a != nil && (a.Exit == nil || a.Exit.Kind != berth.ExitMayHaveRun) {
			r.t.Errorf("exit %+v, want may_have_run", a.Exit)
		}
		stop()
	})
}

// A stop order that came before the fence: it never runs.
func TestWorker_StopOrderedBeforeStart(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", func(a *berth.Allocation) {
			a.Stop = &berth.StopOrder{Reason: berth.StopCancel, Deadline: time.Now().UTC()}
		})
		wait(r, 1)
		if m.noted("asked r/1") >= 0 {
			r.t.Error("started in spite of its stop order")
		}
		r.wantState("w", "r", berth.StateExited)
		stop()
	})
}

// A new attempt waits for the end of the former one's container.
func TestWorker_FormerAttemptLives(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", nil)
		first := m.container("r/1")
		r.placed("w", "r", func(a *berth.Allocation) { a.Attempt = 2 })
		wait(r, 1)
		if m.noted("start r/2") >= 0 {
			r.t.Error("two attempts of one request run at once")
		}
		first.end(137)
		wait(r, 1)
		if m.noted("start r/2") < 0 {
			r.t.Errorf("the second attempt was never started: %q", m.log)
		}
		m.container("r/2").end(0)
		stop()
	})
}

// An epoch is given up on disk before the first container of it is asked to end.
func TestWorker_GivesUpDurably(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", nil)
		r.ok(r.RevokeLease(r.t.Context(), m.record.Lease))
		wait(r, 9)
		given, asked := m.noted("given up"), m.noted("stop r/1")
		if asked < 0 || given < 0 || given > asked {
			r.t.Errorf("given up on disk at %d, container asked to end at %d, of %q", given, asked, m.log)
		}
		m.container("r/1").end(143)
		stop()
	})
}

// An epoch that was given up, or is not this machine's of this boot, is not taken
// up again, though its lease lives; what may be left of it is killed before the
// next one begins.
func TestWorker_GivenUpForGood(t *testing.T) {
	for name, edit := range map[string]func(*worker.LeaseRecord){
		"given up":         func(l *worker.LeaseRecord) { l.GivenUp = true },
		"of a former boot": func(l *worker.LeaseRecord) { l.BootID = "former" },
	} {
		bubbleSub(t, name, func(r *rig) {
			epoch, lease := r.register("w")
			m := r.machine("w")
			m.record = worker.LeaseRecord{Lease: lease.ID, Worker: "w", BootID: "boot", Cluster: lease.Cluster}
			edit(&m.record)
			m.left = func() {
				if kv := r.kv("workers/w"); kv == nil || berth.Epoch(kv.CreateRevision) != epoch {
					r.t.Error("the former epoch ended before what was left of it was killed")
				}
			}
			stop := m.agent(10 * time.Second)
			wait(r, 65) // another boot's lease is not revoked: it ends by itself
			if now := r.epochOf("w"); now == epoch {
				r.t.Error("an epoch that is over for this machine was taken up again")
			}
			if m.noted("leftovers") < 0 {
				r.t.Error("nothing was killed before the new epoch")
			}
			stop()
		})
	}
}

// A lease on record that may be another agent's is not revoked: the directory may be
// a copy of that of an agent that lives.
func TestWorker_RevokesNoOthersLease(t *testing.T) {
	for name, edit := range map[string]func(*worker.LeaseRecord, *machine){
		"another name":      func(_ *worker.LeaseRecord, m *machine) { m.id = "v" },
		"another boot":      func(l *worker.LeaseRecord, _ *machine) { l.BootID = "of the image" },
		"another directory": func(l *worker.LeaseRecord, _ *machine) { l.StateID = "the original" },
	} {
		bubbleSub(t, name, func(r *rig) {
			epoch, lease := r.register("w")
			ctx, cancel := contextOf(r)
			ended := make(chan struct{})
			go func() { _ = lease.Run(ctx); close(ended) }()
			m := r.machine("w")
			m.record = worker.LeaseRecord{Lease: lease.ID, Worker: "w", BootID: "boot", StateID: m.stateID, Cluster: lease.Cluster}
			edit(&m.record, m)
			stop := m.agent(10 * time.Second)
			wait(r, 100)
			if now := r.epochOf("w"); now != epoch {
				r.t.Errorf("epoch %d after %d, of an agent that lives", now, epoch)
			}
			cancel() // it dies
			<-ended
			wait(r, 61)
			if kv := r.kv("workers/" + string(m.id)); kv == nil || berth.Epoch(kv.CreateRevision) == epoch {
				r.t.Error("not registered after the end of that lease")
			}
			stop()
		})
	}
}

// What makes an epoch can be taken up again by the next agent: its lease is on
// disk before its key is in the store.
func TestWorker_RecordsLeaseFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		var put atomic.Bool
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if writes(req) && put.CompareAndSwap(false, true) {
				if m.noted("lease recorded") < 0 {
					r.t.Error("registered before the lease was on disk")
				}
			}
			return apply()
		})
		stop := m.agent(10 * time.Second)
		if !put.Load() {
			r.t.Error("never registered")
		}
		stop()
	})
}

// Whatever a container is told, it is killed before its lease can end: counted
// from the sending of the keepalive, though its answer comes late.
func TestWorker_DeadlineWithinLease(t *testing.T) {
	const ttl, late = 10 * time.Second, 2 * time.Second
	bubble(t, func(r *rig) {
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			if _, ok := req.(*pb.LeaseKeepAliveRequest); ok {
				<-time.After(late)
			}
			return resp, err
		})
		m := r.machine("w")
		began := r.clock()
		m.told = func(d worker.Deadline) {
			ends := began + ttl
			if m.noted("renew") >= 0 {
				ends = r.clock() - late + ttl
			}
			if d.Stop >= d.Kill || d.Kill >= ends {
				r.t.Errorf("told to stop at %s and be killed by %s, under a lease that may end at %s", d.Stop, d.Kill, ends)
			}
		}
		stop := m.agent(ttl)
		r.placed("w", "r", nil)
		wait(r, 20)
		if m.times("renew") < 2 {
			r.t.Errorf("the deadline was never moved on: %q", m.log)
		}
		m.container("r/1").end(0)
		stop()
	})
}

// An agent that is cut off has asked its containers to end, and killed them,
// before its lease can be over.
func TestWorker_EndsWithinLease(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", nil)
		r.conn.between(func(proto.Message, func() (proto.Message, error)) (proto.Message, error) {
			<-time.After(time.Second)
			return nil, errLost
		})
		wait(r, 10)
		if asked, killed := m.noted("stop r/1"), m.noted("kill r/1"); asked < 0 || killed < asked {
			r.t.Errorf("asked to end at %d, killed at %d, of %q", asked, killed, m.log)
		}
		r.conn.between(nil)
		m.container("r/1").end(137)
		stop()
	})
}

// The containers of an epoch that was given up keep the deadline that they have,
// though keepalives are answered.
func TestWorker_GivenUpIsNotRenewed(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(60 * time.Second)
		r.placed("w", "r", nil)
		epoch := r.epochOf("w")
		r.remove("workers/w")
		r.placedIn(epoch, "w", "s", nil) // its fence finds the key gone
		wait(r, 1)
		before := m.times("renew")
		wait(r, 50)
		if after := m.times("renew"); after != before || m.noted("stop r/1") < 0 {
			r.t.Errorf("renewed %d times after it was given up: %q", after-before, m.log)
		}
		m.container("r/1").end(137)
		stop()
	})
}

// Nothing of a former agent lives when a new epoch begins.
func TestWorker_KillsLeftoversFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		m.left = func() {
			if r.kv("workers/w") != nil {
				r.t.Error("registered before the leftovers were killed")
			}
		}
		stop := m.agent(10 * time.Second)
		if m.noted("leftovers") < 0 {
			r.t.Error("the leftovers were not killed before the registration")
		}
		stop()
	})
}

// The last moment before a container comes to life: the epoch that fenced it is
// over, or so near its end that it could be outlived.
func TestWorker_ChecksAtExec(t *testing.T) {
	for name, lose := range map[string]func(*rig, *machine){
		"lease lost": func(r *rig, m *machine) { r.ok(r.RevokeLease(r.t.Context(), m.record.Lease)); wait(r, 6) },
		"no keepalive": func(r *rig, _ *machine) {
			r.conn.between(func(proto.Message, func() (proto.Message, error)) (proto.Message, error) {
				<-time.After(time.Second) // etcd's client sends a keepalive again at once
				return nil, errLost
			})
			wait(r, 9)
		},
	} {
		bubbleSub(t, name, func(r *rig) {
			m := r.machine("w")
			stop := m.agent(10 * time.Second)
			m.holds = make(chan struct{})
			r.placed("w", "r", nil)
			lose(r, m)
			close(m.holds)
			synctest.Wait()
			if m.noted("start r/1") >= 0 {
				r.t.Error("started after its epoch was over")
				m.container("r/1").end(0)
			}
			r.conn.between(nil)
			stop()
		})
	}
}

// Only after its last container does an agent revoke its lease.
func TestWorker_RevokesLast(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", nil)
		ended := make(chan struct{})
		go func() { stop(); close(ended) }()
		wait(r, 2)
		if m.noted("stop r/1") < 0 {
			r.t.Fatalf("not asked to end: %q", m.log)
		}
		if r.kv("workers/w") == nil {
			r.t.Error("the registration is gone while a container runs")
		}
		m.container("r/1").end(143)
		<-ended
		if r.kv("workers/w") != nil {
			r.t.Error("the registration outlives its agent")
		}
	})
}

// A revocation without an answer may still come when the next agent has begun: what
// that one registers must not go with it.
func TestWorker_RevokedLate(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(60 * time.Second)
		was := r.epochOf("w")
		var late func() (proto.Message, error)
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if _, ok := req.(*pb.LeaseRevokeRequest); ok {
				late = apply
				return nil, errLost
			}
			return apply()
		})
		stop()
		r.conn.between(nil)
		stop = m.agent(60 * time.Second)
		defer func() { stop() }()
		wait(r, 1)
		if late == nil {
			r.t.Fatal("an agent that has ended revoked nothing")
		}
		_, _ = late() // its lease may be gone by now
		wait(r, 1)
		if r.kv("workers/w") == nil || r.epochOf("w") == was {
			r.t.Errorf("the next agent has the epoch of which a revocation was under way (%d)", was)
		}
	})
}

// A registration whose lease is over when it comes to the store is made again under
// another: the agent goes on.
func TestWorker_RegistersAnew(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		var over atomic.Bool
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if txn, ok := req.(*pb.TxnRequest); ok && writes(req) && over.CompareAndSwap(false, true) {
				lease := txn.Success[0].GetRequestPut().Lease
				if _, err := r.conn.Direct.Call(context.Background(), &pb.LeaseRevokeRequest{ID: lease}); err != nil {
					r.t.Error(err)
				}
			}
			return apply()
		})
		stop := m.agent(10 * time.Second)
		wait(r, 15)
		if !over.Load() || r.kv("workers/w") == nil {
			r.t.Error("not registered after the end of its first lease")
		}
		stop()
	})
}

// A worker's presence key is put once an epoch, however long it lives.
func TestWorker_PresencePutOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(4 * time.Second)
		wait(r, 20)
		if kv := r.kv("workers/w"); kv == nil || kv.Version != 1 {
			r.t.Errorf("presence key %+v, want it put once", kv)
		}
		stop()
	})
}

// An agent whose key was deleted starts nothing more, though its lease lives.
func TestWorker_KeyDeleted(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(60 * time.Second)
		epoch := r.epochOf("w")
		r.remove("workers/w")
		r.placedIn(epoch, "w", "r", nil)
		wait(r, 1)
		if m.noted("asked r/1") >= 0 {
			r.t.Error("started without the key of its epoch")
		}
		stop()
	})
}
