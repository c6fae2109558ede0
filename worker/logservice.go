package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"connectrpc.com/connect"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/berth/v1/berthv1connect"
	"github.com/berthd/berth/worker/logfile"
)

// Service answers who reads output: daemons, on behalf of their users.
func (l *Logs) Service() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(berthv1connect.NewWorkerServiceHandler(&logService{logs: l}, connect.WithReadMaxBytes(maxLogRequestBytes)))
	return mux
}

const maxLogRequestBytes = 4 << 10

type logService struct{ logs *Logs }

// ReadLog sends one stream of one attempt.
func (s *logService) ReadLog(ctx context.Context, req *berthv1.ReadLogRequest, out *connect.ServerStream[berthv1.ReadLogResponse]) error {
	m := req
	r, err := s.logs.Open(berth.RequestID(m.GetId()), m.GetAttempt(), m.GetStream(), logfile.ReaderOptions{
		Offset: m.GetOffset(), Tail: int(m.GetTail()), Follow: m.GetFollow(),
	})
	if err != nil {
		return connect.NewError(logCode(err), err)
	}
	defer func() { _ = r.Close() }() // read only
	for {
		chunk, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return connect.NewError(logCode(err), fmt.Errorf("read output of %s: %w", m.GetId(), err))
		}
		if err := out.Send(&berthv1.ReadLogResponse{Data: chunk.Data, Offset: chunk.Offset, Gap: chunk.Gap}); err != nil {
			return err
		}
	}
}

func logCode(err error) connect.Code {
	if _, ok := errors.AsType[*berth.FieldError](err); ok {
		return connect.CodeInvalidArgument
	}
	switch {
	case errors.Is(err, ErrNoLog), errors.Is(err, fs.ErrNotExist):
		return connect.CodeNotFound
	case errors.Is(err, logfile.ErrBeyondEnd):
		return connect.CodeOutOfRange
	case errors.Is(err, context.Canceled):
		return connect.CodeCanceled
	}
	return connect.CodeInternal
}
