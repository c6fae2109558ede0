package serve_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// wire passes connections on to a socket until it is cut.
type wire struct {
	net.Listener
	mu    sync.Mutex // guards the fields below it
	ends  []net.Conn
	gone  bool
	group sync.WaitGroup
}

func newWire(t *testing.T, socket string) *wire {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "w"))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l}
	w.group.Go(func() {
		for {
			from, err := w.Accept()
			if err != nil {
				return
			}
			to, err := new(net.Dialer).DialContext(context.Background(), "unix", socket)
			if err != nil || !w.keep(from, to) {
				_ = from.Close() // as a daemon that is gone
				return
			}
			w.group.Go(func() { _, _ = io.Copy(to, from) }) // until it is cut
			w.group.Go(func() { _, _ = io.Copy(from, to) })
		}
	})
	t.Cleanup(w.cut)
	return w
}

func (w *wire) keep(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = append(w.ends, ends...)
	return !w.gone
}

// cut breaks all connections, and accepts no more.
func (w *wire) cut() {
	_ = w.Close() // twice is none
	w.mu.Lock()
	w.gone = true
	for _, c := range w.ends {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.group.Wait()
}

// over is a client that reaches the daemon over a wire first, and without it then.
func over(t *testing.T, socket string) (*client.Client, *wire) {
	t.Helper()
	w := newWire(t, socket)
	c, err := client.New(client.Options{Address: w.Addr().String() + "," + socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, w
}

// A watch whose connection breaks goes on at the next daemon: each state is told
// once, and the end that came meanwhile is told.
func TestService_WatchGoesOn(t *testing.T) {
	direct, socket := site(t)
	c, w := over(t, socket)
	submit(t, direct, &berthv1.Request{Id: "r", Command: []string{"sleep", "1000"}, StopTimeoutMs: 100})
	until(t, direct, "r", "RUNNING")
	var states []string
	done := errors.New("done")
	err := c.Watch(t.Context(), nil, func(s *berthv1.Status) error {
		states = append(states, s.GetId()+" "+s.GetState())
		if s.GetState() == "SUCCEEDED" {
			return done
		}
		if len(states) == 1 {
			w.cut()
			submit(t, direct, &berthv1.Request{Id: "short", Command: []string{"true"}})
			until(t, direct, "short", "SUCCEEDED")
		}
		return nil
	})
	if !errors.Is(err, done) || states[0] != "r RUNNING" || slices.Contains(states[1:], "r RUNNING") {
		t.Errorf("told %v, %v; want r once, and the end of what came and went meanwhile", states, err)
	}
}

// Output that is followed goes on where its connection broke.
func TestService_LogsGoOn(t *testing.T) {
	direct, socket := site(t)
	c, w := over(t, socket)
	submit(t, direct, &berthv1.Request{Id: "r", Command: []string{"sh", "-c", "echo one; sleep 1; echo two"}})
	var out strings.Builder
	err := c.Logs(t.Context(), &berthv1.LogsRequest{Id: "r", Follow: true}, func(m *berthv1.LogsResponse) error {
		out.Write(m.GetData())
		w.cut()
		return nil
	})
	if err != nil || out.String() != "one\ntwo\n" {
		t.Errorf("read %q, %v", out.String(), err)
	}
}
