package etcdstore

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// kept is an etcd that keeps the transaction that it is sent.
type kept struct {
	pb.KVClient
	txn *pb.TxnRequest
}

func (k *kept) Txn(_ context.Context, r *pb.TxnRequest, _ ...grpc.CallOption) (*pb.TxnResponse, error) {
	k.txn = r
	return &pb.TxnResponse{}, nil
}

// A transaction is reckoned to be a little larger than it is.
func TestSize_Bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Store{keys: keys{"/berth/"}, schema: 1 << 40}
		tx := s.newTxn("t")
		name := rapid.StringMatching(`[a-z]{1,60}`)
		for range rapid.IntRange(0, 20).Draw(t, "members") {
			k := berth.Key{Kind: berth.KindAllocation, Owner: name.Draw(t, "owner"), ID: name.Draw(t, "id")}
			tx.compare(k, modIs, berth.Revision(rapid.Int64Range(0, 1<<62).Draw(t, "mod")))
			tx.compare(berth.Key{Kind: berth.KindWorker, ID: k.Owner}, createIs, 1<<60)
			if err := tx.putLeased(s, k, &berth.Progress{State: berth.StatePending, PlanID: berth.TxnID(name.Draw(t, "plan"))}, 0, 1<<62); err != nil {
				t.Fatal(err)
			}
			tx.delete(berth.Key{Kind: berth.KindRequest, ID: k.ID})
			tx.reads = append(tx.reads, berth.Key{Kind: berth.KindGroup, ID: k.ID})
		}
		n := tx.size()
		req, _ := s.request(tx) // compares the schema, too
		is := proto.Size(req)
		if schema := 80; n+schema < is || n > 2*is {
			t.Fatalf("reckoned %d bytes of %d", n, is)
		}
	})
}

// A transaction is the message that etcd's client would make.
func TestRequest_AsEtcdsClient(t *testing.T) {
	s := &Store{keys: keys{"/berth/"}, schema: 2}
	tx := s.newTxn("t")
	key := func(kind berth.Kind, id string) berth.Key { return berth.Key{Kind: kind, Owner: "w", ID: id} }
	tx.compare(key(berth.KindState, "a"), modIs, 0)
	tx.compare(key(berth.KindState, "a"), modIs, 0) // said once
	tx.compare(key(berth.KindWorker, "w"), createIs, 5)
	tx.compare(key(berth.KindWorker, "w"), createIsNot, 6) // read once
	tx.compare(berth.Key{Kind: berth.KindDaemon}, folderIs, 7)
	tx.compare(key(berth.KindAllocation, "a"), modIs, 8)
	tx.compare(key(berth.KindQuotaBlock, "d"), modIs, 9)
	record := &berth.Progress{Header: tx.header(), State: berth.StatePending, Attempt: 1}
	if err := tx.put(s, key(berth.KindState, "a"), record, 0); err != nil {
		t.Fatal(err)
	}
	if err := tx.putLeased(s, key(berth.KindState, "b"), record, 1, 77); err != nil {
		t.Fatal(err)
	}
	tx.delete(key(berth.KindRequest, "a"))
	tx.reads = append(tx.reads, key(berth.KindRequest, "b"))

	mod, create := clientv3.ModRevision, clientv3.CreateRevision
	value := `{"version":1,"txn":"t","state":"PENDING","attempt":1,"used_attempts":0}`
	var want kept
	_, err := clientv3.NewKVFromKVClient(&want, nil).Txn(t.Context()).If(
		clientv3.Compare(mod("/berth/states/a"), "=", 0), clientv3.Compare(create("/berth/workers/w"), "=", 5),
		clientv3.Compare(create("/berth/workers/w"), "!=", 6), clientv3.Compare(mod("/berth/daemons/"), "<", 8).WithPrefix(),
		clientv3.Compare(mod("/berth/allocations/w/a"), "=", 8), clientv3.Compare(mod("/berth/tenants/w/d"), "=", 9),
		clientv3.Compare(mod("/berth/schema"), "=", 2),
	).Then(
		clientv3.OpPut("/berth/states/a", value), clientv3.OpPut("/berth/states/b", value, clientv3.WithLease(77)),
		clientv3.OpDelete("/berth/requests/a"), clientv3.OpGet("/berth/requests/b"),
	).Else(
		clientv3.OpGet("/berth/states/a"), clientv3.OpGet("/berth/workers/w"), clientv3.OpGet("/berth/allocations/w/a"),
		clientv3.OpGet("/berth/tenants/w/d"), clientv3.OpGet("/berth/schema"),
	).Commit()
	if err != nil {
		t.Fatal(err)
	}
	got, compared := s.request(tx)
	if diff := cmp.Diff(want.txn, got, protocmp.Transform()); diff != "" {
		t.Errorf("the message (-want +got):\n%s", diff)
	}
	if len(compared) != len(got.Failure) {
		t.Errorf("%d keys for %d reads", len(compared), len(got.Failure))
	}
}
