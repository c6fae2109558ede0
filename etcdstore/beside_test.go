package etcdstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/berthd/berth/etcdstore"
)

// The view is loaded from a store whose history is gone after each of its pages, and
// that is written to all the while.
func TestFollow_BesideCompaction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := make([]string, 40)
	for i := range ids {
		ids[i] = fmt.Sprintf("r%02d", i)
	}
	r.commit(r.submission(ids...))
	var pages atomic.Int64
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"http://" + r.listen}, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, cc, opts...)
			if g, ok := req.(*pb.RangeRequest); ok && g.Limit == 3 && err == nil {
				r.forget(int(pages.Add(1)))
			}
			return err
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s, err := etcdstore.New(client, etcdstore.Options{PageSize: 3})
	if err == nil {
		err = s.Init(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	v := &view{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Follow(ctx, v.deliver) }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		if _, loads := v.now(); loads > 0 {
			break
		}
	}
	r.commit(r.submission("after"))
	r.agrees(v)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := pages.Load(); n < 14 {
		t.Errorf("%d pages, want those of a whole load", n)
	}
}

// forget compacts all history, and writes: a key elsewhere, and every fourth time
// one of ours.
func (r *rig) forget(page int) {
	resp, err := r.client.Put(r.t.Context(), "/elsewhere", "x")
	if err == nil {
		_, err = r.client.Compact(r.t.Context(), resp.Header.Revision)
	}
	if err == nil && page%4 == 0 && page < 40 {
		_, err = r.Commit(r.t.Context(), r.submission(fmt.Sprintf("new%02d", page)))
	}
	if err == nil {
		_, err = r.client.Put(r.t.Context(), "/elsewhere", "y")
	}
	if err != nil {
		r.t.Error(err)
	}
}
