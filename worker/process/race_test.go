package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// Of many starts of one attempt one is done.
func TestStart_Once(t *testing.T) {
	h := newHarness(t, Options{})
	var group sync.WaitGroup
	var ran atomic.Int32
	for range 20 {
		group.Go(func() {
			c, err := h.Start(t.Context(), h.spec("once", sh("echo ran")...))
			switch {
			case err == nil:
				ran.Add(1)
				<-c.Done()
			case !errors.Is(err, worker.ErrStartedBefore):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := h.output(t, h.spec("once"), worker.Stdout); ran.Load() != 1 || got != "ran\n" {
		t.Errorf("%d starts, output %q", ran.Load(), got)
	}
}

// A start that is called off ends its container, though the shim has not said yet
// which process it is. It once waited for the container's own end instead.
func TestStart_CalledOff(t *testing.T) {
	h := newHarness(t, Options{})
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			// Begun or not, as the moment fell.
			if c, err := h.Start(ctx, h.spec(fmt.Sprint("off-", i), "/bin/sleep", "1006")); err == nil {
				c.Kill()
				<-c.Done()
			}
		}()
		<-ctx.Done()
		cancel()
		select {
		case <-answered:
		case <-time.After(20 * time.Second):
			t.Fatalf("start %d has no answer", i)
		}
	}
	if left := marked(h.mark); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

// A connection that is made while the runtime is closed is not kept: nobody would
// end it, and the agent would wait for the container's end.
func TestConnect_Closed(t *testing.T) {
	h := newHarness(t, Options{})
	c, ok := h.start(t, h.spec("r", "/bin/sleep", "1005")).(*container)
	if !ok {
		t.Fatal("no container")
	}
	conn, err := c.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	other := h.newContainer(c.name, 1, 0)
	other.r = &Runtime{closed: true}
	if other.connect(conn) {
		t.Error("connected, though the runtime is closed")
	}
}

// A shim answers while it ends its container: an agent that came then once took
// it for hung, and the exit code was lost.
func TestShim_AnswersWhileEnding(t *testing.T) {
	h := newHarness(t, Options{})
	spec := h.spec("slow", sh("while [ ! -e "+h.opts.StateDir+"/go ]; do sleep 0.01; done; exit 6")...)
	c, ok := h.start(t, spec).(*container)
	if !ok {
		t.Fatal("no container")
	}
	ran, err := shim.ReadRunning(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	// Somebody else holds its output: the shim reads on for a second.
	held, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", ran.PID), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if err := os.WriteFile(filepath.Join(h.opts.StateDir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { _, err := os.Stat(fmt.Sprintf("/proc/%d", ran.PID)); return err != nil })
	if said := ask(t, c); said.Phase == shim.PhaseEnded {
		t.Error("it says that it has ended before that is recorded")
	}
	if exit := wait(t, c); exit.Code != 6 {
		t.Errorf("%+v", exit)
	}
}

// ask connects to a shim, which says how far it is, at once.
func ask(t *testing.T, c *container) (s shim.State) {
	t.Helper()
	conn, err := c.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(conn).Decode(&s); err != nil {
		t.Errorf("no answer: %v", err)
	}
	return s
}

// Agents that begin in one directory at once, of which all but one go away again,
// agree on the mark.
func TestMarkOf_AtOnce(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		marks := make([]string, 8)
		var group sync.WaitGroup
		for i := range marks {
			group.Go(func() {
				var err error
				if marks[i], err = markOf(dir); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		kept, err := markOf(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range marks {
			if m != kept {
				t.Fatalf("mark %s, and %s is kept", m, kept)
			}
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("files left: %v, %v", files, err)
		}
	}
}

// A second agent of the directory, that goes away again since the first runs,
// does not take the first one's cgroups away.
func TestNew_SecondAgent(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		second, err := New(h.opts)
		if err != nil {
			t.Fatal(err)
		}
		second.close()
		spec := h.spec("after", "/bin/true")
		spec.MemoryBytes, spec.CPUMilli = 64<<20, 500
		if exit := wait(t, h.start(t, spec)); exit.Kind != berth.ExitExited || exit.Code != 0 {
			t.Errorf("%+v", exit)
		}
	})
}

// What a call found that failed is found again by the next one. It once was left
// out there, for one of this agent's own: its request would have run a second time.
func TestAdopt_Again(t *testing.T) {
	dir := stateDir(t)
	a := startAgent(t, dir)
	a.order(agentOrder{Start: "r", Script: "sleep 1003"})
	if got := a.line(); got != "r <nil>" {
		t.Fatal(got)
	}
	a.kill()
	r, _ := mustRuntime(dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = r.Adopt(ctx) // fails, but where the shim was faster
	found, err := r.Adopt(t.Context())
	if err != nil || len(found) != 1 || found[0].Request != "r" || found[0].Epoch != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	found[0].Container.Kill()
	wait(t, found[0].Container)
	r.close()
}
