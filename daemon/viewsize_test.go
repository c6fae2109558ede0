package daemon

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// throng makes the facts of request i, which runs: as a load of the store brings them.
type throng struct {
	workers int
	epoch   berth.Epoch
}

func (c throng) facts(tb testing.TB, i int) []berth.Fact {
	tb.Helper()
	id := fmt.Sprintf("job-%09d", i)
	w := berth.WorkerID(fmt.Sprintf("worker-%05d", i%c.workers))
	txn := berth.TxnID("0123456789abcdef-p" + strconv.FormatInt(int64(i/32+1), 36))
	at := time.Unix(1_790_000_000, int64(i)*1000).UTC()
	spec := berth.Request{
		ID: berth.RequestID(id), Command: []string{"/usr/bin/serve", "--port", "8080"},
		Env: map[string]string{"MODE": "production"}, Labels: map[string]string{"app": "web", "stage": "live"},
		Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 1 << 28}},
	}.Normalize()
	digest, err := spec.Digest()
	if err != nil {
		tb.Fatal(err)
	}
	h := berth.Header{Version: berth.RecordVersion, Txn: txn}
	rev := berth.Revision(1000 + i)
	records := []struct {
		key    berth.Key
		record any
	}{
		{requestKey(spec.ID), &berth.Submission{Header: h, Digest: digest, SubmittedAt: at, Spec: spec}},
		{stateKey(spec.ID), &berth.Progress{Header: h, State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: c.epoch, PlanID: txn}},
		{allocationKey(w, spec.ID), &berth.Allocation{
			Header: berth.Header{Version: berth.RecordVersion, Txn: txn + "9"}, State: berth.StateRunning, Attempt: 1, Epoch: c.epoch, PlanID: txn,
			Tenant: spec.Tenant, Share: berth.Share{Quantities: spec.Resources.Quantities}, StartTimeoutMS: spec.StartTimeoutMS,
			PlacedAt: at, StartedAt: at.Add(time.Millisecond), Planned: berth.Basis{Revision: rev - 5, Clock: at, Policy: "3"},
		}},
	}
	facts := make([]berth.Fact, len(records))
	for n, r := range records {
		value, err := json.Marshal(r.record)
		if err != nil {
			tb.Fatal(err)
		}
		decoded, err := etcdstore.Decode(r.key.Kind, value)
		if err != nil {
			tb.Fatal(err)
		}
		// As etcdstore parses it: parts of the whole key's text.
		whole := "/berth/" + string(r.key.Kind) + "/" + r.key.Owner + "/" + r.key.ID
		end := len(whole) - len(r.key.ID)
		k := berth.Key{Kind: r.key.Kind, Owner: whole[end-1-len(r.key.Owner) : end-1], ID: whole[end:]}
		facts[n] = berth.Fact{Key: k, Record: decoded, Create: rev, Mod: rev + berth.Revision(n), Size: int64(len(value))}
	}
	return facts
}

// BenchmarkView_Memory reports what the loop keeps of a request that runs: of its
// request, its state and its allocation.
func BenchmarkView_Memory(b *testing.B) {
	const requests, workers = 100_000, 1000
	for b.Loop() {
		l := benchLoop(b, workers)
		before := heapAlloc()
		c := throng{workers: workers, epoch: 1}
		for i := range requests {
			l.takeFacts(c.facts(b, i))
		}
		l.view.passed(10_000_000)
		for more := true; more; {
			more = l.gather(newBuilder(l, l.now()))
		}
		b.ReportMetric(float64(heapAlloc()-before)/requests, "B/request")
		runtime.KeepAlive(l)
	}
}

func heapAlloc() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// benchLoop is a loop of a store with workers of endless capacity, of epoch 1.
func benchLoop(tb testing.TB, workers int) *loop {
	tb.Helper()
	l := loopWith(tb)
	l.view.revision = 1
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1 << 40, MemoryBytes: 1 << 50}}
	for i := range workers {
		w := berth.WorkerID(fmt.Sprintf("worker-%05d", i))
		l.takeFacts([]berth.Fact{
			{Key: workerKey(w), Record: &berth.Worker{Pool: berth.DefaultPool, Capacity: capacity}, Create: 1, Mod: 1},
			{Key: ledgerKey(w), Record: &berth.Ledger{Epoch: 1, Capacity: capacity, Count: 1}, Create: 1, Mod: 1},
		})
	}
	l.allKnown()
	return l
}

// An allocation that a daemon has placed is packed: its plan's id is one of the store's.
// (Ids of another form were; in a store of a million, none was packed.)
func TestView_PacksWhatIsPlaced(t *testing.T) {
	l := loopWith(t)
	for range 50 { // past the ids of one digit
		id := l.store.NewTxnID()
		if base, no, ok := planOf(id); !ok || berth.TxnID(base+strconv.FormatUint(no, 36)) != id {
			t.Fatalf("plan %s is taken apart into %q, %d: %t", id, base, no, ok)
		}
	}
	a := &berth.Allocation{State: berth.StatePlaced, Attempt: 1, Epoch: 1, PlanID: l.store.NewTxnID(), PlacedAt: time.Unix(1e9, 0).UTC()}
	l.takeFacts([]berth.Fact{{Key: allocationKey("w", "r"), Record: a, Create: 1, Mod: 1}})
	if x := l.view.lives["r"]; x == nil || x.whole > 0 || x.runs == 0 {
		t.Errorf("kept as %+v, want packed", x)
	}
}
