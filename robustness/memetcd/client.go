package memetcd

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth/etcdstore"
)

// Conn carries one client's requests to a store, and its answers back.
type Conn interface {
	// Call sends a request and waits for its answer. What it returns as an error
	// is what a gRPC client would: a status.
	Call(ctx context.Context, req proto.Message) (proto.Message, error)
	// Watch opens one watch, which ends with ctx.
	Watch(ctx context.Context, req *pb.WatchCreateRequest) (Stream, error)
	// Progress asks that all watches be told how far they have come.
	Progress(ctx context.Context) error
}

// Stream is one open watch.
type Stream interface {
	// Recv waits for the next response. After an error the stream is over.
	Recv() (*pb.WatchResponse, error)
}

// NewClient is etcd's own client on a Conn. What turns operations into requests,
// and errors into etcd's, is its code, but for the watcher: that one waits on
// channels made outside of a testing/synctest bubble.
func NewClient(ctx context.Context, conn Conn) *clientv3.Client {
	c := clientv3.NewCtxClient(ctx)
	r := remote{conn}
	c.KV = kv{clientv3.NewKVFromKVClient(kvClient{r}, nil), etcdstore.NewSender(kvClient{r})}
	c.Lease = clientv3.NewLeaseFromLeaseClient(leaseClient{r}, c, time.Minute)
	c.Watcher = &watcher{conn: conn}
	c.Maintenance = clientv3.NewMaintenanceFromMaintenanceClient(maintenanceClient{r}, c)
	return c
}

var errUnimplemented = status.Error(codes.Unimplemented, "memetcd: not supported")

type remote struct{ conn Conn }

func call[T proto.Message](ctx context.Context, r remote, req proto.Message) (T, error) {
	var none T
	resp, err := r.conn.Call(ctx, req)
	if err != nil {
		return none, err
	}
	typed, ok := resp.(T)
	if !ok {
		return none, status.Errorf(codes.Internal, "memetcd: %T is answered by %T", req, resp)
	}
	return typed, nil
}

// kv is etcd's, and sends transactions that are made already.
type kv struct {
	clientv3.KV
	etcdstore.Sender
}

type kvClient struct{ remote }

func (c kvClient) Range(ctx context.Context, in *pb.RangeRequest, _ ...grpc.CallOption) (*pb.RangeResponse, error) {
	return call[*pb.RangeResponse](ctx, c.remote, in)
}

func (c kvClient) RangeStream(context.Context, *pb.RangeRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[pb.RangeStreamResponse], error) {
	return nil, errUnimplemented
}

func (c kvClient) Put(ctx context.Context, in *pb.PutRequest, _ ...grpc.CallOption) (*pb.PutResponse, error) {
	return call[*pb.PutResponse](ctx, c.remote, in)
}

func (c kvClient) DeleteRange(ctx context.Context, in *pb.DeleteRangeRequest, _ ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
	return call[*pb.DeleteRangeResponse](ctx, c.remote, in)
}

func (c kvClient) Txn(ctx context.Context, in *pb.TxnRequest, _ ...grpc.CallOption) (*pb.TxnResponse, error) {
	return call[*pb.TxnResponse](ctx, c.remote, in)
}

func (c kvClient) Compact(ctx context.Context, in *pb.CompactionRequest, _ ...grpc.CallOption) (*pb.CompactionResponse, error) {
	return call[*pb.CompactionResponse](ctx, c.remote, in)
}

type leaseClient struct{ remote }

func (c leaseClient) LeaseGrant(ctx context.Context, in *pb.LeaseGrantRequest, _ ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
	return call[*pb.LeaseGrantResponse](ctx, c.remote, in)
}

func (c leaseClient) LeaseRevoke(ctx context.Context, in *pb.LeaseRevokeRequest, _ ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
	return call[*pb.LeaseRevokeResponse](ctx, c.remote, in)
}

func (c leaseClient) LeaseTimeToLive(ctx context.Context, in *pb.LeaseTimeToLiveRequest, _ ...grpc.CallOption) (*pb.LeaseTimeToLiveResponse, error) {
	return call[*pb.LeaseTimeToLiveResponse](ctx, c.remote, in)
}

func (c leaseClient) LeaseLeases(ctx context.Context, in *pb.LeaseLeasesRequest, _ ...grpc.CallOption) (*pb.LeaseLeasesResponse, error) {
	return call[*pb.LeaseLeasesResponse](ctx, c.remote, in)
}

func (c leaseClient) LeaseKeepAlive(ctx context.Context, _ ...grpc.CallOption) (grpc.BidiStreamingClient[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse], error) {
	return &keepAliveStream{ctx: ctx, remote: c.remote, sent: make(chan *pb.LeaseKeepAliveRequest, keepAlivesSent)}, nil
}

// keepAlivesSent bounds what a sender is ahead of the receiver.
const keepAlivesSent = 16

// keepAliveStream answers each keepalive that was sent, in order.
type keepAliveStream struct {
	grpc.ClientStream
	ctx    context.Context //nolint:containedctx // a gRPC stream has its context
	remote remote
	sent   chan *pb.LeaseKeepAliveRequest // by Send, never closed
}

func (s *keepAliveStream) Send(r *pb.LeaseKeepAliveRequest) error {
	select {
	case s.sent <- r:
		return nil
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

func (s *keepAliveStream) Recv() (*pb.LeaseKeepAliveResponse, error) {
	select {
	case r := <-s.sent:
		return call[*pb.LeaseKeepAliveResponse](s.ctx, s.remote, r)
	case <-s.ctx.Done():
		return nil, status.FromContextError(s.ctx.Err()).Err()
	}
}

func (s *keepAliveStream) CloseSend() error { return nil }

type maintenanceClient struct{ remote }

func (c maintenanceClient) Alarm(ctx context.Context, in *pb.AlarmRequest, _ ...grpc.CallOption) (*pb.AlarmResponse, error) {
	return call[*pb.AlarmResponse](ctx, c.remote, in)
}

func (c maintenanceClient) Status(ctx context.Context, in *pb.StatusRequest, _ ...grpc.CallOption) (*pb.StatusResponse, error) {
	return call[*pb.StatusResponse](ctx, c.remote, in)
}

func (c maintenanceClient) Defragment(ctx context.Context, in *pb.DefragmentRequest, _ ...grpc.CallOption) (*pb.DefragmentResponse, error) {
	return call[*pb.DefragmentResponse](ctx, c.remote, in)
}

func (c maintenanceClient) Hash(context.Context, *pb.HashRequest, ...grpc.CallOption) (*pb.HashResponse, error) {
	return nil, errUnimplemented
}

func (c maintenanceClient) HashKV(context.Context, *pb.HashKVRequest, ...grpc.CallOption) (*pb.HashKVResponse, error) {
	return nil, errUnimplemented
}

func (c maintenanceClient) Snapshot(context.Context, *pb.SnapshotRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[pb.SnapshotResponse], error) {
	return nil, errUnimplemented
}

func (c maintenanceClient) MoveLeader(context.Context, *pb.MoveLeaderRequest, ...grpc.CallOption) (*pb.MoveLeaderResponse, error) {
	return nil, errUnimplemented
}

func (c maintenanceClient) Downgrade(context.Context, *pb.DowngradeRequest, ...grpc.CallOption) (*pb.DowngradeResponse, error) {
	return nil, errUnimplemented
}
