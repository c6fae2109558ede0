package embed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/daemon/embed"
)

// A range comes in parts, all of one revision, without leaving the process; one that
// is given up leaves nothing behind, and what was compacted is said so.
func TestClient_RangeStream(t *testing.T) {
	c := start(t, embed.Options{}).Client()
	const keys = 500
	var rev int64
	for i := range keys {
		r, err := c.Put(t.Context(), fmt.Sprintf("k%03d", i), "v")
		if err != nil {
			t.Fatal(err)
		}
		rev = r.Header.Revision
	}
	ctx, cancel := context.WithCancel(t.Context())
	parts, err := c.GetStream(ctx, "k", clientv3.WithPrefix(), clientv3.WithRev(rev))
	if err != nil {
		t.Fatal(err)
	}
	n, several := 0, 0
	for p := range parts {
		if p.Err() != nil {
			t.Fatal(p.Err())
		}
		if several++; several == 1 {
			if _, err := c.Put(t.Context(), "k999", "later"); err != nil {
				t.Fatal(err)
			}
		}
		n += len(p.RangeResponse.Kvs)
	}
	cancel()
	if n != keys || several < 2 {
		t.Errorf("%d keys in %d parts, want %d in several", n, several, keys)
	}
	givenUp(t, c)
	if _, err := c.Compact(t.Context(), rev+1); err != nil {
		t.Fatal(err)
	}
	parts, err = c.GetStream(t.Context(), "k", clientv3.WithPrefix(), clientv3.WithRev(rev))
	for p := range parts {
		err = p.Err()
	}
	if !errors.Is(err, rpctypes.ErrCompacted) {
		t.Errorf("of a compacted revision: %v", err)
	}
}

func givenUp(t *testing.T, c *clientv3.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	parts, err := c.GetStream(ctx, "k", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	<-parts
	cancel()
	for range parts {
	}
}
