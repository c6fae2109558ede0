package embed

import (
	"context"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/proxy/grpcproxy/adapter"
	"google.golang.org/grpc"

	"github.com/berthd/berth/etcdstore"
)

// kv is etcd's adapter within the process. It is a sender of transactions, too.
type kv struct {
	clientv3.KV
	etcdstore.Sender
}

func newKV(s *etcdserver.EtcdServer, c *clientv3.Client) clientv3.KV {
	server := v3rpc.NewQuotaKVServer(s)
	client := kvClient{adapter.KvServerToKvClient(server), server}
	return kv{clientv3.NewKVFromKVClient(client, c), etcdstore.NewSender(client)}
}

// kvClient is etcd's, with the one call that 3.7.3's lacks.

type kvClient struct {
	pb.KVClient
	server pb.KVServer
}

// RangeStream reads a range in parts.
func (c kvClient) RangeStream(ctx context.Context, in *pb.RangeRequest, _ ...grpc.CallOption) (pb.KV_RangeStreamClient, error) {
	s := rangeStream{ctx: ctx, parts: make(chan *pb.RangeStreamResponse), end: make(chan error, 1)}
	go func() {
		err := c.server.RangeStream(in, sender{rangeStream: s})
		if err == nil {
			err = io.EOF
		}
		s.end <- err
	}()
	return receiver{rangeStream: s}, nil
}

// rangeStream hands parts over from one goroutine to another.
type rangeStream struct {
	ctx   context.Context              //nolint:containedctx // a stream is of one call
	parts chan *pb.RangeStreamResponse // written by the server; never closed
	end   chan error                   // written once, after the last part
}

type sender struct {
	grpc.ServerStream // nil: nobody calls what is not below
	rangeStream
}

func (s sender) Context() context.Context { return s.ctx }

func (s sender) Send(p *pb.RangeStreamResponse) error {
	select {
	case s.parts <- p:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

type receiver struct {
	grpc.ClientStream // nil: nobody calls what is not below
	rangeStream
}

func (r receiver) Context() context.Context { return r.ctx }

func (r receiver) Recv() (*pb.RangeStreamResponse, error) {
	select {
	case p := <-r.parts:
		return p, nil
	case err := <-r.end:
		return nil, err
	}
}
