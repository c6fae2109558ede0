package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// roomy is a loop with a worker that is open, and an equal number of requests' worth
// of room on each of its amounts.
func roomy(t *testing.T) *loop {
	t.Helper()
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 400, MemoryBytes: 1 << 30}}
	l := loopWith(t,
		berth.Fact{Key: workerKey("w"), Record: &berth.Worker{Pool: "default", Capacity: capacity}},
		berth.Fact{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Capacity: capacity}},
	)
	l.allKnown()
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	return l
}

func submissionOf(t *testing.T, l *loop, id berth.RequestID) *submission {
	t.Helper()
	s, err := l.d.prepare(berth.Request{
		ID: id, Command: []string{"true"}, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A ledger is reckoned from the view, not from the fleet: another daemon's
// reservation, of which the watch has told and at which nobody has looked yet, was
// written over, and what was given up would have been reserved for nobody.
func TestPlace_LedgerOfTheView(t *testing.T) {
	for _, tt := range []struct {
		name    string
		theirs  int64 // reserved by another daemon
		wantCPU int64 // in the plan's ledger; 0: placed nowhere
	}{
		{name: "room for both", theirs: 200, wantCPU: 300},
		{name: "no room left", theirs: 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := roomy(t)
			ledger, _ := l.view.ledger("w")
			next := *ledger
			next.Count, next.Reserved.CPUMilli = 1, tt.theirs
			l.takeFact(berth.Fact{Key: ledgerKey("w"), Record: &next, Mod: 9})
			b := newBuilder(l, time.Now())
			l.admitNew(submissionOf(t, l, "r"), b)
			if len(b.plan.Submits) != 1 {
				t.Fatalf("plan %+v: want the request in it", b.plan)
			}
			if tt.wantCPU == 0 {
				if len(b.plan.Places)+len(b.plan.Ledgers) > 0 {
					t.Errorf("plan %+v: placed where no room is", b.plan)
				}
				return
			}
			if len(b.plan.Ledgers) != 1 || b.plan.Ledgers[0].Ledger.Reserved.CPUMilli != tt.wantCPU || b.plan.Ledgers[0].Was != 9 {
				t.Errorf("ledgers %+v; want %d thousandths reserved, on revision 9", b.plan.Ledgers, tt.wantCPU)
			}
		})
	}
}

// The epoch that a placement compares is the one that its allocation is for, though
// the view knows of a later one already at which nobody has looked.
func TestPlace_EpochOfTheAllocation(t *testing.T) {
	l := roomy(t)
	rec, _ := l.view.worker("w")
	l.takeFact(berth.Fact{Key: workerKey("w"), Record: rec, Create: 9, Mod: 9})
	b := newBuilder(l, time.Now())
	l.admitNew(submissionOf(t, l, "r"), b)
	for _, p := range b.plan.Places {
		if alive := b.ledgerWrite(p.Worker).Alive; alive != p.Allocation.Epoch || p.State.Epoch != alive {
			t.Errorf("compared is epoch %d; the allocation is for %d, and the state says %d", alive, p.Allocation.Epoch, p.State.Epoch)
		}
	}
	if len(b.plan.Places) == 0 {
		t.Fatal("nothing is placed: the fleet knows of the later epoch")
	}
}

// What a plan in flight changes is looked at when it has its answer, and the
// requests that wait for its worker are decided anew then.
func TestFlights_PutOff(t *testing.T) {
	l := roomy(t)
	exited := running("other")[2:] // on the same worker: its end would write the ledger, too
	a, ok := exited[2].Record.(*berth.Allocation)
	if !ok {
		t.Fatal("no allocation")
	}
	a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited}
	ledger, _ := l.view.ledger("w")
	next := *ledger
	next.Count, next.Reserved = 1, a.Share
	exited = append(exited, berth.Fact{Key: ledgerKey("w"), Record: &next})
	for i := range exited {
		exited[i].Create, exited[i].Mod = 9, 9
	}
	l.takeFacts(exited)
	l.look(workerKey("w"), newBuilder(l, time.Now()))

	first := newBuilder(l, time.Now())
	l.admitNew(submissionOf(t, l, "r1"), first)
	f := l.flights.take(first, time.Now())
	second := newBuilder(l, time.Now())
	parked := submissionOf(t, l, "r2")
	l.admitNew(parked, second)
	for _, k := range []berth.Key{workerKey("w"), requestKey("r1"), allocationKey("w", "r1"), allocationKey("w", "other")} {
		l.look(k, second)
	}
	if !second.plan.Empty() {
		t.Errorf("plan %+v beside one in flight on the same ledger", second.plan)
	}
	if second.claim("r1", requestKey("r1")) {
		t.Error("a second plan may change a request that is in flight")
	}
	if len(f.again) != 5 || len(f.parked) != 1 || f.parked[0] != parked {
		t.Errorf("put off: %v, %v; want the four keys and the claim's, and the second request", f.again, f.parked)
	}
	l.flights.land(f)
	if l.flights.count+l.flights.parked+len(l.flights.workers)+len(l.flights.requests) != 0 {
		t.Errorf("after its answer: %+v", l.flights)
	}
	third := newBuilder(l, time.Now())
	l.look(allocationKey("w", "other"), third)
	if len(third.plan.Ends) != 1 {
		t.Errorf("plan %+v after the answer, want the end in it", third.plan)
	}
}

// Those that wait for what is in flight are bounded: each is decided anew with every
// answer.
func TestFlights_Crowded(t *testing.T) {
	l := roomy(t)
	first := newBuilder(l, time.Now())
	l.admitNew(submissionOf(t, l, "r1"), first)
	f := l.flights.take(first, time.Now())
	for range fullBatch {
		l.flights.parkKey(f, requestKey("r"))
	}
	l.incoming.add(submissionOf(t, l, "r2"))
	l.admit(newBuilder(l, time.Now()))
	if len(f.parked) != 0 || l.incoming.len() != 1 {
		t.Errorf("%d parked, %d left; want none and one", len(f.parked), l.incoming.len())
	}
	l.flights.land(f)
	if l.flights.crowded() {
		t.Error("crowded by what has its answer")
	}
}

// A key that was set aside is tried in a plan of its own, also when its turn comes while
// another plan changes what it belongs to: it was forgotten then, and spoiled the plans of others.
func TestAside_TurnWhileInFlight(t *testing.T) {
	l := roomy(t)
	first := newBuilder(l, time.Now())
	l.admitNew(submissionOf(t, l, "r1"), first)
	f := l.flights.take(first, time.Now())
	k := allocationKey("w", "poison")
	l.aside.put(k, l.view.mod(k), time.Now())
	after := time.Now().Add(2 * asideFirst)
	l.held(k, after) // its pause is over
	l.tryAside(newBuilder(l, after))
	if l.aside.of[k] == nil {
		t.Error("forgotten, though it was not tried")
	}
	if len(f.again) != 1 || f.again[0] != k {
		t.Errorf("put off: %v, want the key", f.again)
	}
}

// A loop that ends for an answer waits for those of the other plans in flight: what was
// submitted in them, or waits for them, has an answer or goes on in the next loop. They
// were lost, and every repeat of the same id with them.
func TestRun_FatalBesideAFlight(t *testing.T) {
	l := roomy(t)
	submit := func(id berth.RequestID) *submitCall {
		c := newSubmitCall(1)
		c.add(submissionOf(t, l, id), 0)
		l.receive(c.subs)
		return c
	}
	answer1 := submit("r1")
	first := newBuilder(l, time.Now())
	l.admit(first)
	f1 := l.flights.take(first, time.Now())
	submit("r2")
	l.admit(newBuilder(l, time.Now()))
	if len(f1.parked) != 1 {
		t.Fatal("the second does not wait for the first one's answer")
	}
	f2 := l.flights.take(newBuilder(l, time.Now()), time.Now())
	l.answered(answer{f2, etcdstore.Result{}, etcdstore.ErrClusterChanged})
	late := make(chan error, 1)
	go func() {
		late <- l.post(context.Background(), func() { l.answered(answer{f1, etcdstore.Result{}, etcdstore.ErrOutcomeUnknown}) })
	}()
	if err := l.run(t.Context(), func() bool { return false }); !errors.Is(err, etcdstore.ErrClusterChanged) {
		t.Fatalf("ended with %v", err)
	}
	if err := <-late; err != nil {
		t.Fatal(err)
	}
	if r, ok := answered(answer1); !ok || !errors.Is(r.Err, etcdstore.ErrOutcomeUnknown) {
		t.Errorf("the first is answered with %+v", r)
	}
	next := l.renew()
	if next.incoming.len() != 1 || next.incoming.order[next.incoming.gone].record.Spec.ID != "r2" || len(next.incoming.byID) != 1 {
		t.Errorf("goes on with %d of %d submissions, want the second", next.incoming.len(), len(next.incoming.byID))
	}
}

// What is parked behind a plan comes after that plan's own, when it is made again.
func TestAnswered_OrderOfConflict(t *testing.T) {
	l := roomy(t)
	l.receive([]*submission{submissionOf(t, l, "r1")})
	first := newBuilder(l, time.Now())
	l.admit(first)
	f := l.flights.take(first, time.Now())
	l.receive([]*submission{submissionOf(t, l, "r2")})
	l.admit(newBuilder(l, time.Now()))
	l.answered(answer{f, etcdstore.Result{}, &etcdstore.ConflictError{}})
	var order []berth.RequestID
	for _, s := range l.incoming.order[l.incoming.gone:] {
		order = append(order, s.record.Spec.ID)
	}
	if !slices.Equal(order, []berth.RequestID{"r1", "r2"}) {
		t.Errorf("in the order %v", order)
	}
}

// silent is an etcd that answers no transaction within its time.
type silent struct{ clientv3.KV }

func (silent) SendTxn(ctx context.Context, _ *pb.TxnRequest) (*pb.TxnResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s silent) Get(ctx context.Context, _ string, _ ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// What has no answer within its time is told to the loop all the same: the archive was
// never purged again, and no brake of the pool written or released.
func TestPost_AlsoWhenTheTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := roomy(t)
		client := clientv3.NewCtxClient(t.Context())
		client.KV = silent{}
		store, err := etcdstore.New(client, etcdstore.Options{MaxTxnOps: 8192})
		if err != nil {
			t.Fatal(err)
		}
		l.store = store
		l.archive.purging = true
		go l.purgeBatch([]aged{{id: "r", mod: 1}})
		l.brakes.of("default").writing = true
		go l.writeBrake("default", 0, &berth.Brake{})
		for range 2 {
			fn := <-l.d.calls
			fn(l)
		}
		if l.archive.purging || l.brakes.of("default").writing {
			t.Errorf("purging: %t, writing a brake: %t; want neither", l.archive.purging, l.brakes.of("default").writing)
		}
	})
}
