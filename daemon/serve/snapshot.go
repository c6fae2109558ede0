package serve

import (
	"context"
	"strconv"

	"connectrpc.com/connect"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func (s *service) Snapshot(ctx context.Context, req *berthv1.SnapshotRequest, out *connect.ServerStream[berthv1.SnapshotResponse]) error {
	rev, err := revision("revision", req.GetRevision())
	if err != nil {
		return err
	}
	if err := out.Send(nil); err != nil { // the header: the daemon is there
		return err
	}
	w := &lineWriter{send: out.Send}
	if err := s.d.Snapshot(ctx, rev, w); err != nil {
		return err
	}
	return w.flush()
}

// revision checks that a revision is one, or 0.
func revision(field string, n int64) (berth.Revision, error) {
	if n < 0 {
		return 0, &berth.FieldError{Field: field, Value: strconv.FormatInt(n, 10), Problem: "is negative", Bound: "a revision; 0: the newest"}
	}
	return berth.Revision(n), nil
}

// chunk is how many bytes of lines make a message.
const chunk = 64 << 10

// lineWriter sends what is written, a line with each call, in messages of some size.
type lineWriter struct {
	send  func(*berthv1.SnapshotResponse) error
	lines []byte
}

func (w *lineWriter) Write(line []byte) (int, error) {
	w.lines = append(w.lines, line...)
	if len(w.lines) >= chunk {
		return len(line), w.flush()
	}
	return len(line), nil
}

func (w *lineWriter) flush() error {
	if len(w.lines) == 0 {
		return nil
	}
	err := w.send(&berthv1.SnapshotResponse{Lines: w.lines})
	w.lines = make([]byte, 0, chunk)
	return err
}
