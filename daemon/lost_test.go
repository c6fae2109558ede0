package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
)

// silence is a store that answers nothing.
type silence struct{}

func (silence) Call(ctx context.Context, _ proto.Message) (proto.Message, error) {
	<-ctx.Done()
	return nil, status.FromContextError(ctx.Err()).Err()
}

func (silence) Watch(ctx context.Context, _ *pb.WatchCreateRequest) (memetcd.Stream, error) {
	return nil, ctx.Err()
}

func (silence) Progress(context.Context) error { return nil }

// A query that is not answered in time is asked again. Otherwise the grace of what
// a worker held never begins, and nothing of it ever moves.
func TestAskLease_HearsOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loopWith(t)
		store, err := etcdstore.New(memetcd.NewClient(t.Context(), silence{}), etcdstore.Options{MaxTxnOps: 128})
		if err != nil {
			t.Fatal(err)
		}
		l.store = store
		l.lost["w"] = &lostEpoch{epoch: 1, asking: true}
		go l.askLease("w", 1, "7")
		select {
		case fn := <-l.d.calls:
			fn(l)
		case <-time.After(time.Minute):
			t.Fatal("the loop never heard of it")
		}
		if l.lost["w"].asking || l.timers.next().IsZero() {
			t.Error("nobody will ask again")
		}
	})
}
