package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
)

// withNode runs a daemon with a socket and a TCP address around a test.
func withNode(t *testing.T, test func(s *shell, socket, address string)) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "api")
	n, err := openNode(t.Context(), nodeOptions{
		embedded: embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"},
		daemon:   daemon.Options{ID: "d", Version: version, Log: zap.NewNop()},
		socket:   socket, listen: "127.0.0.1:0", log: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, over := make(chan struct{}), make(chan error, 1)
	go func() { over <- n.run(ctx, func() { close(ready) }) }()
	defer func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-ready:
	case err := <-over:
		over <- err
		return
	}
	test(&shell{t: t}, socket, n.listeners[1].Addr().String())
}

// Profiles are for who may use the socket's file, and for nobody by TCP.
func TestDebugProfile(t *testing.T) {
	withNode(t, func(s *shell, socket, address string) {
		out := filepath.Join(t.TempDir(), "p")
		for _, args := range [][]string{{"heap"}, {"--seconds", "1", "cpu"}, {"--seconds", "1", "trace"}} {
			s.want(0, "go tool ", append([]string{"debug", "profile", "--address", "unix://" + socket, "--out", out}, args...)...)
			if info, err := os.Stat(out); err != nil || info.Size() == 0 {
				t.Errorf("%v: %v", args, err)
			}
		}
		s.want(exitFailed, "on its unix socket only", "debug", "profile", "--address", address, "--out", out+"2", "heap")
		if _, err := os.Stat(out + "2"); err == nil {
			t.Error("a file is left of a profile that was not taken")
		}
		before, err := os.ReadFile(out)
		s.want(exitFailed, "on its unix socket only", "debug", "profile", "--address", address, "--out", out, "heap")
		if after, afterErr := os.ReadFile(out); err != nil || afterErr != nil || !bytes.Equal(before, after) {
			t.Errorf("a profile that was not taken has changed the one of before: %v %v", err, afterErr)
		}
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("socket: %v %v", info.Mode(), err)
		}
		for path, want := range map[string]int{"/debug/pprof/heap": http.StatusNotFound, "/debug/pprof/": http.StatusNotFound, "/metrics": http.StatusOK} {
			resp, err := http.DefaultTransport.RoundTrip(tcpRequest(t, address, path))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close() // nothing is read
			if resp.StatusCode != want {
				t.Errorf("%s by TCP: %s", path, resp.Status)
			}
		}
	})
}

func tcpRequest(t *testing.T, address, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDebug_Usage(t *testing.T) {
	s := &shell{t: t}
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"want profile", []string{}},
		{`"dance" is unknown`, []string{"dance"}},
		{"want one PROFILE", []string{"profile"}},
		{`profile "fast" is unknown; allowed: cpu, heap`, []string{"profile", "fast"}},
		{"1 to 60", []string{"profile", "--seconds", "61", "cpu"}},
		{"1 to 60", []string{"profile", "--seconds", "0", "trace"}},
		{"is of a moment", []string{"profile", "--seconds", "5", "heap"}},
	} {
		s.want(exitUsage, tt.says, append([]string{"debug"}, tt.args...)...)
	}
}
