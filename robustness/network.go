package robustness

import (
	"context"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth/robustness/memetcd"
)

// network is what lies between the actors and the store.
type network struct {
	streams  []*stream
	away     int              // above 0: nobody reaches the store
	frozen   int              // above 0: it does not run, and no lease ends
	noLeader int              // above 0: it is reached, and refuses what needs a leader
	cut      map[string]int   // these actors do not reach it
	muted    map[string]int   // their keepalives do not
	held     map[string]int   // their watches are told nothing
	behind   map[string]int64 // the revision at which their member stands
	armed    map[string][]*trap
}

// pingOut is how long a client takes to find a dead connection.
const pingOut = 4 * time.Second

var errUnavailable = status.Error(codes.Unavailable, "the connection is broken")

// conn is one process's way to the store.
type conn struct{ p *process }

// rpc is one request on its way.
type rpc struct {
	p      *process
	ctx    context.Context //nolint:containedctx // of the caller, who may have given up
	req    proto.Message
	kinds  []string
	answer chan rpcAnswer // the one answer
}

type rpcAnswer struct {
	resp proto.Message
	err  error
}

// Call implements memetcd.Conn.
func (c conn) Call(ctx context.Context, req proto.Message) (proto.Message, error) {
	r := &rpc{p: c.p, ctx: ctx, req: req, answer: make(chan rpcAnswer, 1)}
	c.p.w.arrive(&arrival{of: c.p, what: "rpc " + string(req.ProtoReflect().Descriptor().Name()), detail: r.bytes, do: r.leave})
	select {
	case a := <-r.answer:
		return a.resp, a.err
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

func (r *rpc) bytes() string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.req)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// leave is the moment before a request is sent: its process may be killed or
// stopped here, between what it has checked and what it does.
func (r *rpc) leave() {
	w := r.p.w
	r.kinds = kindsOf(r.req)
	for _, t := range w.net.spring(r.p.name, atLeave, r.kinds) {
		w.tally.hit(t.kind, r.kinds)
		switch t.kind {
		case FaultCrashBefore:
			r.p.crash(t.lasts / 4)
			return
		case FaultPauseBefore:
			r.p.pause()
			w.after(t.lasts, nil, r.p.resume)
			r.p.held = append(r.p.held, r.leave)
			return
		}
	}
	w.after(w.soon(), nil, r.reach)
}

// reach is the moment at which a request comes to the store.
func (r *rpc) reach() {
	w := r.p.w
	for _, t := range w.net.spring(r.p.name, onTheWay, r.kinds) {
		w.outage(t.kind, r.p.name, t.lasts)
	}
	if why := w.net.stops(r); why != "" {
		w.tally.hit(why, r.kinds)
		r.lost()
		return
	}
	if w.net.noLeader > 0 && !memetcd.Serializable(r.req) {
		w.tally.hit(FaultNoLeader, r.kinds)
		r.reply(nil, rpctypes.ErrGRPCNoLeader, 200*time.Millisecond)
		return
	}
	answered, crash := true, time.Duration(-1)
	for _, t := range w.net.spring(r.p.name, atReach, r.kinds) {
		w.tally.hit(t.kind, r.kinds)
		switch t.kind {
		case FaultRequestLost:
			r.lost()
			return
		case FaultRequestLate:
			w.after(t.lasts, nil, r.reach)
			return
		case FaultDuplicate:
			w.after(t.lasts, nil, func() { _, _ = w.apply(r) }) // nobody waits for its answer
		case FaultAnswerLost:
			answered = false
		case FaultCrashAfter:
			crash = t.lasts / 4
		}
	}
	resp, err := w.apply(r)
	switch {
	case crash >= 0:
		r.p.crash(crash)
	case !answered:
		r.lost()
	default:
		r.reply(resp, err, w.soon())
	}
}

func (r *rpc) reply(resp proto.Message, err error, in time.Duration) {
	r.p.w.after(in, r.p, func() { r.answer <- rpcAnswer{resp, err} })
}

// lost: the caller hears nothing, or that the connection broke.
func (r *rpc) lost() {
	if w := r.p.w; w.rng.IntN(3) > 0 {
		r.reply(nil, errUnavailable, 100*time.Millisecond+time.Duration(w.rng.Int64N(int64(2*time.Second))))
	}
}

// apply has the store answer a request.
func (w *world) apply(r *rpc) (proto.Message, error) {
	w.store.Advance(w.now())
	resp, err := w.answer(r)
	w.tally.Calls++
	if w.trace != nil {
		w.note(r.p.name, describe(r, resp, err, w.store.Revision()))
	}
	w.changed()
	return resp, err
}

func (w *world) answer(r *rpc) (proto.Message, error) {
	if at := w.net.behind[r.p.name]; at > 0 && memetcd.Serializable(r.req) {
		return w.store.Stale(r.req, at)
	}
	return w.store.Do(r.req)
}

// changed looks at what is new in the store, and has watches told.
func (w *world) changed() {
	w.check.revisions()
	live := w.net.streams[:0]
	for _, s := range w.net.streams {
		if s.over || s.p.dead || s.ctx.Err() != nil {
			continue
		}
		live = append(live, s)
		s.pump()
	}
	w.net.streams = live
}

func (n *network) unreachable(actor string) bool { return n.away > 0 || n.cut[actor] > 0 }

// stops says which fault keeps a request from the store, if one does.
func (n *network) stops(r *rpc) FaultKind {
	switch {
	case n.away > 0:
		return FaultAway
	case n.cut[r.p.name] > 0:
		return FaultCut
	case n.muted[r.p.name] > 0 && len(r.kinds) > 0 && r.kinds[0] == "keepalive":
		return FaultLeaseEnded
	}
	return ""
}

// stream is one open watch.
type stream struct {
	p      *process
	ctx    context.Context //nolint:containedctx // a gRPC stream has its context
	leader bool            // demands one
	watch  *memetcd.Watch
	busy   bool // an event will tell it what is new
	over   bool

	bell  chan struct{} // written by push; one is enough to wake
	mu    sync.Mutex    // guards queue and err
	queue []*pb.WatchResponse
	err   error
}

// Watch implements memetcd.Conn.
func (c conn) Watch(ctx context.Context, req *pb.WatchCreateRequest) (memetcd.Stream, error) {
	s := &stream{p: c.p, ctx: ctx, leader: requiresLeader(ctx), bell: make(chan struct{}, 1)}
	fresh := proto.CloneOf(req)
	c.p.w.arrive(&arrival{
		of: c.p, what: "watch", detail: func() string { return string(fresh.Key) },
		do: func() { c.p.w.after(c.p.w.soon(), nil, func() { s.open(fresh) }) },
	})
	return s, nil
}

// Progress implements memetcd.Conn.
func (c conn) Progress(context.Context) error { return nil }

func (s *stream) open(req *pb.WatchCreateRequest) {
	w := s.p.w
	switch {
	case s.ctx.Err() != nil:
	case w.net.unreachable(s.p.name):
		s.breakIn(pingOut, errUnavailable)
	case w.net.noLeader > 0 && s.leader:
		s.breakIn(w.soon(), rpctypes.ErrGRPCNoLeader)
	default:
		watch, created := w.store.Watch(req)
		s.watch = watch
		w.net.streams = append(w.net.streams, s)
		w.after(w.soon(), s.p, func() { s.push(created) })
		s.pump()
	}
}

// pump has an event tell the stream what is new, unless one is on its way.
func (s *stream) pump() {
	w := s.p.w
	if s.busy || s.over || w.net.held[s.p.name] > 0 || w.net.unreachable(s.p.name) || !w.store.Pending(s.watch) {
		return
	}
	s.busy = true
	w.after(w.soon(), s.p, func() {
		s.busy = false
		if s.over || w.net.held[s.p.name] > 0 || w.net.unreachable(s.p.name) {
			return
		}
		s.push(w.store.Next(s.watch, 0)...)
		s.pump()
	})
}

// progress tells how far a stream has come, where it was told all.
func (s *stream) progress() {
	if s.over || s.watch == nil || s.p.w.net.held[s.p.name] > 0 || s.p.w.net.unreachable(s.p.name) {
		return
	}
	if r := s.p.w.store.Progress(s.watch); r != nil {
		s.p.w.after(s.p.w.soon(), s.p, func() {
			if !s.over {
				s.push(r)
			}
		})
	}
}

func (s *stream) breakIn(d time.Duration, err error) {
	s.over = true
	s.p.w.after(d, s.p, func() {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		s.ring()
	})
}

func (s *stream) push(list ...*pb.WatchResponse) {
	if len(list) == 0 {
		return
	}
	s.mu.Lock()
	s.queue = append(s.queue, list...)
	s.mu.Unlock()
	s.ring()
}

func (s *stream) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// Recv implements memetcd.Stream.
func (s *stream) Recv() (*pb.WatchResponse, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			r := s.queue[0]
			s.queue = s.queue[1:]
			s.mu.Unlock()
			return r, nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-s.bell:
		case <-s.ctx.Done():
			return nil, status.FromContextError(s.ctx.Err()).Err()
		}
	}
}
