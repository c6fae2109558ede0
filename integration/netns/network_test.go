package netns_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthd/berth/integration/netns"
)

// listen takes connections on a host until the test's end.
func listen(t *testing.T, h *netns.Host) {
	t.Helper()
	var l net.Listener
	if err := h.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(t.Context(), "tcp4", h.Address+":7000")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close() // that it came is all
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
}

// reaches connects, which takes both ways.
func reaches(t *testing.T, from, to *netns.Host) bool {
	t.Helper()
	return from.Do(func() error {
		c, err := (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext(t.Context(), "tcp4", to.Address+":7000")
		if err == nil {
			_ = c.Close() // that it is there is all
		}
		return err
	}) == nil
}

func TestHost_CutAndHeal(t *testing.T) {
	t.Parallel()
	n := netns.New(t)
	a, b, c := n.Host("a"), n.Host("b"), n.Host("c")
	for _, h := range []*netns.Host{a, b, c} {
		listen(t, h)
	}
	if !reaches(t, a, b) {
		t.Fatal("two hosts do not reach each other")
	}
	for _, how := range netns.Cuts {
		if err := a.Cut(how); err != nil {
			t.Fatal(err)
		}
		if reaches(t, a, b) || reaches(t, b, a) || !reaches(t, b, c) {
			t.Errorf("cut %s: a must reach nobody, the others each other", how)
		}
		if err := a.Heal(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); !reaches(t, a, b); { // the kernel asks for the address anew
			if time.Now().After(end) {
				t.Fatalf("cut %s: not healed", how)
			}
		}
	}
	if err := a.Cut(netns.CutFrom, b); err != nil {
		t.Fatal(err)
	}
	if reaches(t, a, b) || !reaches(t, a, c) {
		t.Error("a must reach c, not b")
	}
}

func TestHost_Kill(t *testing.T) {
	t.Parallel()
	n := netns.New(t)
	a, b := n.Host("a"), n.Host("b")
	start := func(h *netns.Host) <-chan error {
		cmd := exec.CommandContext(context.Background(), "sleep", "60")
		if err := h.Start(cmd); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return ended
	}
	onA, onB := start(a), start(b)
	if killed, err := a.Kill(); err != nil || killed == 0 {
		t.Fatal(killed, err)
	}
	select {
	case <-onA: //nolint:errcheck // killed, as it should be: it ends with an error
	case <-onB: //nolint:errcheck // the end itself is what is wrong
		t.Error("a process of another host was killed")
	case <-time.After(time.Minute):
		t.Error("the host's process lives")
	}
}

// Nothing on a host that is killed sees that something else there has ended.
func TestHost_KillUnseen(t *testing.T) {
	t.Parallel()
	n, dir := netns.New(t), t.TempDir()
	h := n.Host("a")
	start := func(script string) {
		cmd := exec.CommandContext(context.Background(), "sh", "-c", "cd "+dir+" && "+script)
		if err := h.Start(cmd); err != nil {
			t.Fatal(err)
		}
		go func() { _ = cmd.Wait() }() // killed: it ends with an error
		t.Cleanup(func() { _ = cmd.Process.Kill() })
	}
	const watchers = 50
	start("mkfifo pipe && exec sleep 60 >pipe")
	for i := range watchers {
		start(fmt.Sprintf("until [ -p pipe ]; do sleep 0.01; done; exec <pipe; : >ready-%d; read line; : >seen-%d", i, i))
	}
	count := func(pattern string) int {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for end := time.Now().Add(time.Minute); count("ready-*") < watchers; {
		<-time.After(10 * time.Millisecond)
		if time.Now().After(end) {
			t.Fatalf("%d of %d are ready", count("ready-*"), watchers)
		}
	}
	if _, err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	if seen := count("seen-*"); seen > 0 {
		t.Errorf("%d of %d have seen that another ended", seen, watchers)
	}
}
