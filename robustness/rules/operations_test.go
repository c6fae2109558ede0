package rules

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
)

// etcd bounds a transaction's compares, and its writes, each by itself. A daemon fills what
// is bounded, and no more: nothing that it sends is refused, to be halved and sent again.
func TestOperations_FillATransaction(t *testing.T) {
	bubble(t, func(r *rig) {
		const workers, requests = 80, 400
		for i := range workers {
			r.worker(berth.WorkerID(fmt.Sprintf("w%02d", i)))
		}
		d, stop := r.daemon()
		var mu sync.Mutex // guards the two below it
		var most, transactions int
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if txn, ok := req.(*pb.TxnRequest); ok && puts(req, "allocations/") {
				mu.Lock()
				transactions++
				most = max(most, len(txn.Compare), len(txn.Success), len(txn.Failure))
				mu.Unlock()
			}
			return apply()
		})
		var all []berth.Request
		for i := range requests {
			all = append(all, r.submission(fmt.Sprintf("r%03d", i)).Spec)
		}
		results, err := d.Submit(r.t.Context(), all)
		r.ok(err)
		for _, res := range results {
			r.ok(res.Err)
		}
		<-time.After(time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		// A placement on a worker of its own compares five keys: 24 of 128, less the rest.
		if bound := r.Limits().Ops; most > bound || most < bound-5-4 {
			t.Errorf("at most %d operations in a transaction that may have %d", most, bound)
		}
		if transactions > requests/20 {
			t.Errorf("%d transactions for %d placements", transactions, requests)
		}
		stop()
	})
}
