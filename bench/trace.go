package bench

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/process"
	"github.com/berthd/berth/worker/shim"
)

// mark is a moment on a request's way from its call to its process.
type mark int

// The moments, in their order. A transaction is over at its answer, or when the
// event of it is told, whichever is first: these two have no order.
const (
	markCalled    mark = iota
	markReceived       // by the daemon's socket
	markPlacing        // submission and placement are sent to the store
	markPlaced         // answered
	markTold           // the agent's watch has it
	markFencing        // the agent's fence is sent
	markFenced         // answered, with the work
	markStarting       // the runtime is called
	markRecorded       // the start is recorded, all is made that the agent makes
	markCharged        // the shim knows what to run
	markReady          // all is made that the shim makes
	markExecuted       // the process is another program
	markRunning        // the runtime has answered
	markReporting      // the report is sent
	markReported       // answered
	markSeen           // the daemon's watch has it
	markAnswered       // the client's watch has it
	marks
)

// The transactions of a request until it runs, and what their marks are.
const transactions = 3

var sendings, answers = [transactions]mark{markPlacing, markFencing, markReporting}, [transactions]mark{markPlaced, markFenced, markReported}

// bareWrite is what a transaction weighs.
type bareWrite struct {
	compares int
	keys     []int // bytes of the keys put
	values   []int // and of their values
}

func weightOf(r *pb.TxnRequest) bareWrite {
	w := bareWrite{compares: len(r.Compare)}
	for _, op := range r.Success {
		if p := op.GetRequestPut(); p != nil {
			w.keys, w.values = append(w.keys, len(p.Key)), append(w.values, len(p.Value))
		}
	}
	return w
}

// tracer notes the marks of one request after the other. It stands around what
// the way leads through: the client's calls, the daemon's socket, the stores'
// clients, the agent's runtime.
type tracer struct {
	allocations string // the folder of the agent's allocations

	mu     sync.Mutex // guards all below
	id     string     // of the request that is traced
	at     [marks]time.Duration
	sent   int // transactions of it
	seen   int // events of it that the daemon had
	writes [transactions]bareWrite
	failed bool // a transaction of it was not applied at once
}

// begin is followed by the call.
func (t *tracer) begin(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id, t.at, t.sent, t.seen, t.failed = id, [marks]time.Duration{}, 0, 0, false
	t.at[markCalled] = shim.Boottime()
}

// end is what was noted; ok: all of it.
func (t *tracer) end() (at [marks]time.Duration, writes [transactions]bareWrite, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id = ""
	for _, m := range t.at {
		if m == 0 {
			return t.at, t.writes, false
		}
	}
	return t.at, t.writes, !t.failed && t.sent == transactions
}

// note is called with mu held.
func (t *tracer) note(m mark) {
	if t.at[m] == 0 {
		t.at[m] = shim.Boottime()
	}
}

func (t *tracer) mark(id string, m mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id == t.id {
		t.note(m)
	}
}

// around notes when a call for a submission arrives.
func (t *tracer) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Submit") {
			t.mu.Lock()
			t.note(markReceived)
			t.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// follow traces what goes through a client. Call it before the client is used.
func (t *tracer) follow(c *clientv3.Client) {
	c.KV, c.Watcher = tracedKV{c.KV, etcdstore.SenderOf(c), t}, tracedWatcher{c.Watcher, t}
}

type tracedKV struct {
	clientv3.KV
	inner etcdstore.Sender
	t     *tracer
}

// SendTxn sends a transaction, and notes when.
func (k tracedKV) SendTxn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	id, n := k.t.sending(r)
	resp, err := k.inner.SendTxn(ctx, r)
	if n >= 0 {
		k.t.answered(id, n, err == nil && resp.Succeeded)
	}
	return resp, err
}

// sending says which transaction of the traced request it is; -1: none.
func (t *tracer) sending(r *pb.TxnRequest) (id string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id == "" || t.sent == transactions || !t.puts(r) {
		return "", -1
	}
	n = t.sent
	t.writes[n] = weightOf(r)
	t.sent++
	t.note(sendings[n])
	return t.id, n
}

// puts says whether the traced allocation is put.
func (t *tracer) puts(r *pb.TxnRequest) bool {
	for _, op := range r.Success {
		if p := op.GetRequestPut(); p != nil && t.own(p.Key) {
			return true
		}
	}
	return false
}

func (t *tracer) own(key []byte) bool {
	id, ok := strings.CutPrefix(string(key), t.allocations)
	return ok && id == t.id
}

func (t *tracer) answered(id string, n int, applied bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id != t.id {
		return
	}
	t.note(answers[n])
	t.failed = t.failed || !applied
}

type tracedWatcher struct {
	clientv3.Watcher
	t *tracer
}

func (w tracedWatcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	inner := w.Watcher.Watch(ctx, key, opts...)
	out := make(chan clientv3.WatchResponse)
	go func() {
		defer close(out)
		for resp := range inner {
			w.t.watched(key == w.t.allocations, resp.Events)
			select {
			case out <- resp:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// watched notes what a watch has brought: the agent's, or the daemon's.
func (t *tracer) watched(agents bool, events []*clientv3.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range events {
		switch {
		case t.id == "" || !t.own(e.Kv.Key):
		case agents:
			t.note(markTold)
		default:
			if t.seen++; t.seen == transactions {
				t.note(markSeen)
			}
		}
	}
}

// traced is the agent's runtime.
type traced struct {
	worker.Runtime
	t *tracer
}

// Start notes the moments of a start, those that the shim tells too.
func (r traced) Start(ctx context.Context, spec worker.Spec) (worker.Container, error) {
	id := string(spec.Request)
	r.t.mark(id, markStarting)
	c, err := r.Runtime.Start(ctx, spec)
	r.t.mark(id, markRunning)
	if of, ok := c.(interface{ Steps() process.Steps }); ok && err == nil {
		r.t.steps(id, of.Steps())
	}
	return c, err
}

func (t *tracer) steps(id string, s process.Steps) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id == t.id {
		t.at[markRecorded], t.at[markCharged], t.at[markReady], t.at[markExecuted] = s.Recorded, s.Charged, s.Ready, s.Executed
	}
}
