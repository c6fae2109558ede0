package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// ready waits for all shims that are to be, and says which is taken next.
func ready(t *testing.T, h harness) *idleShim {
	t.Helper()
	for give := time.Now().Add(20 * time.Second); h.countIdle() < h.opts.IdleShims; <-time.After(time.Millisecond) {
		if time.Now().After(give) {
			t.Fatal("no shim is ready")
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.idle[len(h.idle)-1]
}

// A start takes a shim that is there, and another one is made.
func TestIdle_Taken(t *testing.T) {
	h := newHarness(t, Options{IdleShims: 1})
	first := ready(t, h)
	spec := h.spec("r", "/bin/sleep", "1000")
	h.start(t, spec)
	if pid := shimOf(t, h, spec); pid != first.cmd.Process.Pid {
		t.Errorf("process %d supervises it, not %d that was ready", pid, first.cmd.Process.Pid)
	}
	if next := ready(t, h); next == first || closed(next.ended) {
		t.Error("no other one is ready")
	}
}

// An idle shim ends with its agent's end of the socket, however that ends.
func TestIdle_EndsWithAgent(t *testing.T) {
	h := newHarness(t, Options{IdleShims: -1})
	s, err := h.forkShim()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.conn.Close(); err != nil {
		t.Fatal(err)
	}
	receive(t, s.ended)
}

// One that was killed is not taken for one that starts something.
func TestIdle_Killed(t *testing.T) {
	h := newHarness(t, Options{IdleShims: 1})
	s := ready(t, h)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	spec := h.spec("r", "/bin/sleep", "1000")
	h.start(t, spec)
	if pid := shimOf(t, h, spec); pid == s.cmd.Process.Pid {
		t.Error("a dead one")
	}
}

// One that was stopped, or starved, takes its charge and says nothing: the start that
// is called off ends it, for the agent knows which process it is.
func TestIdle_Stopped(t *testing.T) {
	h := newHarness(t, Options{IdleShims: 1})
	s := ready(t, h)
	if err := s.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.Start(ctx, h.spec("r", "/bin/sleep", "1000")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want that its time was over", err)
	}
	receive(t, s.ended)
}

// The same where nobody calls the start off: it may have run, and is said to. It hung for
// as long as the lease lived, and could not be cancelled.
func TestIdle_StoppedForGood(t *testing.T) {
	h := newHarness(t, Options{IdleShims: 1})
	h.startWithin = 100 * time.Millisecond
	s := ready(t, h)
	if err := s.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Start(t.Context(), h.spec("r", "/bin/sleep", "1000")); !errors.Is(err, worker.ErrStartedBefore) {
		t.Errorf("%v, want that it may have run", err)
	}
	receive(t, s.ended)
}

// A berth-shim of before idle shims takes the word for a question, answers and ends. It
// was taken for one that was killed while it ran something: every request was lost.
func TestIdle_OlderShim(t *testing.T) {
	h := newHarness(t, Options{IdleShims: -1})
	h.opts.Shim = "/bin/true"
	spec := h.spec("r", "/bin/sleep", "1000")
	_, err := h.Start(t.Context(), spec)
	if err == nil || errors.Is(err, worker.ErrStartedBefore) || !strings.Contains(err.Error(), "of this agent's build?") {
		t.Errorf("%v, want to be told of the build", err)
	}
	if _, err := os.Stat(h.path(attempt{spec.Request, 1})); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its directory is left: %v", err)
	}
}

// What is larger than a socket's buffer is charged whole.
func TestIdle_LargeCharge(t *testing.T) {
	h := newHarness(t, Options{})
	spec := h.spec("r", sh("echo ${#V0} ${#V31}")...)
	spec.Env = map[string]string{}
	for i := range 32 {
		spec.Env[fmt.Sprint("V", i)] = strings.Repeat("x", 16<<10)
	}
	wait(t, h.start(t, spec))
	if got := h.output(t, spec, worker.Stdout); got != "16384 16384\n" {
		t.Errorf("%q", got)
	}
}

// An agent of before idle shims forks the new binary while an upgrade is on its way:
// the shim finds itself in the container's directory, and the lock in its fourth file.
func TestShim_OfOlderAgent(t *testing.T) {
	h := newHarness(t, Options{IdleShims: -1})
	spec := h.spec("r", sh("echo ran")...)
	charge, err := h.command(spec)
	if err != nil {
		t.Fatal(err)
	}
	a := attempt{spec.Request, 1}
	if err := os.Mkdir(h.path(a), 0o700); err != nil {
		t.Fatal(err)
	}
	c := h.newContainer(a, 1, 0)
	lock, err := h.prepare(c, charge, spec)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "shim"), os.NewFile(uintptr(pair[1]), "agent")
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: h.opts.Shim, Args: []string{filepath.Base(h.opts.Shim)}, Dir: c.dir, Env: []string{"GOMAXPROCS=1"}, Stdin: theirs, ExtraFiles: []*os.File{lock}}
	if err := errors.Join(cmd.Start(), ours.Close(), theirs.Close(), lock.Close()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	h.mu.Lock()
	h.live[a] = c
	h.mu.Unlock()
	text, err := json.Marshal(charge)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.begin(t.Context(), conn, append(text, '\n'), spec); err != nil {
		t.Fatal(err)
	}
	if pid := cmd.Process.Pid; !closed(c.done) {
		if held, holder, err := shim.Held(c.dir); err == nil && held && holder != pid {
			t.Errorf("held by %d, not %d", holder, pid)
		}
	}
	wait(t, c)
	if got := h.output(t, spec, worker.Stdout); got != "ran\n" {
		t.Errorf("%q", got)
	}
}
