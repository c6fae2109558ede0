package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/daemon"
)

// streams of a container's output, as workers name them.
var streams = []string{"stdout", "stderr"}

func (s *service) Logs(ctx context.Context, req *berthv1.LogsRequest, out *connect.ServerStream[berthv1.LogsResponse]) error {
	m := req
	if err := checkLogs(m); err != nil {
		return err
	}
	st, err := s.d.Get(ctx, berth.RequestID(m.GetId()))
	if err != nil {
		return err
	}
	if err := out.Send(nil); err != nil { // the header: the request is there
		return err
	}
	var mu sync.Mutex // a stream has one sender at a time
	send := func(r *berthv1.LogsResponse) error {
		mu.Lock()
		defer mu.Unlock()
		return out.Send(r)
	}
	if !m.GetFollow() {
		return s.readAttempt(ctx, &st, m, send)
	}
	return s.follow(ctx, st, m, send)
}

func checkLogs(m *berthv1.LogsRequest) error {
	one := m.GetStream() != "" && m.GetAttempt() > 0
	switch {
	case m.GetStream() != "" && m.GetStream() != streams[0] && m.GetStream() != streams[1]:
		return &berth.FieldError{Field: "stream", Value: m.GetStream(), Problem: "is unknown", Bound: "stdout, stderr; empty: both"}
	case m.GetAttempt() < 0:
		return &berth.FieldError{Field: "attempt", Value: fmt.Sprint(m.GetAttempt()), Problem: "is negative", Bound: "1 or more; 0: the newest"}
	case m.GetTail() < 0:
		return &berth.FieldError{Field: "tail", Value: fmt.Sprint(m.GetTail()), Problem: "is negative", Bound: "0 or more lines"}
	case m.GetOffset() < 0 || (m.GetOffset() > 0 && !one):
		return &berth.FieldError{Field: "offset", Value: fmt.Sprint(m.GetOffset()), Problem: "is not of one stream", Bound: "0 or more, with stream and attempt"}
	}
	return nil
}

// follow reads one attempt after the other, until the request has ended.
func (s *service) follow(ctx context.Context, st daemon.Status, m *berthv1.LogsRequest, send func(*berthv1.LogsResponse) error) error {
	for from := m.GetAttempt(); ; {
		var err error
		if st, err = s.await(ctx, st.ID, func(st *daemon.Status) bool { return hasOutput(st, from) }); err != nil {
			return err
		}
		if st.Attempt < from || st.Worker == "" {
			return nil // it ended without another attempt
		}
		err = s.readAttempt(ctx, &st, m, send)
		if connect.CodeOf(err) == connect.CodeNotFound && neverRan(&st) {
			err = nil // it has no output
		}
		if err != nil {
			return err
		}
		if st.State.Final() || m.GetAttempt() > 0 {
			return nil
		}
		from = st.Attempt + 1
	}
}

func neverRan(st *daemon.Status) bool {
	return st.Exit != nil && (st.Exit.Kind == berth.ExitStartFailed || st.Exit.Kind == berth.ExitRejected)
}

// hasOutput says whether an attempt from on has something to read, or none will.
func hasOutput(st *daemon.Status, from int64) bool {
	switch st.State {
	case berth.StateRunning, berth.StateExited:
		return st.Attempt >= from
	}
	return st.State.Final()
}

// await returns the request's status once ok holds.
func (s *service) await(ctx context.Context, id berth.RequestID, ok func(*daemon.Status) bool) (daemon.Status, error) {
	var found *daemon.Status
	reached := errors.New("reached")
	err := s.d.Watch(ctx, daemon.Filter{IDs: []berth.RequestID{id}}, func(st daemon.Status) error {
		if ok(&st) {
			found = &st
			return reached
		}
		return nil
	})
	if found != nil {
		return *found, nil
	}
	return daemon.Status{}, err
}

// ranBefore is where the attempt before the one that waits was, or would have waited yet, whose output is the newest there is.
// Where that is asked for and the store's history does not tell any more, or it is the attempt that
// waits which is asked for, the error says so: what was reclaimed, say, has run.
func (s *service) ranBefore(ctx context.Context, st *daemon.Status, attempt int64) (berth.WorkerID, int64, error) {
	before, next := st.Attempt-1, fmt.Sprintf("waits for attempt %d", st.Attempt)
	if st.State.Final() {
		before, next = st.Attempt, "waited for the next one then"
	}
	if before < 1 {
		return "", 0, fmt.Errorf("request %s has no output: it is %s, and has not run; berth explain %s says why", st.ID, st.State, st.ID)
	}
	switch f := s.d.Former(ctx, st); {
	case attempt > before && st.State.Final():
		return "", 0, fmt.Errorf("request %s has no output of attempt %d: it is %s, and ended before that; berth logs --attempt %d %s has that of its last", st.ID, attempt, st.State, before, st.ID)
	case attempt > before:
		return "", 0, fmt.Errorf("request %s has no output of attempt %d yet: it is %s, and waits for that; berth logs --attempt %d %s has that of the one before", st.ID, attempt, st.State, before, st.ID)
	case attempt > 0 && attempt < before:
		return "", 0, fmt.Errorf("request %s is %s, and where its attempt %d was is not known; berth logs --attempt %d %s has the output of the last", st.ID, st.State, attempt, before, st.ID)
	case f == nil || f.Worker == "":
		return "", 0, fmt.Errorf("request %s is %s, and %s; where attempt %d was, and its output is, the store's history does not tell any more", st.ID, st.State, next, before)
	default:
		return f.Worker, before, nil
	}
}

// readAttempt sends what there is of an attempt: both streams side by side.
func (s *service) readAttempt(ctx context.Context, st *daemon.Status, m *berthv1.LogsRequest, send func(*berthv1.LogsResponse) error) error {
	attempt := st.Attempt
	if m.GetAttempt() > 0 {
		attempt = m.GetAttempt()
	}
	if st.Worker == "" {
		on, before, err := s.ranBefore(ctx, st, m.GetAttempt())
		if err != nil {
			return connect.NewError(connect.CodeFailedPrecondition, err)
		}
		there := *st
		there.Worker, attempt, st = on, before, &there
	}
	if attempt > st.Attempt {
		return connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf("request %s has no output of attempt %d: its newest is attempt %d; berth logs --attempt %d %s has the output of that", st.ID, attempt, st.Attempt, st.Attempt, st.ID))
	}
	w, err := s.d.Worker(ctx, st.Worker)
	if errors.Is(err, daemon.ErrNotFound) || (err == nil && w.State == "lost") {
		return connect.NewError(connect.CodeUnavailable, fmt.Errorf("worker %s, which keeps the output of request %s, is gone", st.Worker, st.ID))
	}
	if err != nil {
		return err
	}
	if w.Worker.Address == "" {
		return connect.NewError(connect.CodeUnimplemented, fmt.Errorf("worker %s keeps no output (a hollow worker)", st.Worker))
	}
	client, err := s.logs.at(w.Worker.Address)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range streams {
		if m.GetStream() != "" && m.GetStream() != name {
			continue
		}
		g.Go(func() error {
			err := client.read(ctx, &berthv1.ReadLogRequest{
				Id: m.GetId(), Attempt: attempt, Stream: name, Offset: m.GetOffset(), Tail: m.GetTail(), Follow: m.GetFollow(),
			}, send)
			if err != nil {
				return fmt.Errorf("output of request %s from worker %s: %w", st.ID, st.Worker, err)
			}
			return nil
		})
	}
	return g.Wait()
}
