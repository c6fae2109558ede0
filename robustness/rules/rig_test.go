// Package rules tests each rule of docs/design.md (Transactions, Life of a
// worker, Data flow) by itself, through the real code of etcdstore, daemon and
// worker on an etcd in memory: for each compare, a transaction that only it can
// refuse. The simulation finds what the rules are for; this finds which of them is
// gone, and those that another rule covers so far. It changes nothing and owns
// no code.
package rules

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
)

// conn carries calls to the store; a test may stand in between.
type conn struct {
	*memetcd.Direct
	mu    sync.Mutex // guards the fields below it
	calls func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error)
	watch func(*pb.WatchResponse)
	leads []bool // of each watch, whether it demands a leader

	now    time.Time // of the last call
	atOnce int       // calls since then, without any time passing
}

// callsAtOnce bounds the calls in one moment: daemons that undo what each other does would go on for ever in a time that only passes when nothing is done.
const callsAtOnce = 30_000

// countsAnew counts the calls of this moment from here on: those before were a test's own.
func (c *conn) countsAnew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.atOnce = 0
}

func (c *conn) Call(ctx context.Context, req proto.Message) (proto.Message, error) {
	c.mu.Lock()
	calls := c.calls
	if now := time.Now(); !now.Equal(c.now) {
		c.now, c.atOnce = now, 0
	}
	if c.atOnce++; c.atOnce > callsAtOnce {
		panic("the daemons do not come to rest")
	}
	c.mu.Unlock()
	apply := func() (proto.Message, error) { return c.Direct.Call(context.WithoutCancel(ctx), req) }
	if calls == nil {
		return apply()
	}
	return calls(req, apply)
}

func (c *conn) Watch(ctx context.Context, req *pb.WatchCreateRequest) (memetcd.Stream, error) {
	md, _ := metadata.FromOutgoingContext(ctx)
	c.mu.Lock()
	c.leads = append(c.leads, len(md.Get(rpctypes.MetadataRequireLeaderKey)) > 0)
	c.mu.Unlock()
	s, err := c.Direct.Watch(ctx, req)
	return stream{s, c}, err
}

func (c *conn) opened() []bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.leads)
}

type stream struct {
	memetcd.Stream
	c *conn
}

func (s stream) Recv() (*pb.WatchResponse, error) {
	r, err := s.Stream.Recv()
	s.c.mu.Lock()
	watch := s.c.watch
	s.c.mu.Unlock()
	if err == nil && watch != nil {
		watch(r)
	}
	return r, err
}

// hear lets fn stand between the store's watches and their readers; nil: nobody does.
func (c *conn) hear(fn func(*pb.WatchResponse)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = fn
}

// between lets fn stand between callers and store; nil: nobody does.
func (c *conn) between(fn func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = fn
}

var errLost = status.Error(codes.Unavailable, "lost by the test")

// writes says whether a request is a transaction that compares and writes.
func writes(req proto.Message) bool {
	txn, ok := req.(*pb.TxnRequest)
	return ok && len(txn.Compare) > 0
}

// rig is a store in a bubble of time, with a worker, a request and what else a
// test needs.
type rig struct {
	*etcdstore.Store
	t      *testing.T
	conn   *conn
	client *clientv3.Client
	began  time.Time
}

// bubble runs a test on a store of its own, in simulated time.
func bubble(t *testing.T, test func(*rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := memetcd.New(memetcd.Config{ClusterID: 7})
		r := &rig{t: t, began: time.Now(), conn: &conn{Direct: memetcd.NewDirect(store)}}
		expired := make(chan struct{})
		go func() { r.conn.Run(ctx); close(expired) }()
		t.Cleanup(func() { cancel(); <-expired; synctest.Wait() })
		r.client = memetcd.NewClient(ctx, r.conn)
		r.Store = r.store(etcdstore.Options{})
		test(r)
		synctest.Wait()
		r.replays(store)
	})
}

// store is another program's.
func (r *rig) store(opts etcdstore.Options) *etcdstore.Store {
	r.t.Helper()
	opts.MaxTxnOps, opts.Clock = cmp.Or(opts.MaxTxnOps, 128), r.clock
	s, err := etcdstore.New(r.client, opts)
	if err == nil {
		err = s.Init(r.t.Context())
	}
	r.ok(err)
	return s
}

func (r *rig) clock() time.Duration { return time.Since(r.began) }

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// kv is what a key holds, or nil.
func (r *rig) kv(key string) *mvccpb.KeyValue {
	r.t.Helper()
	resp, err := r.client.Get(r.t.Context(), "/berth/"+key)
	r.ok(err)
	if len(resp.Kvs) == 0 {
		return nil
	}
	return resp.Kvs[0]
}

// touch puts a key's value again: another ModRevision.
func (r *rig) touch(key string) {
	r.t.Helper()
	kv := r.kv(key)
	if kv == nil {
		r.t.Fatalf("%s is absent", key)
	}
	_, err := r.client.Put(r.t.Context(), "/berth/"+key, string(kv.Value), clientv3.WithLease(clientv3.LeaseID(kv.Lease)))
	r.ok(err)
}

func (r *rig) remove(key string) {
	r.t.Helper()
	resp, err := r.client.Delete(r.t.Context(), "/berth/"+key)
	r.ok(err)
	if resp.Deleted != 1 {
		r.t.Fatalf("%s is absent", key)
	}
}

// again deletes a key and puts it anew: another CreateRevision.
func (r *rig) again(key string) {
	r.t.Helper()
	kv := r.kv(key)
	r.remove(key)
	_, err := r.client.Put(r.t.Context(), "/berth/"+key, string(kv.Value), clientv3.WithLease(clientv3.LeaseID(kv.Lease)))
	r.ok(err)
}

func (r *rig) revision() int64 {
	r.t.Helper()
	resp, err := r.client.Get(r.t.Context(), "/none")
	r.ok(err)
	return resp.Header.Revision
}

func (r *rig) mod(key string) berth.Revision {
	if kv := r.kv(key); kv != nil {
		return berth.Revision(kv.ModRevision)
	}
	return 0
}

func (r *rig) commit(p *berth.Plan) etcdstore.Result {
	r.t.Helper()
	res, err := r.Commit(r.t.Context(), p)
	r.ok(err)
	return res
}

func (r *rig) conflicts(p *berth.Plan) {
	r.t.Helper()
	_, err := r.Commit(r.t.Context(), p)
	if _, ok := errors.AsType[*etcdstore.ConflictError](err); !ok {
		r.t.Fatalf("commit: %v, want a conflict", err)
	}
}

var (
	share    = berth.Share{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 1 << 20}}
	capacity = berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 30}}
)

func (r *rig) submission(id string) berth.Submission {
	r.t.Helper()
	s := berth.Request{
		ID: berth.RequestID(id), Command: []string{"true"}, Resources: berth.Demand{Quantities: share.Quantities},
	}.Normalize()
	digest, err := s.Digest()
	r.ok(err)
	return berth.Submission{Digest: digest, SubmittedAt: time.Now().UTC(), Spec: s}
}

func (r *rig) submit(id string) {
	r.t.Helper()
	r.commit(&berth.Plan{ID: r.NewTxnID(), Submits: []berth.Submit{{Submission: r.submission(id)}}})
}

// worker registers one under a lease that nobody keeps alive, and opens its ledger.
func (r *rig) worker(w berth.WorkerID) (berth.Epoch, *etcdstore.Lease) {
	r.t.Helper()
	epoch, lease := r.register(w)
	r.commit(&berth.Plan{ID: r.NewTxnID(), Ledgers: []berth.LedgerWrite{r.opened(w, epoch, lease)}})
	return epoch, lease
}

// joins is worker beside a daemon, which opens the ledger.
func (r *rig) joins(w berth.WorkerID) {
	r.t.Helper()
	r.register(w)
	r.passes(time.Second)
}

func (r *rig) register(w berth.WorkerID) (berth.Epoch, *etcdstore.Lease) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	epoch, err := r.RegisterWorker(r.t.Context(), w, r.registration(lease))
	r.ok(err)
	return epoch, lease
}

func (r *rig) registration(lease *etcdstore.Lease) berth.Worker {
	return berth.Worker{
		Pool: "default", Capacity: capacity, Lease: lease.ID, TTLSeconds: 60, KillMS: 2000, Agent: "test", StateID: "rig", StartedAt: time.Now().UTC(),
	}
}

func (r *rig) opened(w berth.WorkerID, epoch berth.Epoch, lease *etcdstore.Lease) berth.LedgerWrite {
	return berth.LedgerWrite{Worker: w, Was: r.mod("ledgers/" + string(w)), Alive: epoch, Ledger: berth.Ledger{
		Epoch: epoch, Capacity: capacity, Lease: lease.ID, TTLSeconds: 60, KillMS: 2000,
	}}
}

// ledger is what a worker's key holds now.
func (r *rig) ledger(w berth.WorkerID) (*berth.Ledger, berth.Revision) {
	r.t.Helper()
	facts, err := r.Get(r.t.Context(), berth.Key{Kind: berth.KindLedger, ID: string(w)})
	r.ok(err)
	l, ok := facts[0].Record.(*berth.Ledger)
	if !ok {
		r.t.Fatalf("ledger of %s is %T", w, facts[0].Record)
	}
	return l, facts[0].Mod
}

func (r *rig) allocation(w, id string) (*berth.Allocation, berth.Revision) {
	r.t.Helper()
	facts, err := r.Get(r.t.Context(), berth.Key{Kind: berth.KindAllocation, Owner: w, ID: id})
	r.ok(err)
	a, _ := facts[0].Record.(*berth.Allocation)
	return a, facts[0].Mod
}

// placement of a request that is there, planned on the store as it is.
func (r *rig) placement(w, id string) *berth.Plan {
	r.t.Helper()
	p := &berth.Plan{ID: r.NewTxnID()}
	ledger, was := r.ledger(berth.WorkerID(w))
	next, err := ledger.Reserve(share)
	r.ok(err)
	p.Ledgers = []berth.LedgerWrite{{Worker: berth.WorkerID(w), Was: was, Alive: ledger.Epoch, Ledger: next}}
	p.Places = []berth.Placement{{
		Request: berth.RequestID(id), Worker: berth.WorkerID(w), RequestWas: r.mod("requests/" + id), StateWas: r.mod("states/" + id),
		State: berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: berth.WorkerID(w), Epoch: ledger.Epoch, PlanID: p.ID},
		Allocation: berth.Allocation{
			State: berth.StatePlaced, Attempt: 1, Epoch: ledger.Epoch, PlanID: p.ID, Tenant: "default", Share: share,
			StartTimeoutMS: 10_000, PlacedAt: time.Now().UTC(),
		},
	}}
	return p
}

// ending of an allocation that is there, planned on the store as it is; final
// archives the request, else it is PENDING again.
func (r *rig) ending(w, id string, final bool) *berth.Plan {
	r.t.Helper()
	p := &berth.Plan{ID: r.NewTxnID()}
	ledger, was := r.ledger(berth.WorkerID(w))
	next, err := ledger.Release(share)
	r.ok(err)
	p.Ledgers = []berth.LedgerWrite{{Worker: berth.WorkerID(w), Was: was, Ledger: next}}
	e := berth.End{
		Request: berth.RequestID(id), Worker: berth.WorkerID(w), RequestWas: r.mod("requests/" + id),
		AllocationWas: r.mod("allocations/" + w + "/" + id), StateWas: r.mod("states/" + id),
	}
	if final {
		a := r.archive(id)
		e.Archive = &a
	} else {
		e.Next = &berth.Progress{State: berth.StatePending, Attempt: 2, Used: 1, LastEnd: berth.EndWorkerLost}
	}
	p.Ends = []berth.End{e}
	return p
}

func (r *rig) archive(id string) berth.Archive {
	s := r.submission(id)
	return berth.Archive{
		Digest: s.Digest, Spec: s.Spec, State: berth.StateSucceeded, Reason: berth.EndExited, Attempt: 1,
		SubmittedAt: s.SubmittedAt, EndedAt: time.Now().UTC(),
	}
}

// side is another program on the same store, with a connection of its own.
func (r *rig) side() *rig {
	r.t.Helper()
	other := &rig{t: r.t, conn: &conn{Direct: r.conn.Direct}, began: r.began}
	other.client = memetcd.NewClient(r.t.Context(), other.conn)
	other.Store = other.store(etcdstore.Options{})
	return other
}
