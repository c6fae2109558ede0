package rules

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
)

// beside is another way to the same store, which a test cuts by itself.
func (r *rig) beside() *rig {
	other := &rig{t: r.t, conn: &conn{Direct: r.conn.Direct}, began: r.began}
	other.client = memetcd.NewClient(r.t.Context(), other.conn)
	other.Store = other.store(etcdstore.Options{})
	return other
}

// firstWrites names the key that a transaction puts or deletes first.
func firstWrites(req proto.Message) string {
	txn, ok := req.(*pb.TxnRequest)
	if !ok || len(txn.Success) == 0 {
		return ""
	}
	op := txn.Success[0]
	return string(append(op.GetRequestPut().GetKey(), op.GetRequestDeleteRange().GetKey()...))
}

// An agent that ends cordons its worker, has no answer, and is killed; the next one
// takes its epoch up; then the cordon comes. It is taken away: nobody else would.
func TestWorker_CordonedLate(t *testing.T) {
	const ttl = 60 * time.Second
	bubble(t, func(r *rig) {
		one := r.beside()
		m := one.machine("w")
		stop := m.agent(ttl)
		was := r.epochOf("w")
		r.placed("w", "r", nil)
		record := m.record // as it is on disk when the agent is killed
		var mu sync.Mutex
		var late func() (proto.Message, error)
		dead := make(chan struct{})
		one.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if txn, ok := req.(*pb.TxnRequest); ok && len(txn.Compare) == 0 {
				return apply() // what it reads
			}
			if strings.Contains(firstWrites(req), "/intents/") {
				mu.Lock()
				late = apply
				mu.Unlock()
			}
			<-dead // nothing else of it gets through
			return nil, errLost
		})
		ended := make(chan struct{})
		go func() { stop(); close(ended) }()
		wait(r, 1)
		mu.Lock()
		cordon := late
		mu.Unlock()
		if cordon == nil {
			r.t.Fatal("an agent that ends has sent no cordon")
		}
		next := r.machine("w")
		next.record = record
		stopNext := next.agent(ttl)
		if now := r.epochOf("w"); now != was {
			r.t.Fatalf("epoch %d after %d", now, was)
		}
		wait(r, 1)
		_, err := cordon()
		r.ok(err)
		if r.kv("intents/w") == nil {
			r.t.Fatal("the late cordon does not apply")
		}
		wait(r, int(ttl/time.Second)+1)
		if kv := r.kv("intents/w"); kv != nil {
			r.t.Errorf("the worker, whose agent does not end, is cordoned: %s", kv.Value)
		}
		close(dead)
		one.conn.between(nil)
		m.container("r/1").end(143)
		stopNext()
		<-ended
	})
}

// A cordon of the agent's own end stands until its end, and an operator's for ever.
func TestWorker_CordonStays(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", nil)
		_, err := r.SetIntent(r.t.Context(), "w", func(*berth.Intent) *berth.Intent {
			return &berth.Intent{Cordon: true, Message: "by hand", At: time.Now().UTC()}
		})
		r.ok(err)
		wait(r, 60)
		if r.kv("intents/w") == nil {
			r.t.Error("an operator's cordon was taken away")
		}
		r.remove("intents/w")
		ended := make(chan struct{})
		go func() { stop(); close(ended) }()
		wait(r, 60)
		if r.kv("intents/w") == nil {
			r.t.Error("not cordoned while its agent ends")
		}
		m.container("r/1").end(143)
		<-ended
	})
}

// Containers are told of the first keepalive that is answered, though nothing else
// is: what was taken up would be asked to end.
func TestWorker_RenewsThoughNothingElseIsAnswered(t *testing.T) {
	const ttl = 10 * time.Second
	bubble(t, func(r *rig) {
		m := r.machine("w")
		var registered atomic.Bool
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if _, txn := req.(*pb.TxnRequest); txn && registered.Load() {
				<-time.After(5 * time.Second)
				return nil, errLost
			}
			if strings.Contains(firstWrites(req), "/workers/") {
				registered.Store(true)
			}
			return apply()
		})
		stop := m.agent(ttl)
		<-time.After(ttl/3 + 100*time.Millisecond)
		synctest.Wait()
		if m.noted("renew") < 0 {
			r.t.Errorf("not renewed after a third of the TTL: %q", m.log)
		}
		r.conn.between(nil)
		stop()
	})
}
