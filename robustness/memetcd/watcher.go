package memetcd

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// watcher does what etcd's client does with watches: it takes one up again
// where its stream broke, joins fragments, and ends it for what cannot be cured.
type watcher struct{ conn Conn }

func (w *watcher) RequestProgress(ctx context.Context) error { return w.conn.Progress(ctx) }

func (w *watcher) Close() error { return nil }

func (w *watcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	req, created := watchRequest(clientv3.OpWatch(key, opts...))
	one := &watching{
		ctx: ctx, req: req, created: created,
		out: make(chan clientv3.WatchResponse), begun: make(chan struct{}),
	}
	go one.run(w.conn)
	<-one.begun // as etcd's client: what is written from now on is told
	return one.out
}

// watchRequest reads an operation's options, which etcd's client keeps to itself.
func watchRequest(op clientv3.Op) (req *pb.WatchCreateRequest, created bool) {
	option := func(name string) bool { return reflect.ValueOf(op).FieldByName(name).Bool() }
	req = &pb.WatchCreateRequest{
		Key: op.KeyBytes(), RangeEnd: op.RangeBytes(), StartRevision: op.Rev(), PrevKv: op.IsPrevKV(),
		ProgressNotify: option("progressNotify"), Fragment: option("fragment"),
	}
	if option("filterPut") {
		req.Filters = append(req.Filters, pb.WatchCreateRequest_NOPUT)
	}
	if option("filterDelete") {
		req.Filters = append(req.Filters, pb.WatchCreateRequest_NODELETE)
	}
	return req, option("createdNotify")
}

// watching is one watch of a client.
type watching struct {
	ctx     context.Context //nolint:containedctx // the watch lives as long as it
	req     *pb.WatchCreateRequest
	created bool                        // tell that the watch began
	out     chan clientv3.WatchResponse // written and closed by run
	begun   chan struct{}               // closed by run, when the server has the watch or never will
	once    sync.Once                   // of begun
}

func (w *watching) begin() { w.once.Do(func() { close(w.begun) }) }

// Pauses before a broken stream is opened again, as in etcd's client.
const (
	reopenFirst = 10 * time.Millisecond
	reopenMost  = 100 * time.Millisecond
)

func (w *watching) run(conn Conn) {
	defer close(w.out)
	defer w.begin()
	for pause := reopenFirst; ; pause = min(2*pause, reopenMost) {
		err := w.stream(conn)
		if err == nil || w.ctx.Err() != nil {
			return
		}
		if final(err) {
			w.begin()
			w.send(&pb.WatchResponse{Header: &pb.ResponseHeader{}, Canceled: true, CancelReason: rpctypes.ErrorDesc(err)})
			return
		}
		select {
		case <-time.After(pause):
		case <-w.ctx.Done():
			return
		}
	}
}

// final says whether opening the stream again cannot help. A caller who demands
// a leader wants to know that there is none.
func final(err error) bool {
	if errors.Is(rpctypes.Error(err), rpctypes.ErrNoLeader) {
		return true
	}
	code := status.Code(err)
	return code != codes.Unavailable && code != codes.Internal
}

// stream returns nil when the watch is over, and the error that broke the stream
// otherwise.
func (w *watching) stream(conn Conn) error {
	stream, err := conn.Watch(w.ctx, w.req)
	if err != nil {
		return err
	}
	var whole *pb.WatchResponse
	for {
		part, err := stream.Recv()
		if err != nil {
			return err
		}
		if whole = join(whole, part); whole.Fragment {
			continue
		}
		if !w.take(whole) {
			return nil
		}
		whole = nil
	}
}

func join(whole, part *pb.WatchResponse) *pb.WatchResponse {
	if whole == nil {
		return part
	}
	return &pb.WatchResponse{Header: part.Header, WatchId: part.WatchId, Events: append(whole.Events, part.Events...), Fragment: part.Fragment}
}

// take notes where to go on from, and hands a response out. It says whether the
// watch goes on.
func (w *watching) take(resp *pb.WatchResponse) bool {
	if resp.Created && !resp.Canceled {
		if w.req.StartRevision == 0 {
			w.req.StartRevision = resp.Header.Revision + 1
		}
		w.begin()
		tell := w.created
		w.created = false
		return !tell || w.send(resp)
	}
	w.begin()
	switch n := len(resp.Events); {
	case n > 0:
		w.req.StartRevision = resp.Events[n-1].Kv.ModRevision + 1
	case !resp.Canceled:
		w.req.StartRevision = max(w.req.StartRevision, resp.Header.Revision+1)
	}
	return w.send(resp) && !resp.Canceled
}

func (w *watching) send(resp *pb.WatchResponse) bool {
	out := clientv3.WatchResponse{
		Header: resp.Header, CompactRevision: resp.CompactRevision, Canceled: resp.Canceled,
		Created: resp.Created, CancelReason: resp.CancelReason,
	}
	out.Events = append(out.Events, resp.Events...)
	select {
	case w.out <- out:
		return true
	case <-w.ctx.Done():
		return false
	}
}
