package rules

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// flying watches a store's transactions that change capacity, each of which takes
// some time: how many are in flight at once, and whether two share a ledger or a block.
type flying struct {
	mu      sync.Mutex // guards the fields below it
	ledgers map[string]bool
	now     int
	most    int
	shared  []string
}

// slowly makes every transaction take d until it is applied, and as long until its
// answer.
func (r *rig) slowly(d time.Duration) *flying {
	f := &flying{ledgers: make(map[string]bool)}
	r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		txn, ok := req.(*pb.TxnRequest)
		if !ok || !writes(req) {
			return apply()
		}
		mine := f.begin(txn)
		<-time.After(d)
		resp, err := apply()
		<-time.After(d)
		f.end(mine)
		return resp, err
	})
	return f
}

func (f *flying) begin(txn *pb.TxnRequest) (mine []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, op := range txn.Success {
		key := string(op.GetRequestPut().GetKey())
		if !strings.HasPrefix(key, "/berth/ledgers/") && !strings.HasPrefix(key, "/berth/tenants/") {
			continue
		}
		if f.ledgers[key] {
			f.shared = append(f.shared, key)
		}
		f.ledgers[key] = true
		mine = append(mine, key)
	}
	f.now++
	f.most = max(f.most, f.now)
	return mine
}

func (f *flying) end(mine []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now--
	for _, key := range mine {
		delete(f.ledgers, key)
	}
}

// Plans are gathered while others are in flight, no two of which share a ledger: so
// none conflicts. What the fleet chose for a worker that is in flight waits for it.
func TestFlights_OneForEachLedger(t *testing.T) {
	bubble(t, func(r *rig) {
		const workers, empty, more = 60, 4, 40
		for i := range workers {
			w := fmt.Sprintf("w%02d", i)
			r.worker(berth.WorkerID(w))
			for k := range 2 {
				if id := fmt.Sprintf("there-%02d-%d", i, k); i >= empty {
					r.submit(id)
					r.commit(r.placement(w, id))
				}
			}
		}
		d, stop := r.daemon()
		f := r.slowly(time.Millisecond)
		var calls sync.WaitGroup
		calls.Go(func() { r.placedAtOnce(d, "first") }) // on one of those that are good for the others, too
		<-time.After(time.Millisecond / 2)
		for i := range more {
			calls.Go(func() { r.placedAtOnce(d, fmt.Sprintf("r%03d", i)) })
		}
		calls.Wait()
		r.conn.between(nil)
		f.mu.Lock()
		if len(f.shared) > 0 {
			r.t.Errorf("two transactions in flight on %v", f.shared)
		}
		if f.most < 2 {
			r.t.Errorf("at most %d in flight, want 2 at least", f.most)
		}
		f.mu.Unlock()
		r.noConflicts(d)
		stop()
	})
}

// A plan that would take all ledgers that are left waits for what else comes; and what is
// chosen for a worker in flight goes nowhere else: equal requests come out even.
func TestFlights_Even(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 20 {
			r.worker(berth.WorkerID(fmt.Sprintf("w%02d", i)))
		}
		d, stop := r.daemon()
		r.slowly(time.Millisecond)
		var calls sync.WaitGroup
		for i := range 100 {
			calls.Go(func() { r.placedAtOnce(d, fmt.Sprintf("r%03d", i)) })
		}
		calls.Wait()
		r.conn.between(nil)
		for i := range 20 {
			w := berth.WorkerID(fmt.Sprintf("w%02d", i))
			if l, _ := r.ledger(w); l.Count != 5 {
				r.t.Errorf("%d on %s, want 5", l.Count, w)
			}
		}
		r.noConflicts(d)
		stop()
	})
}

// placedAtOnce submits what has room.
func (r *rig) placedAtOnce(d *daemon.Daemon, id string) {
	res, err := d.Submit(r.t.Context(), []berth.Request{r.submission(id).Spec})
	if err != nil || res[0].Err != nil || res[0].Status.State != berth.StatePlaced {
		r.t.Errorf("submit: %v, %+v", err, res)
	}
}

func (r *rig) noConflicts(d *daemon.Daemon) {
	r.t.Helper()
	info, err := d.Info(r.t.Context())
	r.ok(err)
	if info.Conflicts > 0 {
		r.t.Errorf("%d conflicts", info.Conflicts)
	}
}
