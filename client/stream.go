package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Watch calls fn with the requests that match as they are, then with each that
// changes, until ctx ends or fn fails. Where the connection or the daemon ends it goes
// on, at the next daemon if there are several: nothing that changed meanwhile is left
// out, and nothing told again.
func (c *Client) Watch(ctx context.Context, f *berthv1.Filter, fn func(*berthv1.Status) error) error {
	w := &watch{told: make(map[string]int64)}
	begin := func(ctx context.Context, rpc service) (*connect.ServerStreamForClient[berthv1.WatchResponse], error) {
		return rpc.Watch(ctx, &berthv1.WatchRequest{Filter: f, From: w.at})
	}
	take := func(m *berthv1.WatchResponse) (fresh bool, err error) {
		fresh = w.moved(m.GetPosition())
		if s := m.GetStatus(); s != nil && w.news(s) {
			return true, fn(s)
		}
		return fresh, nil
	}
	return stream[berthv1.WatchResponse]{begin, take, w.broke, []connect.Code{connect.CodeCanceled, connect.CodeUnavailable, connect.CodeDeadlineExceeded}}.run(ctx, c)
}

// watch is how far a watch has come, over all its streams.
type watch struct {
	at    *berthv1.WatchPosition
	told  map[string]int64 // changed_revision of what was told and is beyond at
	again map[string]int64 // of these, what the stream that goes on may tell again
}

func (w *watch) broke() { w.again = maps.Clone(w.told) }

// moved says whether a position is news.
func (w *watch) moved(at *berthv1.WatchPosition) bool {
	if at == nil || proto.Equal(at, w.at) {
		return false
	}
	if at.GetRevision() > w.at.GetRevision() {
		maps.DeleteFunc(w.told, func(_ string, changed int64) bool { return changed <= at.GetRevision() })
	}
	w.at = at
	return true
}

// news says whether a status was not told before the stream broke. A daemon that is
// behind the former one tells older ones, too.
func (w *watch) news(s *berthv1.Status) bool {
	changed := s.GetChangedRevision()
	if was, ok := w.again[s.GetId()]; ok {
		if changed < was {
			return false
		}
		delete(w.again, s.GetId())
		if changed == was {
			return false
		}
	}
	if changed > w.at.GetRevision() {
		w.told[s.GetId()] = changed
	}
	return true
}

// Logs calls fn with the output of a request, chunk by chunk. Where the connection or
// the daemon ends it goes on, at the next daemon if there are several.
func (c *Client) Logs(ctx context.Context, req *berthv1.LogsRequest, fn func(*berthv1.LogsResponse) error) error {
	l := &logs{next: make(map[output]int64), req: &berthv1.LogsRequest{
		Id: req.GetId(), Attempt: req.GetAttempt(), Stream: req.GetStream(), Offset: req.GetOffset(), Tail: req.GetTail(), Follow: req.GetFollow(),
	}}
	begin := func(ctx context.Context, rpc service) (*connect.ServerStreamForClient[berthv1.LogsResponse], error) {
		return rpc.Logs(ctx, l.req)
	}
	take := func(m *berthv1.LogsResponse) (fresh bool, err error) {
		if l.rest(m) {
			return true, fn(m)
		}
		return false, nil
	}
	// Unavailable is the worker's output, and so it is everywhere.
	return stream[berthv1.LogsResponse]{begin, take, l.broke, []connect.Code{connect.CodeCanceled}}.run(ctx, c)
}

// output is one stream of one attempt.
type output struct {
	attempt int64
	stream  string
}

// logs is how far each output was read, over all streams of a call.
type logs struct {
	req  *berthv1.LogsRequest
	next map[output]int64
	re   bool // read again from the beginning
}

// broke has the next stream begin where all that is missing is in it: what was read
// is left out.
func (l *logs) broke() {
	if len(l.next) > 0 {
		l.req.Tail, l.re = 0, true
	}
}

// rest cuts off what was read before, and says whether anything is left.
func (l *logs) rest(m *berthv1.LogsResponse) bool {
	of := output{m.GetAttempt(), m.GetStream()}
	next, known := l.next[of]
	end := m.GetOffset() + int64(len(m.GetData()))
	if l.re && known {
		if end <= next {
			return false
		}
		m.Gap = max(0, m.GetOffset()-next)
		if cut := next - m.GetOffset(); cut > 0 {
			m.Data, m.Offset = m.GetData()[cut:], next
		}
	}
	l.next[of] = end
	return true
}

// open begins a stream, and returns when the daemon has sent its header, which it
// does at once: only that shows that there is one. A stream outlives the time of the
// try; it ends with ctx.
func open[T any](ctx context.Context, c *Client, call func(context.Context, service) (*connect.ServerStreamForClient[T], error)) (*connect.ServerStreamForClient[T], error) {
	return again(ctx, c, func(tryCtx context.Context, rpc service) (*connect.ServerStreamForClient[T], error) {
		streamCtx, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(tryCtx, cancel)
		stream, err := call(streamCtx, rpc)
		if err == nil && len(stream.ResponseHeader()) == 0 && !stream.Receive() {
			err = stream.Err() // there is no answer
		}
		if stop() && err == nil {
			return stream, nil
		}
		cancel()
		if stream != nil {
			_ = stream.Close() // nothing of it was read
		}
		if tryCtx.Err() != nil {
			err = connect.NewError(codeOf(tryCtx), tryCtx.Err())
		}
		return nil, err
	})
}

// codeOf is why a context ended.
func codeOf(ctx context.Context) connect.Code {
	if ctx.Err() == context.Canceled {
		return connect.CodeCanceled
	}
	return connect.CodeDeadlineExceeded
}

// stream is a call that tells more than one thing.
type stream[T any] struct {
	begin func(context.Context, service) (*connect.ServerStreamForClient[T], error)
	take  func(*T) (fresh bool, err error)
	broke func()         // told before another is begun in the place of one that broke
	ends  []connect.Code // by which a daemon says that another may go on
}

// stoodFor is how long a stream stands that was worth its beginning though it brought
// nothing.
const stoodFor = time.Minute

// run begins the stream anew where it breaks. One that brought something new, or
// stood for long, renews the patience with those that do not.
func (s stream[T]) run(ctx context.Context, c *Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for r := c.retry(); ; s.broke() {
		one, err := open(ctx, c, s.begin)
		if err != nil {
			return err
		}
		at, began := c.current.Load(), time.Now()
		fresh, err := s.read(one)
		if fe, ok := errors.AsType[*takeError](err); ok {
			return fe.err
		}
		if err == nil || ctx.Err() != nil || connect.IsWireError(err) && !slices.Contains(s.ends, connect.CodeOf(err)) {
			return c.explain(err)
		}
		c.leave(at)
		if fresh || time.Since(began) > stoodFor {
			r = c.retry()
		}
		if !r.more(ctx, err) {
			return c.explain(err)
		}
	}
}

// takeError is of who takes the messages, not of the stream.
type takeError struct{ err error }

func (e *takeError) Error() string { return e.err.Error() }

func (s stream[T]) read(one *connect.ServerStreamForClient[T]) (fresh bool, err error) {
	defer func() { _ = one.Close() }() // its error is Err's
	for one.Receive() {
		news, err := s.take(one.Msg())
		if fresh = fresh || news; err != nil {
			return fresh, &takeError{err}
		}
	}
	return fresh, one.Err()
}
