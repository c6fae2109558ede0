package client

import (
	"context"
	"fmt"
	"io"

	"connectrpc.com/connect"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Snapshot writes what a scheduler needs to know of the store at one revision, 0 for
// the newest: lines of JSON (docs/snapshot.md). One whose daemon ends meanwhile is an
// error: two daemons may read different revisions.
func (c *Client) Snapshot(ctx context.Context, revision int64, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, err := open(ctx, c, func(ctx context.Context, rpc service) (*connect.ServerStreamForClient[berthv1.SnapshotResponse], error) {
		return rpc.Snapshot(ctx, &berthv1.SnapshotRequest{Revision: revision})
	})
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // its error is Err's
	for in.Receive() {
		if _, err := w.Write(in.Msg().GetLines()); err != nil {
			return fmt.Errorf("write snapshot: %w", err)
		}
	}
	if err := in.Err(); err != nil {
		return c.explain(err)
	}
	return nil
}
