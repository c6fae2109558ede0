package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// codes are those of the errors that callers can do something about.
var codes = []struct {
	err  error
	code connect.Code
}{
	{daemon.ErrNotFound, connect.CodeNotFound},
	{daemon.ErrConflictingID, connect.CodeAlreadyExists},
	{etcdstore.ErrGroupTaken, connect.CodeAlreadyExists},
	{etcdstore.ErrGroupIncomplete, connect.CodeAlreadyExists},
	{daemon.ErrCorrupt, connect.CodeDataLoss},
	{daemon.ErrNoSpace, connect.CodeResourceExhausted},
	{daemon.ErrBusy, connect.CodeResourceExhausted},
	{daemon.ErrReplaced, connect.CodeAborted},
	{etcdstore.ErrClusterChanged, connect.CodeUnavailable},
	{daemon.ErrStopping, connect.CodeUnavailable},
	{daemon.ErrNotReady, connect.CodeUnavailable},
	{etcdstore.ErrTooLarge, connect.CodeInvalidArgument},
	{etcdstore.ErrOutcomeUnknown, connect.CodeUnavailable},
	{context.DeadlineExceeded, connect.CodeDeadlineExceeded},
	{context.Canceled, connect.CodeCanceled},
}

// codeOf is the code of an error; what nobody foresaw is internal.
func codeOf(err error) connect.Code {
	if ce, ok := errors.AsType[*connect.Error](err); ok {
		return ce.Code()
	}
	if _, ok := errors.AsType[*berth.FieldError](err); ok {
		return connect.CodeInvalidArgument
	}
	if _, ok := errors.AsType[*etcdstore.PastError](err); ok {
		return connect.CodeOutOfRange
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	if etcdstore.Unreachable(err) { // of a read: nothing was changed
		return connect.CodeUnavailable
	}
	return connect.CodeInternal
}

// failure is the error of a call.
func failure(err error) error {
	if _, ok := errors.AsType[*connect.Error](err); ok || err == nil {
		return err
	}
	code, said := codeOf(err), err
	if text := err.Error(); text != wire.Text(text) {
		said = errors.New(wire.Text(text)) // gRPC has the text in a message of its own
	}
	out := connect.NewError(code, said)
	if fe, ok := errors.AsType[*berth.FieldError](err); ok {
		if detail, detailErr := connect.NewErrorDetail(wire.Violation(fe)); detailErr == nil {
			out.AddDetail(detail)
		}
	}
	return out
}

// asField names the field that an error is about as its call does.
func asField(err error, was, called string) error {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok || fe.Field != was {
		return err
	}
	in := *fe
	in.Field = called
	return &in
}

// tellErrors turns errors into codes, and logs those that are ours.
type tellErrors struct{ log *zap.Logger }

func (t tellErrors) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		resp, err := next(ctx, req)
		return resp, t.tell(req.Spec().Procedure, err)
	}
}

func (t tellErrors) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (t tellErrors) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return t.tell(conn.Spec().Procedure, next(ctx, conn))
	}
}

func (t tellErrors) tell(procedure string, err error) error {
	err = failure(err)
	if err != nil && connect.CodeOf(err) == connect.CodeInternal {
		t.log.Error("call failed", zap.String("procedure", procedure), zap.Error(err))
	}
	return err
}

// boundCalls gives a deadline to calls that have none. Streams have none: they
// end with their reader.
type boundCalls struct{}

func (boundCalls) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return next(ctx, req)
	}
}

func (boundCalls) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (boundCalls) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// recovered is the answer of a handler that panicked.
func (s *service) recovered(_ context.Context, spec connect.Spec, _ http.Header, cause any) error {
	s.log.Error("call panicked", zap.String("procedure", spec.Procedure), zap.Any("cause", cause), zap.Stack("stack"))
	return connect.NewError(connect.CodeInternal, fmt.Errorf("internal error in %s; the daemon's log has it", spec.Procedure))
}
