package invariant

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// moodyStore is a store of no keys whose reads fail as scripted, then succeed,
// and whose first watch finds that history is compacted.
type moodyStore struct {
	clientv3.KV
	clientv3.Watcher

	fails   []error // of each read in turn; nil: it succeeds
	watches int
}

func (m *moodyStore) Get(ctx context.Context, _ string, _ ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if len(m.fails) > 0 {
		err := m.fails[0]
		if m.fails = m.fails[1:]; err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				<-ctx.Done() // it never answers
			}
			return nil, err
		}
	}
	return &clientv3.GetResponse{Header: &pb.ResponseHeader{Revision: int64(10 + m.watches)}}, nil
}

func (m *moodyStore) Watch(context.Context, string, ...clientv3.OpOption) clientv3.WatchChan {
	m.watches++
	c := make(chan clientv3.WatchResponse, 1)
	c <- clientv3.WatchResponse{CompactRevision: 10}
	return c
}

var errEnough = errors.New("enough")

// A store that is away for longer than a read may take, at the first or at a
// later load, does not end the watch (it ended `berth fsck --watch` in chaos).
func TestWatchStore_Away(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &moodyStore{fails: []error{context.DeadlineExceeded, rpctypes.ErrNoLeader, nil, context.DeadlineExceeded, rpctypes.ErrTimeout}}
		client := clientv3.NewCtxClient(t.Context())
		client.KV, client.Watcher = m, m
		var seen []Report
		err := WatchStore(t.Context(), client, "/berth/", Options{}, func(r Report) error {
			if seen = append(seen, r); len(seen) == 2 {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) {
			t.Fatalf("ended with %v after %+v", err, seen)
		}
		if seen[0].Revision != 10 || seen[1].Revision != 11 || seen[1].Unseen != 1 {
			t.Errorf("told of %+v", seen)
		}
	})
}

func TestWatchStore_Ends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), pageTimeout*3/2)
		defer cancel()
		m := &moodyStore{fails: []error{context.DeadlineExceeded, context.DeadlineExceeded}}
		client := clientv3.NewCtxClient(ctx)
		client.KV, client.Watcher = m, m
		if err := WatchStore(ctx, client, "/berth/", Options{}, nil); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
			t.Errorf("ended with %v", err)
		}
		m.fails = []error{rpctypes.ErrPermissionDenied}
		if err := WatchStore(t.Context(), client, "/berth/", Options{}, nil); !errors.Is(err, rpctypes.ErrPermissionDenied) {
			t.Errorf("ended with %v, not the refusal", err)
		}
	})
}
