package etcdstore_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
)

// rig is a real etcd, and a store on it whose calls can be made to fail.
type rig struct {
	*etcdstore.Store
	t      *testing.T
	dir    string
	listen string
	etcd   *embed.Server
	client *clientv3.Client
	faults atomic.Pointer[faults]
	before atomic.Pointer[func()] // the next transaction that compares something; then nil
}

// faults are what happens to the next transactions.
type faults struct {
	loseRequests, loseAnswers atomic.Int32
}

func newRig(t *testing.T) *rig {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: t.TempDir(), listen: l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r.faults.Store(new(faults))
	r.startEtcd()
	t.Cleanup(func() {
		if err := r.etcd.Close(); err != nil {
			t.Error(err)
		}
	})
	r.client, err = clientv3.New(clientv3.Config{
		Endpoints: []string{"http://" + r.listen}, DialTimeout: 5 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(r.intercept)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.client.Close() })
	if r.Store, err = etcdstore.New(r.client, etcdstore.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) startEtcd() {
	r.t.Helper()
	var err error
	if r.etcd, err = embed.Start(context.Background(), embed.Options{Dir: r.dir, Listen: r.listen}); err != nil {
		r.t.Fatal(err)
	}
}

// intercept loses transactions on their way there or back.
func (r *rig) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	f := r.faults.Load()
	lost := status.Error(codes.Unavailable, "lost by the test")
	if method != "/etcdserverpb.KV/Txn" {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	if txn, ok := req.(*pb.TxnRequest); ok && len(txn.GetCompare()) > 0 {
		if hook := r.before.Swap(nil); hook != nil {
			(*hook)()
		}
	}
	if f.loseRequests.Add(-1) >= 0 {
		return lost
	}
	err := invoke(ctx, method, req, reply, cc, opts...)
	if err == nil && f.loseAnswers.Add(-1) >= 0 {
		return lost
	}
	return err
}

func (r *rig) lose(requests, answers int32) {
	f := new(faults)
	f.loseRequests.Store(requests)
	f.loseAnswers.Store(answers)
	r.faults.Store(f)
}

func spec(id string) berth.Request {
	return berth.Request{ID: berth.RequestID(id), Command: []string{"true"}}.Normalize()
}

func (r *rig) submission(ids ...string) *berth.Plan {
	p := &berth.Plan{ID: r.NewTxnID()}
	for _, id := range ids {
		s := spec(id)
		digest, err := s.Digest()
		if err != nil {
			r.t.Fatal(err)
		}
		p.Submits = append(p.Submits, berth.Submit{Submission: berth.Submission{Digest: digest, SubmittedAt: time.Now().UTC(), Spec: s}})
	}
	return p
}

func (r *rig) commit(p *berth.Plan) etcdstore.Result {
	r.t.Helper()
	res, err := r.Commit(r.t.Context(), p)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// worker registers a worker, opens its ledger, and returns its epoch and the
// ledger's revision.
func (r *rig) worker(name string) (berth.Epoch, berth.Revision) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	if err != nil {
		r.t.Fatal(err)
	}
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000}}
	epoch, err := r.RegisterWorker(r.t.Context(), berth.WorkerID(name), berth.Worker{
		Pool: "default", Capacity: capacity, Lease: lease.ID, TTLSeconds: 60, Agent: "test", StartedAt: time.Now().UTC(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	res := r.commit(&berth.Plan{ID: r.NewTxnID(), Ledgers: []berth.LedgerWrite{{
		Worker: berth.WorkerID(name), Alive: epoch, Ledger: berth.Ledger{Epoch: epoch, Capacity: capacity},
	}}})
	return epoch, res.Revision
}

// requestWas is the ModRevision of a request that is there, else 0.
func (r *rig) requestWas(id string) berth.Revision {
	r.t.Helper()
	facts, err := r.Get(r.t.Context(), berth.Key{Kind: berth.KindRequest, ID: id})
	if err != nil {
		r.t.Fatal(err)
	}
	if facts[0].Record == nil {
		return 0
	}
	return facts[0].Mod
}

// placement of a request that is there, on a worker.
func (r *rig) placement(id, worker string, epoch berth.Epoch, ledgerWas, stateWas berth.Revision) *berth.Plan {
	p := &berth.Plan{ID: r.NewTxnID()}
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}
	p.Ledgers = []berth.LedgerWrite{{Worker: berth.WorkerID(worker), Was: ledgerWas, Alive: epoch, Ledger: berth.Ledger{
		Epoch: epoch, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000}}, Count: 1, Reserved: share,
	}}}
	p.Places = []berth.Placement{{
		Request: berth.RequestID(id), Worker: berth.WorkerID(worker), RequestWas: r.requestWas(id), StateWas: stateWas,
		State:      berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: berth.WorkerID(worker), Epoch: epoch, PlanID: p.ID},
		Allocation: berth.Allocation{State: berth.StatePlaced, Attempt: 1, Epoch: epoch, PlanID: p.ID, Tenant: "default", Share: share, PlacedAt: time.Now().UTC()},
	}}
	return p
}

// A transaction without an answer is sent again until it has one, and applies
// once, whether it was the request that was lost or the answer.
func TestCommit_UnknownOutcome(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string][2]int32{
		"requests lost": {2, 0}, "answers lost": {0, 1}, "both": {1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			epoch, ledger := r.worker("w")
			r.commit(r.submission("r"))
			p := r.placement("r", "w", epoch, ledger, 0)
			r.lose(lost[0], lost[1])
			res, err := r.Commit(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			facts, err := r.Get(t.Context(), berth.Key{Kind: berth.KindAllocation, Owner: "w", ID: "r"}, berth.Key{Kind: berth.KindLedger, ID: "w"})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range facts {
				if f.Record == nil || f.Create != f.Mod && f.Key.Kind == berth.KindAllocation {
					t.Errorf("%+v: not written once (answered at %d)", f, res.Revision)
				}
			}
			if _, err := r.Commit(t.Context(), p); err == nil {
				t.Error("the same plan applied a second time")
			}
		})
	}
}

// With ctx ended before an answer, the outcome is unknown, and said so.
func TestCommit_NoAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.lose(0, 1_000_000)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.Commit(ctx, r.submission("r")); !errors.Is(err, etcdstore.ErrOutcomeUnknown) {
		t.Errorf("%v, want ErrOutcomeUnknown", err)
	}
}

// Each compare of the reservation holds it back, and the conflict brings what
// the key holds now.
func TestCommit_Conflict(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		upset func(r *rig, p *berth.Plan) // between plan and commit
		want  berth.Key                   // in the conflict's facts
	}{
		"the ledger changed": {func(r *rig, _ *berth.Plan) {
			if _, err := r.SetIntent(r.t.Context(), "w", func(*berth.Intent) *berth.Intent {
				return &berth.Intent{Cordon: true, At: time.Now().UTC()}
			}); err != nil {
				r.t.Fatal(err)
			}
		}, berth.Key{Kind: berth.KindLedger, ID: "w"}},
		"another placed it": {func(r *rig, p *berth.Plan) {
			other := *p
			other.ID = r.NewTxnID()
			r.commit(&other)
		}, berth.Key{Kind: berth.KindState, ID: "r"}},
		"it was cancelled": {func(r *rig, _ *berth.Plan) {
			s := spec("r")
			r.commit(&berth.Plan{ID: r.NewTxnID(), Cancels: []berth.CancelPending{{Request: "r", RequestWas: r.requestWas("r"), Archive: berth.Archive{
				Digest: "x", Spec: s, State: berth.StateCancelled, Reason: berth.EndCancelled, SubmittedAt: time.Now().UTC(), EndedAt: time.Now().UTC(),
			}}}})
		}, berth.Key{Kind: berth.KindRequest, ID: "r"}},
		"the worker is gone": {func(r *rig, _ *berth.Plan) {
			facts, err := r.Get(r.t.Context(), berth.Key{Kind: berth.KindWorker, ID: "w"})
			if err != nil {
				r.t.Fatal(err)
			}
			w, ok := facts[0].Record.(*berth.Worker)
			if !ok {
				r.t.Fatalf("%+v", facts[0])
			}
			if err := r.RevokeLease(r.t.Context(), w.Lease); err != nil {
				r.t.Fatal(err)
			}
		}, berth.Key{Kind: berth.KindWorker, ID: "w"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			epoch, ledger := r.worker("w")
			r.commit(r.submission("r"))
			p := r.placement("r", "w", epoch, ledger, 0)
			tt.upset(r, p)
			_, err := r.Commit(t.Context(), p)
			conflict, ok := errors.AsType[*etcdstore.ConflictError](err)
			if !ok {
				t.Fatalf("%v, want a conflict", err)
			}
			if !slices.ContainsFunc(conflict.Facts, func(f berth.Fact) bool { return f.Key == tt.want }) {
				t.Errorf("the conflict does not bring %v: %+v", tt.want, conflict.Facts)
			}
		})
	}
}

// What etcd refuses whenever it is sent is told, not settled for ever.
func TestCommit_Malformed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for name, lost := range map[string]int32{"at once": 0, "after a lost request": 1} {
		r.lose(lost, 0)
		if _, err := r.Commit(ctx, r.submission("a", "a")); !errors.Is(err, etcdstore.ErrMalformed) {
			t.Errorf("%s: a key written twice: %v, want ErrMalformed", name, err)
		}
	}
}

// A start is fenced only in the epoch that it was placed for.
func TestStartAllocations_StaleEpoch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	epoch, ledger := r.worker("w")
	r.commit(r.submission("r"))
	p := r.placement("r", "w", epoch, ledger, 0)
	placed := r.commit(p)
	a := p.Places[0].Allocation
	a.State = berth.StateStarting
	items := []etcdstore.StartItem{{Request: "r", AllocationWas: placed.Revision, Allocation: a}}
	if _, err := r.StartAllocations(t.Context(), "w", epoch-1, items); !errors.Is(err, etcdstore.ErrEpochGone) {
		t.Errorf("another epoch: %v, want ErrEpochGone", err)
	}
	stale := []etcdstore.StartItem{{Request: "r", AllocationWas: placed.Revision - 1, Allocation: a}}
	if res, err := r.StartAllocations(t.Context(), "w", epoch, stale); err != nil || res[0].Fenced || res[0].Fresh == nil {
		t.Errorf("another revision: %+v, %v; want it left out, with what is there", res, err)
	}
	r.lose(0, 1)
	res, err := r.StartAllocations(t.Context(), "w", epoch, items)
	if err != nil || !res[0].Fenced || res[0].Submission == nil || res[0].Submission.Spec.ID != "r" {
		t.Errorf("the fence, its first answer lost: %+v, %v; want the work all the same", res, err)
	}
}

func TestRegisterWorker_NameTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker("w")
	lease, err := r.KeepLease(t.Context(), 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.RegisterWorker(t.Context(), "w", berth.Worker{Pool: "default", Lease: lease.ID, TTLSeconds: 60, StartedAt: time.Now().UTC()})
	if !errors.Is(err, etcdstore.ErrWorkerNameTaken) {
		t.Errorf("%v, want ErrWorkerNameTaken", err)
	}
}

func TestLease_Lost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lease, err := r.KeepLease(t.Context(), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.RevokeLease(t.Context(), lease.ID); err != nil {
		t.Fatal(err)
	}
	if err := lease.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lease.Lost():
	default:
		t.Error("the lease is gone, and not told lost")
	}
}

// view is what a follower has been told.
type view struct {
	mu     sync.Mutex // guards all
	facts  map[berth.Key]berth.Revision
	rev    berth.Revision
	resets int
	gate   chan struct{} // read before a delta is taken; nil: open
}

func (v *view) deliver(_ context.Context, d etcdstore.Delta) error {
	v.mu.Lock()
	gate := v.gate
	v.mu.Unlock()
	if gate != nil {
		<-gate
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.Reset {
		v.facts = map[berth.Key]berth.Revision{}
		v.resets++
	}
	for _, f := range d.Facts {
		if f.Record == nil {
			delete(v.facts, f.Key)
		} else {
			v.facts[f.Key] = f.Mod
		}
	}
	if !d.More {
		v.rev = d.Revision
	}
	return nil
}

func (v *view) now() (map[berth.Key]berth.Revision, int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.facts), v.resets
}

var kinds = []berth.Kind{
	berth.KindSchema, berth.KindWorker, berth.KindLedger, berth.KindRequest, berth.KindState, berth.KindAllocation, berth.KindArchive, berth.KindIntent,
}

// agrees waits until the view is exactly what the store holds.
func (r *rig) agrees(v *view) {
	r.t.Helper()
	want := map[berth.Key]berth.Revision{}
	for _, kind := range kinds {
		if _, err := r.Scan(r.t.Context(), kind, "", func(f berth.Fact) error { want[f.Key] = f.Mod; return nil }); err != nil {
			r.t.Fatal(err)
		}
	}
	var got map[berth.Key]berth.Revision
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if got, _ = v.now(); maps.Equal(got, want) {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	r.t.Errorf("the view differs from the store (-store +view)\n%s", cmp.Diff(want, got))
}

func (r *rig) follow(v *view) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Follow(ctx, v.deliver) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			r.t.Error(err)
		}
	})
}

// cancelPending ends requests, so that a view that missed the deletes shows it.
func (r *rig) cancelPending(ids ...string) {
	r.t.Helper()
	p := &berth.Plan{ID: r.NewTxnID()}
	for _, id := range ids {
		p.Cancels = append(p.Cancels, berth.CancelPending{Request: berth.RequestID(id), RequestWas: r.requestWas(id), Archive: berth.Archive{
			Digest: "x", Spec: spec(id), State: berth.StateCancelled, Reason: berth.EndCancelled, SubmittedAt: time.Now().UTC(), EndedAt: time.Now().UTC(),
		}})
	}
	r.commit(p)
}

// A follower ends in exactly the store's state after whatever breaks its watch.
func TestFollow_Reload(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(r *rig, v *view){
		"nothing": func(*rig, *view) {},
		"a restart of etcd": func(r *rig, _ *view) {
			if err := r.etcd.Close(); err != nil {
				r.t.Fatal(err)
			}
			r.startEtcd()
		},
		"a restart, and compaction of what it missed": func(r *rig, v *view) {
			gate := make(chan struct{})
			v.mu.Lock()
			v.gate = gate
			v.mu.Unlock()
			r.commit(r.submission("held-1")) // the follower is held with it
			if err := r.etcd.Close(); err != nil {
				r.t.Fatal(err)
			}
			r.startEtcd()
			r.commit(r.submission("missed-1", "missed-2"))
			r.cancelPending("held-1", "missed-1")
			last := r.commit(r.submission("missed-3"))
			if _, err := r.client.Compact(r.t.Context(), int64(last.Revision)); err != nil {
				r.t.Fatal(err)
			}
			v.mu.Lock()
			v.gate = nil
			v.mu.Unlock()
			close(gate)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.worker("w")
			r.commit(r.submission("before-1", "before-2"))
			v := &view{}
			r.follow(v)
			r.agrees(v)
			disturb(r, v)
			r.commit(r.submission("after"))
			r.cancelPending("before-1")
			r.agrees(v)
			if _, resets := v.now(); resets < 1 {
				t.Error("never loaded")
			}
		})
	}
}
