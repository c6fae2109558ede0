package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/zap"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/berth/v1/berthv1connect"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/client"
)

// pretender is a daemon that answers Info, Watch and Logs, or refuses them, or hangs.
type pretender struct {
	berthv1connect.UnimplementedBerthServiceHandler
	name  string
	err   error
	hangs bool
	asked atomic.Int64
}

func (p *pretender) answer(ctx context.Context) error {
	p.asked.Add(1)
	if p.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return p.err
}

func (p *pretender) Info(ctx context.Context, _ *berthv1.InfoRequest) (*berthv1.InfoResponse, error) {
	return &berthv1.InfoResponse{Daemon: p.name}, p.answer(ctx)
}

func (p *pretender) Watch(ctx context.Context, _ *berthv1.WatchRequest, out *connect.ServerStream[berthv1.WatchResponse]) error {
	if err := p.answer(ctx); err != nil {
		return err
	}
	return out.Send(&berthv1.WatchResponse{Status: &berthv1.Status{Id: p.name}})
}

func (p *pretender) Logs(ctx context.Context, _ *berthv1.LogsRequest, out *connect.ServerStream[berthv1.LogsResponse]) error {
	if err := p.answer(ctx); err != nil {
		return err
	}
	return out.Send(&berthv1.LogsResponse{Data: []byte(p.name)})
}

func (p *pretender) serve(t *testing.T) (address string) {
	t.Helper()
	return serve(t, p)
}

func serve(t *testing.T, h berthv1connect.BerthServiceHandler) (address string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := mtls.ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(berthv1connect.NewBerthServiceHandler(h))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mtls.Serve(ctx, listener, mux, zap.NewNop()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "unix://" + path
}

func TestClient_Failover(t *testing.T) {
	gone := "unix://" + filepath.Join(t.TempDir(), "nobody")
	stopping := &pretender{name: "stopping", err: connect.NewError(connect.CodeUnavailable, errors.New("stopping"))}
	up := &pretender{name: "up"}
	c, err := client.New(client.Options{Address: gone + "," + stopping.serve(t) + "," + up.serve(t), RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		in, err := c.Info(t.Context())
		if err != nil || in.GetDaemon() != "up" {
			t.Fatalf("answered by %s, %v", in.GetDaemon(), err)
		}
	}
	if stopping.asked.Load() != 1 {
		t.Errorf("asked a daemon that refuses %d times; once it is left, the next is to be asked", stopping.asked.Load())
	}
}

// What a daemon refuses for its content is not asked of the next.
func TestClient_RefusalIsFinal(t *testing.T) {
	no := &pretender{name: "no", err: connect.NewError(connect.CodeInvalidArgument, errors.New("no"))}
	other := &pretender{name: "other"}
	c, err := client.New(client.Options{Address: no.serve(t) + "," + other.serve(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Info(t.Context()); err == nil || other.asked.Load() > 0 {
		t.Errorf("got %v; the other was asked %d times", err, other.asked.Load())
	}
}

func TestClient_AllGone(t *testing.T) {
	dir := t.TempDir()
	c, err := client.New(client.Options{Address: filepath.Join(dir, "a") + "," + filepath.Join(dir, "b"), RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Info(t.Context())
	if _, ok := errors.AsType[*client.UnreachableError](err); !ok {
		t.Errorf("got %v, want an UnreachableError", err)
	}
}

// stopped is the address of a daemon that is stopped: its kernel accepts, and nobody
// answers.
func stopped(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nothing was accepted
	return l.Addr().String()
}

// A daemon that does not answer in time is left for the next, and not asked again.
// Another server than a daemon is told of at once, by where it is; of several the next is asked.
func TestClient_NotDaemon(t *testing.T) {
	etcd := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "", http.StatusUnsupportedMediaType)
	}))
	etcd.Config.Protocols = new(http.Protocols)
	etcd.Config.Protocols.SetUnencryptedHTTP2(true)
	etcd.Start()
	defer etcd.Close()
	address := etcd.Listener.Addr().String()
	c, err := client.New(client.Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	_, err = c.Info(t.Context())
	watched := c.Watch(t.Context(), nil, nil)
	for _, err := range []error{err, watched} {
		if other, ok := errors.AsType[*client.NotDaemonError](err); !ok || other.Address != address || other.Status != "415 Unsupported Media Type" {
			t.Errorf("%v", err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	up := &pretender{name: "up"}
	both, err := client.New(client.Options{Address: address + "," + up.serve(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	if in, err := both.Info(t.Context()); err != nil || in.GetDaemon() != "up" {
		t.Errorf("answered by %s, %v", in.GetDaemon(), err)
	}
}

func TestClient_HungDaemon(t *testing.T) {
	hung, up := &pretender{name: "hung", hangs: true}, &pretender{name: "up"}
	c, err := client.New(client.Options{Address: stopped(t) + "," + hung.serve(t) + "," + up.serve(t), TryFor: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		in, err := c.Info(t.Context())
		if err != nil || in.GetDaemon() != "up" {
			t.Fatalf("answered by %q, %v", in.GetDaemon(), err)
		}
	}
	if hung.asked.Load() != 1 {
		t.Errorf("asked a daemon that hangs %d times", hung.asked.Load())
	}
}

// The caller's own deadline ends a call before the next daemon is asked; the next
// call goes to that one.
func TestClient_HungDaemonAndDeadline(t *testing.T) {
	up := &pretender{name: "up"}
	c, err := client.New(client.Options{Address: stopped(t) + "," + up.serve(t), TryFor: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Info(ctx); !errors.Is(err, context.DeadlineExceeded) || up.asked.Load() > 0 {
		t.Fatalf("got %v; the next daemon was asked %d times", err, up.asked.Load())
	}
	if in, err := c.Info(t.Context()); err != nil || in.GetDaemon() != "up" {
		t.Errorf("answered by %q, %v", in.GetDaemon(), err)
	}
}

// When all hang, the caller hears that none answers.
func TestClient_AllHang(t *testing.T) {
	c, err := client.New(client.Options{Address: stopped(t) + "," + stopped(t), RetryFor: -1, TryFor: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Info(t.Context())
	if _, ok := errors.AsType[*client.UnreachableError](err); !ok {
		t.Errorf("got %v, want an UnreachableError", err)
	}
}

// A stream is begun at a daemon that is there, and answers.
func TestClient_StreamFailover(t *testing.T) {
	gone := "unix://" + filepath.Join(t.TempDir(), "nobody")
	for name, first := range map[string]string{"gone": gone, "stopped": stopped(t), "hung": (&pretender{hangs: true}).serve(t)} {
		t.Run(name, func(t *testing.T) {
			up := &pretender{name: "up"}
			address := first + "," + up.serve(t)
			begin := func(follow func(*client.Client) error) {
				c, err := client.New(client.Options{Address: address, TryFor: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := follow(c); err != nil {
					t.Error(err)
				}
			}
			told := 0
			begin(func(c *client.Client) error {
				return c.Watch(t.Context(), nil, func(*berthv1.Status) error { told++; return nil })
			})
			begin(func(c *client.Client) error {
				return c.Logs(t.Context(), &berthv1.LogsRequest{}, func(*berthv1.LogsResponse) error { told++; return nil })
			})
			if told != 2 || up.asked.Load() != 2 {
				t.Errorf("told %d times by the daemon that is up, which was asked %d times; want 2, 2", told, up.asked.Load())
			}
		})
	}
}

// Who waits is told once why, when that is no matter of a moment.
func TestClient_Waiting(t *testing.T) {
	var told []error
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	_ = l.Close()
	c, err := client.New(client.Options{Address: gone, RetryFor: 4 * time.Second, Waiting: func(err error, until time.Time) {
		if left := time.Until(until); left <= 0 || left > 4*time.Second {
			t.Errorf("it is tried for %v more", left)
		}
		told = append(told, err)
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), "r")
	if len(told) != 1 {
		t.Fatalf("told %v, want one error", told)
	}
	for _, err := range []error{err, told[0]} {
		if unreachable, ok := errors.AsType[*client.UnreachableError](err); !ok || unreachable.Address != gone {
			t.Errorf("got %v, want that no daemon answers at %s", err, gone)
		}
	}
}
