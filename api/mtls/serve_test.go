package mtls

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %s", what, patience)
		panic("unreachable")
	}
}

func TestListen_Refuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	tests := []struct {
		name, address string
		files         Files
		want          error
	}{
		{"everywhere", "0.0.0.0:0", Files{}, ErrNotLoopback},
		{"every address", ":0", Files{}, ErrNotLoopback},
		{"a name", "example.com:0", Files{}, ErrNotLoopback},
		{"a certificate without CA", "0.0.0.0:0", Files{Cert: missing, Key: missing}, ErrIncomplete},
		{"missing files", "127.0.0.1:0", Files{Cert: missing, Key: missing, CA: missing}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Listen(t.Context(), tt.address, tt.files)
			if err == nil {
				t.Fatalf("listens on %s", l.Addr())
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestServe(t *testing.T) {
	listener, err := Listen(t.Context(), "", Files{})
	if err != nil {
		t.Fatal(err)
	}
	follows := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		close(follows)
		<-r.Context().Done() // a follower: ended by the end of the agent
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, listener, handler, zap.NewNop()) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	receive(t, follows, "request")
	stop()
	if err := receive(t, ended, "end"); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ListenUnix(t.Context(), path); !errors.Is(err, ErrSocketInUse) {
		t.Errorf("a second one: %v", err)
	}
	socket, ok := first.(*net.UnixListener)
	if !ok {
		t.Fatalf("a listener of type %T", first)
	}
	socket.SetUnlinkOnClose(false) // as after a kill
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	defer second.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
