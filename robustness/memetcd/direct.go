package memetcd

import (
	"context"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Direct is a Conn that applies each request when it comes, and tells watches at
// once. It is safe for concurrent use.
type Direct struct {
	began time.Time

	mu      sync.Mutex // guards what follows
	store   *Store
	streams []*directStream // in the order in which they were opened
}

// NewDirect drives a store, which nobody else may use from then on.
func NewDirect(store *Store) *Direct { return &Direct{store: store, began: time.Now()} }

// Run ends leases whose time is over, until ctx ends.
func (d *Direct) Run(ctx context.Context) {
	tick := time.NewTicker(ExpiryPoll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.mu.Lock()
			d.store.Advance(time.Since(d.began))
			d.store.Expire()
			d.tell()
			d.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// Call implements Conn.
func (d *Direct) Call(ctx context.Context, req proto.Message) (proto.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.store.Advance(time.Since(d.began))
	resp, err := d.store.Do(req)
	d.tell()
	return resp, err
}

// Watch implements Conn.
func (d *Direct) Watch(ctx context.Context, req *pb.WatchCreateRequest) (Stream, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, created := d.store.Watch(req)
	s := &directStream{ctx: ctx, watch: w, queue: []*pb.WatchResponse{created}, bell: make(chan struct{}, 1)}
	d.streams = append(d.streams, s)
	d.tell()
	context.AfterFunc(ctx, func() { d.drop(s) })
	return s, nil
}

// Progress implements Conn.
func (d *Direct) Progress(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.streams {
		if p := d.store.Progress(s.watch); p != nil {
			s.push(p)
		}
	}
	return nil
}

// tell queues for every stream what is new for it. The caller holds mu.
func (d *Direct) tell() {
	for _, s := range d.streams {
		s.push(d.store.Next(s.watch, 0)...)
	}
}

func (d *Direct) drop(s *directStream) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, other := range d.streams {
		if other == s {
			d.streams = append(d.streams[:i], d.streams[i+1:]...)
			return
		}
	}
}

type directStream struct {
	ctx   context.Context //nolint:containedctx // a gRPC stream has its context
	watch *Watch
	bell  chan struct{} // written by push; one is enough to wake

	mu    sync.Mutex // guards queue
	queue []*pb.WatchResponse
}

func (s *directStream) push(list ...*pb.WatchResponse) {
	s.mu.Lock()
	s.queue = append(s.queue, list...)
	s.mu.Unlock()
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

func (s *directStream) pop() *pb.WatchResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	first := s.queue[0]
	s.queue = s.queue[1:]
	return first
}

// Recv implements Stream.
func (s *directStream) Recv() (*pb.WatchResponse, error) {
	for {
		if r := s.pop(); r != nil {
			return r, nil
		}
		select {
		case <-s.bell:
		case <-s.ctx.Done():
			return nil, status.FromContextError(s.ctx.Err()).Err()
		}
	}
}
