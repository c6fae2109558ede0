package worker

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// awaySite has a store in a process of its own, which can be killed and started
// again: a server that ends in order still ends leases meanwhile.
func awaySite(t *testing.T) (s *site, away, back func()) {
	t.Helper()
	dir, listen := t.TempDir(), "127.0.0.1:0"
	var server *exec.Cmd
	back = func() {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		server = exec.Command(self)
		server.Env = append(os.Environ(), storeVariable+"="+dir+","+listen)
		server.Stderr = os.Stderr
		out, err := server.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		if listen, err = bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatalf("the store does not start: %v", err)
		}
		listen = strings.TrimSpace(listen)
	}
	away = func() {
		_ = server.Process.Kill() // it may have ended
		_ = server.Wait()
	}
	back()
	t.Cleanup(func() { away() })
	client, err := etcdstore.Dial(etcdstore.DialOptions{Endpoints: []string{"http://" + listen}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	s = &site{t: t}
	if s.store, err = etcdstore.New(client, etcdstore.Options{Log: s.log(), TxnTimeout: time.Second, MaxTxnOps: 1000}); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, away, back
}

// The store is away for longer than the lease: what may be kept runs on and
// reports to the same epoch, for no lease ends while etcd is away; the rest is
// stopped before the deadline, to run elsewhere.
func TestRun_KeepsThroughAnAbsence(t *testing.T) {
	s, away, back := awaySite(t)
	opts := s.testOptions("w1")
	a := s.run(opts)
	epoch := a.epoch()
	s.open("w1", epoch)
	s.place("w1", epoch, ids("kept", "stopped"), func(r *berth.Request, al *berth.Allocation) {
		if r.ID == "kept" {
			r.KeepMS, al.KeepMS = time.Hour.Milliseconds(), time.Hour.Milliseconds()
		}
	})
	byID := map[berth.RequestID]*fakeContainer{}
	for range 2 {
		c := a.runtime.next(t)
		byID[c.spec.Request] = c
	}
	s.await("w1", "kept", berth.StateRunning)
	s.await("w1", "stopped", berth.StateRunning)
	away()
	latest := bootClock{}.Now() + opts.TTL
	receive(t, byID["stopped"].stops, "SIGTERM")
	if killed := receive(t, byID["stopped"].kills, "SIGKILL"); killed >= latest {
		t.Errorf("killed %v after the deadline", killed-latest)
	}
	if len(byID["kept"].stops)+len(byID["kept"].kills) > 0 {
		t.Error("what may be kept was touched")
	}
	back()
	got := s.await("w1", "stopped", berth.StateExited)
	if got.Stop == nil || got.Stop.Reason != berth.StopDrain {
		t.Errorf("stopped: %+v", got)
	}
	byID["kept"].end(berth.Exit{Kind: berth.ExitExited, Code: 4})
	if got := s.await("w1", "kept", berth.StateExited); got.Exit.Code != 4 || got.Epoch != epoch {
		t.Errorf("kept: %+v in epoch %d, want %d", got.Exit, got.Epoch, epoch)
	}
}

// What is kept ends at its own bound when the store stays away.
func TestRun_KeepEnds(t *testing.T) {
	s, cut := newCutSite(t)
	opts := s.testOptions("w1")
	a := s.run(opts)
	epoch := a.epoch()
	s.open("w1", epoch)
	const keep = 1500 * time.Millisecond
	s.place("w1", epoch, ids("kept"), func(r *berth.Request, al *berth.Allocation) {
		r.KeepMS, al.KeepMS = keep.Milliseconds(), keep.Milliseconds()
	})
	c := a.runtime.next(t)
	s.await("w1", "kept", berth.StateRunning)
	cut()
	latest := bootClock{}.Now() + opts.TTL + keep
	receive(t, c.stops, "SIGTERM")
	killed := receive(t, c.kills, "SIGKILL")
	if killed >= latest || killed < latest-opts.TTL {
		t.Errorf("killed %v before the bound", latest-killed)
	}
}
