package embed

import (
	"context"
	"io"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"google.golang.org/grpc"
)

// newWatcher is a watcher within the process: events are handed over as they are,
// where over loopback each watch has all of them encoded, sent and decoded again.
//
// etcd's own adapter is not used: there a hundred watches that are cancelled at once
// block each other for ever, client and server each waiting in Send for the other to
// receive. Here a client's Send waits for nobody.
func newWatcher(s *etcdserver.EtcdServer, c *clientv3.Client) clientv3.Watcher {
	return clientv3.NewWatchFromWatchClient(watchClient{v3rpc.NewWatchServer(s)}, c)
}

type watchClient struct{ server pb.WatchServer }

func (c watchClient) Watch(ctx context.Context, _ ...grpc.CallOption) (pb.Watch_WatchClient, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &watchStream{
		ctx: ctx, bell: make(chan struct{}, 1), responses: make(chan *pb.WatchResponse), over: make(chan struct{}),
	}
	go func() {
		defer cancel()
		if s.err = c.server.Watch(watchServerEnd{watchStream: s}); s.err == nil {
			s.err = io.EOF
		}
		close(s.over)
	}()
	return watchClientEnd{watchStream: s}, nil
}

// watchStream is between a client and the server.
type watchStream struct {
	ctx       context.Context        //nolint:containedctx // a stream is of one call
	bell      chan struct{}          // written by the client's end, never closed; one is enough to wake
	responses chan *pb.WatchResponse // written by the server's end, never closed
	over      chan struct{}          // closed when the server's call returns
	err       error                  // of that; to be read when over is closed

	mu       sync.Mutex // guards the fields below it
	requests []*pb.WatchRequest
	closed   bool // by the client: no request follows
}

// next is the first request that the server has not taken; io.EOF: none follows.
func (s *watchStream) next() (*pb.WatchRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) > 0 {
		r := s.requests[0]
		s.requests = s.requests[1:]
		return r, nil
	}
	if s.closed {
		return nil, io.EOF
	}
	return nil, nil //nolint:nilnil // there is none yet
}

func (s *watchStream) put(r *pb.WatchRequest, closed bool) {
	s.mu.Lock()
	if r != nil {
		s.requests = append(s.requests, r)
	}
	s.closed = s.closed || closed
	s.mu.Unlock()
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

type watchServerEnd struct {
	grpc.ServerStream // nil: nobody calls what is not below
	*watchStream
}

func (e watchServerEnd) Context() context.Context { return e.ctx }

func (e watchServerEnd) Send(r *pb.WatchResponse) error {
	select {
	case e.responses <- r:
		return nil
	case <-e.ctx.Done():
		return e.ctx.Err()
	}
}

func (e watchServerEnd) Recv() (*pb.WatchRequest, error) {
	for {
		if r, err := e.next(); r != nil || err != nil {
			return r, err
		}
		select {
		case <-e.bell:
		case <-e.ctx.Done():
			return nil, e.ctx.Err()
		}
	}
}

type watchClientEnd struct {
	grpc.ClientStream // nil: nobody calls what is not below
	*watchStream
}

func (e watchClientEnd) Context() context.Context { return e.ctx }

func (e watchClientEnd) Send(r *pb.WatchRequest) error {
	select {
	case <-e.over:
		return io.EOF // as grpc has it: Recv tells why
	default:
		e.put(r, false)
		return nil
	}
}

func (e watchClientEnd) CloseSend() error {
	e.put(nil, true)
	return nil
}

func (e watchClientEnd) Recv() (*pb.WatchResponse, error) {
	select {
	case r := <-e.responses:
		return r, nil
	case <-e.over:
		return nil, e.err
	}
}
