package etcdstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/metadata"

	"github.com/berthd/berth/etcdstore"
)

// told keeps what watches are opened with.
type told struct {
	clientv3.Watcher
	opened chan metadata.MD // one for each watch; the test reads as many as it opens
}

func (w *told) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	md, _ := metadata.FromOutgoingContext(ctx)
	w.opened <- md
	return w.Watcher.Watch(ctx, key, opts...)
}

// Who follows shares no stream of etcd's client with others: it opens one for each
// metadata.
func TestFollow_OwnStream(t *testing.T) {
	r := newRig(t)
	w := &told{r.client.Watcher, make(chan metadata.MD)}
	r.client.Watcher = w
	other, err := etcdstore.New(r.client, etcdstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all errgroup.Group
	nothing := func(context.Context, etcdstore.Delta) error { return nil }
	seen := make(map[string]bool)
	for _, follow := range []func() error{
		func() error { return r.Follow(ctx, nothing) },
		func() error { return r.FollowWorker(ctx, "w", nothing) },
		func() error { return other.FollowWorker(ctx, "w", nothing) },
	} {
		all.Go(follow)
		md := <-w.opened
		id := md.Get("berth-follow")
		if len(id) != 1 || seen[id[0]] {
			t.Errorf("opened with %v, after %v", md, seen)
			continue
		}
		if leader := md.Get("hasleader"); len(leader) != 1 {
			t.Errorf("opened with %v, which asks for no leader", md)
		}
		seen[id[0]] = true
	}
	cancel()
	_ = all.Wait() // ctx's end
}

// Who stops to follow is no watch that broke: nothing is told of it.
func TestFollow_StopsQuietly(t *testing.T) {
	r := newRig(t)
	core, logged := observer.New(zapcore.InfoLevel)
	s, err := etcdstore.New(r.client, etcdstore.Options{Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = s.FollowAllocations(ctx, func(context.Context, etcdstore.Delta) error {
		time.AfterFunc(10*time.Millisecond, cancel)
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	for _, entry := range logged.FilterMessageSnippet("watch ended").All() {
		t.Errorf("it says %q, %v", entry.Message, entry.ContextMap())
	}
}
