package etcdstore_test

import (
	"context"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
)

// overheard notes how many operations a transaction did at most.
type overheard struct {
	*memetcd.Direct
	done int
}

func (o *overheard) Call(ctx context.Context, m proto.Message) (proto.Message, error) {
	if txn, ok := m.(*pb.TxnRequest); ok {
		o.done = max(o.done, len(txn.Success))
	}
	return o.Direct.Call(ctx, m)
}

// Each daemon, agent and tool probes the limit: etcd is to count, and to do nothing.
func TestInit_ProbeDoesNothing(t *testing.T) {
	conn := &overheard{Direct: memetcd.NewDirect(memetcd.New(memetcd.Config{MaxTxnOps: 2048}))}
	store, err := etcdstore.New(memetcd.NewClient(t.Context(), conn), etcdstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := store.Limits().Ops; got != 2048 || conn.done > 10 {
		t.Errorf("a limit of %d, %d operations done", got, conn.done)
	}
}
