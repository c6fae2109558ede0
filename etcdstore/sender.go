package etcdstore

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// Sender sends a transaction that is made already as etcd's own message. Nothing
// changes it afterwards. Nothing is sent twice by a Sender: that is for commit alone.
// Its errors are those of etcd's client.
type Sender interface {
	SendTxn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error)
}

// SenderOf is what sends a client's transactions: its KV, where that is a Sender (as
// of an etcd within the process), or else its connection.
func SenderOf(client *clientv3.Client) Sender {
	if s, ok := client.KV.(Sender); ok {
		return s
	}
	return NewSender(clientv3.RetryKVClient(client))
}

// NewSender is a Sender through etcd's protocol.
func NewSender(kv pb.KVClient) Sender { return sender{kv} }

type sender struct{ kv pb.KVClient }

func (s sender) SendTxn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	resp, err := s.kv.Txn(ctx, r, grpc.MaxCallSendMsgSize(maxSendBytes), grpc.MaxCallRecvMsgSize(maxReceiveBytes))
	return resp, clientv3.ContextError(ctx, err)
}
