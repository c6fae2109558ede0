package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// errFound ends a follow of await.
var errFound = errors.New("found")

// site is a store, and a daemon's hand on it.
type site struct {
	t     *testing.T
	store *etcdstore.Store
	// deleteWorker deletes a registration, as an operator's hand might.
	deleteWorker func(berth.WorkerID)
	// raiseLayout is what daemons of the next version do.
	raiseLayout func()
}

// agent is a worker that runs, with a fake runtime.
type agent struct {
	t       *testing.T
	runtime *fakeRuntime
	epochs  chan berth.Epoch // one of each registration
	stop    context.CancelFunc
	ended   chan error // Run's answer
}

// testOptions of a worker w with small times.
func (s *site) testOptions(w berth.WorkerID) Options {
	return Options{
		ID: w, StateDir: s.t.TempDir(), Store: s.store, TTL: 2 * time.Second,
		Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1_000_000, MemoryBytes: 1 << 40}},
		Log:      s.log().With(zap.String("agent", string(w))),
	}
}

func (s *site) log() *zap.Logger {
	return zaptest.NewLogger(s.t, zaptest.Level(zap.WarnLevel))
}

// run starts an agent, which ends with the test.
func (s *site) run(opts Options) *agent {
	s.t.Helper()
	a := &agent{t: s.t, runtime: newFakeRuntime(), epochs: make(chan berth.Epoch, 100), ended: make(chan error, 1)}
	if opts.Runtime == nil {
		opts.Runtime = a.runtime
	}
	if fake, ok := opts.Runtime.(*fakeRuntime); ok {
		a.runtime = fake
	}
	opts.OnRegistered = func(e berth.Epoch) { a.epochs <- e }
	w, err := New(opts)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.ended <- w.Run(ctx)
	}()
	s.t.Cleanup(func() {
		cancel()
		close(a.runtime.ended)
		select {
		case <-done:
		case <-time.After(patience):
			s.t.Error("the agent does not end")
		}
	})
	return a
}

func (a *agent) epoch() berth.Epoch {
	a.t.Helper()
	return receive(a.t, a.epochs, "registration")
}

// open makes the ledger that a daemon would open for the epoch.
func (s *site) open(w berth.WorkerID, epoch berth.Epoch) {
	s.t.Helper()
	s.commit(&berth.Plan{Ledgers: []berth.LedgerWrite{{
		Worker: w, Was: s.mod(berth.KindLedger, string(w)), Alive: epoch,
		Ledger: berth.Ledger{Epoch: epoch, Capacity: s.worker(w).Capacity},
	}}})
}

func (s *site) worker(w berth.WorkerID) *berth.Worker {
	s.t.Helper()
	rec, ok := s.fact(berth.Key{Kind: berth.KindWorker, ID: string(w)}).Record.(*berth.Worker)
	if !ok {
		s.t.Fatalf("worker %s is not registered", w)
	}
	return rec
}

func (s *site) fact(k berth.Key) berth.Fact {
	s.t.Helper()
	facts, err := s.store.Get(s.t.Context(), k)
	if err != nil {
		s.t.Fatal(err)
	}
	return facts[0]
}

// mod is 0 for what is absent.
func (s *site) mod(kind berth.Kind, id string) berth.Revision {
	f := s.fact(berth.Key{Kind: kind, ID: id})
	if f.Record == nil {
		return 0
	}
	return f.Mod
}

func (s *site) commit(p *berth.Plan) {
	s.t.Helper()
	p.ID = s.store.NewTxnID()
	if _, err := s.store.Commit(s.t.Context(), p); err != nil {
		s.t.Fatal(err)
	}
}

// place submits requests and places them in one transaction; change may make the
// allocations other than a daemon would.
func (s *site) place(w berth.WorkerID, epoch berth.Epoch, ids []berth.RequestID, change func(*berth.Request, *berth.Allocation)) {
	s.t.Helper()
	ledger, ok := s.fact(berth.Key{Kind: berth.KindLedger, ID: string(w)}).Record.(*berth.Ledger)
	if !ok {
		s.t.Fatalf("worker %s has no ledger", w)
	}
	plan, next := &berth.Plan{}, *ledger
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 1}}
	for _, id := range ids {
		r := berth.Request{
			ID: id, Command: []string{"true"}, StopTimeoutMS: 5000,
			Resources: berth.Demand{Quantities: share.Quantities},
		}.Normalize()
		a := berth.Allocation{
			State: berth.StatePlaced, Attempt: 1, Epoch: epoch, Tenant: r.Tenant, Share: share,
			StartTimeoutMS: r.StartTimeoutMS, PlacedAt: time.Now().UTC(),
		}
		if change != nil {
			change(&r, &a)
		}
		digest, err := r.Digest()
		if err != nil {
			s.t.Fatal(err)
		}
		if next, err = next.Reserve(share); err != nil {
			s.t.Fatal(err)
		}
		plan.Submits = append(plan.Submits, berth.Submit{Submission: berth.Submission{Digest: digest, SubmittedAt: time.Now().UTC(), Spec: r}})
		plan.Places = append(plan.Places, berth.Placement{
			Request: id, Worker: w, Allocation: a,
			State: berth.Progress{State: berth.StatePlaced, Attempt: a.Attempt, Worker: w, Epoch: epoch},
		})
	}
	plan.Ledgers = []berth.LedgerWrite{{Worker: w, Was: s.mod(berth.KindLedger, string(w)), Alive: epoch, Ledger: next}}
	s.commit(plan)
}

// order puts a stop order into an allocation, as a cancel does.
func (s *site) order(w berth.WorkerID, id berth.RequestID, deadline time.Time) {
	s.t.Helper()
	next := *s.allocation(w, id)
	next.Stop = &berth.StopOrder{Reason: berth.StopCancel, Deadline: deadline}
	was := s.fact(allocationKey(w, id)).Mod
	s.commit(&berth.Plan{Stops: []berth.StopWrite{{Request: id, Worker: w, AllocationWas: was, Allocation: next}}})
}

// allocation is what the store holds now.
func (s *site) allocation(w berth.WorkerID, id berth.RequestID) *berth.Allocation {
	s.t.Helper()
	a, ok := s.fact(allocationKey(w, id)).Record.(*berth.Allocation)
	if !ok {
		s.t.Fatalf("request %s has no allocation on %s", id, w)
	}
	return a
}

func allocationKey(w berth.WorkerID, id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindAllocation, Owner: string(w), ID: string(id)}
}

// await waits until an allocation is in a state.
func (s *site) await(w berth.WorkerID, id berth.RequestID, want berth.State) *berth.Allocation {
	s.t.Helper()
	var found *berth.Allocation
	s.follow(w, func(d etcdstore.Delta) bool {
		for _, f := range d.Facts {
			if a, ok := f.Record.(*berth.Allocation); ok && f.Key.ID == string(id) && a.State == want {
				found = a
			}
		}
		return found != nil
	})
	if found == nil {
		s.t.Fatalf("allocation of %s on %s is not %s within %v; it is %+v", id, w, want, patience, s.fact(allocationKey(w, id)).Record)
	}
	return found
}

// follow watches a worker's allocations until fn says that it has seen enough.
func (s *site) follow(w berth.WorkerID, fn func(etcdstore.Delta) bool) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	err := s.store.FollowWorker(ctx, w, func(_ context.Context, d etcdstore.Delta) error {
		if fn(d) {
			cancel()
			return errFound
		}
		return nil
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, errFound) {
		s.t.Fatal(err)
	}
}

func ids(names ...string) []berth.RequestID {
	out := make([]berth.RequestID, 0, len(names))
	for _, n := range names {
		out = append(out, berth.RequestID(n))
	}
	return out
}

// crashed leaves what an agent that died leaves: a registration, its lease, and
// the lease's record in dir.
func (s *site) crashed(w berth.WorkerID, dir string) (berth.Epoch, string) {
	s.t.Helper()
	lease, err := s.store.KeepLease(s.t.Context(), 20*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	epoch, err := s.store.RegisterWorker(s.t.Context(), w, berth.Worker{
		Pool: berth.DefaultPool, Lease: lease.ID, TTLSeconds: 20, Agent: "test", StartedAt: time.Now().UTC(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	state, err := openStateDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(state.PutLease(LeaseRecord{Lease: lease.ID, Worker: w, BootID: bootID()}), state.Close()); err != nil {
		s.t.Fatal(err)
	}
	return epoch, lease.ID
}

// awaitCordon waits until the worker is cordoned, or no more.
func (s *site) awaitCordon(w berth.WorkerID, want bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		intent, _ := s.fact(berth.Key{Kind: berth.KindIntent, ID: string(w)}).Record.(*berth.Intent)
		if (intent != nil && intent.Cordon) == want {
			return
		}
	}
	s.t.Fatalf("worker %s: cordoned is not %t within %v", w, want, patience)
}
