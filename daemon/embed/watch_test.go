package embed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth/daemon/embed"
)

// Several watches within the process are each told every change, in order.
func TestClient_Watch(t *testing.T) {
	client := start(t, embed.Options{}).Client()
	const keys, watches = 300, 3
	g, ctx := errgroup.WithContext(t.Context())
	for range watches {
		ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
		events := client.Watch(ctx, "k", clientv3.WithPrefix(), clientv3.WithRev(1), clientv3.WithProgressNotify())
		g.Go(func() error {
			defer cancel()
			next := 0
			for resp := range events {
				for _, e := range resp.Events {
					if want := fmt.Sprintf("k%03d", next); string(e.Kv.Key) != want || string(e.Kv.Value) != want {
						return fmt.Errorf("told of %s = %s, want %s", e.Kv.Key, e.Kv.Value, want)
					}
					next++
				}
				if next == keys {
					return nil
				}
			}
			return fmt.Errorf("the watch ended after %d of %d changes", next, keys)
		})
	}
	for i := range keys {
		k := fmt.Sprintf("k%03d", i)
		if _, err := client.Put(ctx, k, k); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// A watch from before a compaction is told so, and one of a member that is closed ends.
func TestClient_WatchEnds(t *testing.T) {
	s, err := embed.Start(t.Context(), embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	client := s.Client()
	var rev int64
	for range 3 {
		put, err := client.Put(t.Context(), "k", "v")
		if err != nil {
			t.Fatal(err)
		}
		rev = put.Header.Revision
	}
	if _, err := client.Compact(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	resp := <-client.Watch(t.Context(), "k", clientv3.WithRev(1))
	if err := resp.Err(); !errors.Is(err, rpctypes.ErrCompacted) || resp.CompactRevision != rev {
		t.Errorf("told %v of revision %d, want a compaction of %d", err, resp.CompactRevision, rev)
	}
	events := client.Watch(t.Context(), "k", clientv3.WithCreatedNotify())
	<-events
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range events {
	}
}
