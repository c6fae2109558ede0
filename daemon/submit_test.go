package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// readsOnly is an etcd that answers reads of a transaction, and counts them.
type readsOnly struct {
	clientv3.KV

	values map[string]string
	trips  int
}

func (r *readsOnly) Txn(context.Context) clientv3.Txn { return &readTxn{of: r} }

type readTxn struct {
	clientv3.Txn

	of  *readsOnly
	ops []clientv3.Op
}

func (t *readTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.ops = ops
	return t
}

func (t *readTxn) Commit() (*clientv3.TxnResponse, error) {
	t.of.trips++
	resp := &clientv3.TxnResponse{Header: &pb.ResponseHeader{Revision: 9}, Succeeded: true}
	for _, op := range t.ops {
		r := &pb.RangeResponse{}
		if v, ok := t.of.values[string(op.KeyBytes())]; ok {
			r.Kvs = append(r.Kvs, &mvccpb.KeyValue{Key: op.KeyBytes(), Value: []byte(v), CreateRevision: 5, ModRevision: 5})
		}
		resp.Responses = append(resp.Responses, &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: r}})
	}
	return resp, nil
}

// A call of many requests that have ended meanwhile is answered in a few reads, so
// that who repeats it for want of an answer gets one (309 s in chaos).
func TestFillArchived_ManyAtOnce(t *testing.T) {
	client := clientv3.NewCtxClient(t.Context())
	kv := &readsOnly{values: map[string]string{}}
	client.KV = kv
	store, err := etcdstore.New(client, etcdstore.Options{MaxTxnOps: 8192})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(store, Options{})
	if err != nil {
		t.Fatal(err)
	}
	results := make([]SubmitResult, berth.MaxRequestsPerCall)
	for i := range results {
		id := berth.RequestID(fmt.Sprintf("r%04d", i))
		results[i] = SubmitResult{ID: id, Existing: true, Status: Status{ID: id, State: berth.StateSucceeded}}
		v, err := json.Marshal(&berth.Archive{
			Header: berth.Header{Version: berth.RecordVersion}, State: berth.StateFailed, Reason: berth.EndExited, Spec: berth.Request{ID: id},
		})
		if err != nil {
			t.Fatal(err)
		}
		kv.values["/berth/archive/"+string(id)] = string(v)
	}
	delete(kv.values, "/berth/archive/r0007") // purged
	d.fillArchived(t.Context(), results)
	if most := len(results)/archivedAtOnce + 1; kv.trips > most {
		t.Errorf("%d reads for %d requests, want %d at most", kv.trips, len(results), most)
	}
	for i, r := range results {
		if i == 7 {
			if !errors.Is(r.Err, ErrNotFound) {
				t.Errorf("purged: %v", r.Err)
			}
		} else if r.Err != nil || r.Status.State != berth.StateFailed || r.Status.Spec.ID != r.ID {
			t.Errorf("%s: %+v, %v", r.ID, r.Status, r.Err)
		}
	}
}
