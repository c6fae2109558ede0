package client_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/zap"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/berth/v1/berthv1connect"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/client"
)

// pretender is a daemon that answers Info, or refuses it.
type pretender struct {
	berthv1connect.UnimplementedBerthServiceHandler
	name  string
	err   error
	asked int
}

func (p *pretender) Info(context.Context, *berthv1.InfoRequest) (*berthv1.InfoResponse, error) {
	p.asked++
	return &berthv1.InfoResponse{Daemon: p.name}, p.err
}

func (p *pretender) serve(t *testing.T) (address string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := mtls.ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(berthv1connect.NewBerthServiceHandler(p))
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
	if stopping.asked != 1 {
		t.Errorf("asked a daemon that refuses %d times; once it is left, the next is to be asked", stopping.asked)
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
	if _, err := c.Info(t.Context()); err == nil || other.asked > 0 {
		t.Errorf("got %v; the other was asked %d times", err, other.asked)
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
