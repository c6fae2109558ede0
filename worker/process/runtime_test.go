package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/logfile"
	"github.com/berthd/berth/worker/shim"
	"github.com/berthd/berth/worker/shim/shimtest"
)

// asAgent makes the test binary an agent.
const asAgent = "PROCESS_TEST_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		agent(os.Getenv(asAgent))
		return
	}
	os.Exit(shimtest.Main(m.Run))
}

// harness is a runtime that runs, in one mode.
type harness struct {
	*Runtime
	logs *worker.Logs
}

// eachMode runs a test with cgroups, where the machine lets us, and without.
func eachMode(t *testing.T, test func(t *testing.T, h harness)) {
	for _, bare := range []bool{false, true} {
		t.Run(fmt.Sprintf("cgroups=%v", !bare), func(t *testing.T) {
			h := newHarness(t, Options{NoCgroups: bare})
			if _, plain := h.groups.(*ungrouped); plain && !bare {
				t.Skipf("no cgroups on this machine: %s", h.groups.missing())
			}
			test(t, h)
		})
	}
}

func newHarness(t *testing.T, opts Options) harness {
	t.Helper()
	opts.StateDir, opts.Shim = t.TempDir(), shimtest.Path()
	logs, err := worker.NewLogs(filepath.Join(opts.StateDir, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Worker, opts.Logs = berth.WorkerID("test-"+strings.ToLower(filepath.Base(opts.StateDir))+strconv.Itoa(os.Getpid())), logs
	r, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		left, err := r.Leftovers(context.Background())
		if err != nil || len(left) > 0 {
			t.Errorf("left at the end: %v, %v", left, err)
		}
	})
	return harness{r, logs}
}

func (h harness) spec(id string, command ...string) worker.Spec {
	return worker.Spec{
		Request: berth.RequestID(id), Attempt: 1, Worker: h.opts.Worker, Epoch: 1, Command: command,
		StopTimeout: time.Second, Check: func() error { return nil },
	}
}

// marked are the processes of a runtime's containers.
func marked(mark string) []int {
	return shim.Processes(func(pid int) bool { return shim.Mark(pid, mark+".") != "" })
}

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

func (h harness) start(t *testing.T, spec worker.Spec) worker.Container {
	t.Helper()
	c, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("start %v: %v", spec.Command, err)
	}
	t.Cleanup(func() {
		c.Kill()
		<-c.Done()
	})
	return c
}

func wait(t *testing.T, c worker.Container) berth.Exit {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the container does not end")
	}
	exit, _ := c.Exit()
	return exit
}

func (h harness) output(t *testing.T, spec worker.Spec, stream string) string {
	t.Helper()
	r, err := h.logs.Open(spec.Request, spec.Attempt, stream, logfile.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for {
		chunk, err := r.Next(t.Context())
		out.Write(chunk.Data)
		if errors.Is(err, io.EOF) {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestStart_Exit(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		for name, c := range map[string]struct {
			script string
			want   berth.Exit
		}{
			"good":         {"exit 0", berth.Exit{Kind: berth.ExitExited}},
			"code":         {"exit 7", berth.Exit{Kind: berth.ExitExited, Code: 7}},
			"signal":       {"kill -KILL $$", berth.Exit{Kind: berth.ExitSignaled, Code: 137, Signal: "SIGKILL"}},
			"own children": {"sleep 1000 & exit 3", berth.Exit{Kind: berth.ExitExited, Code: 3}},
		} {
			t.Run(name, func(t *testing.T) {
				got := wait(t, h.start(t, h.spec(strings.ReplaceAll(name, " ", "-"), sh(c.script)...)))
				if got.At.IsZero() {
					t.Error("no time of the end")
				}
				if got.At = (time.Time{}); got != c.want {
					t.Errorf("%+v, want %+v", got, c.want)
				}
			})
		}
	})
}

func TestStart_Surroundings(t *testing.T) {
	t.Setenv("SECRET_OF_THE_AGENT", "x")
	h := newHarness(t, Options{})
	spec := h.spec("env", sh("env; pwd; echo wrong >&2; ps -o sid= -p $$ 2>/dev/null")...)
	spec.Env = map[string]string{"GREETING": "hello world", "PATH": "/usr/bin:/bin"}
	spec.Dir = "/tmp"
	if exit := wait(t, h.start(t, spec)); exit.Kind != berth.ExitExited {
		t.Fatalf("%+v", exit)
	}
	out := h.output(t, spec, worker.Stdout)
	for _, want := range []string{"GREETING=hello world\n", "PATH=/usr/bin:/bin\n", "HOME=", "\n/tmp\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "SECRET") {
		t.Errorf("the agent's environment leaks:\n%s", out)
	}
	if got := h.output(t, spec, worker.Stderr); got != "wrong\n" {
		t.Errorf("stderr: %q", got)
	}
}

func TestStart_User(t *testing.T) {
	h := newHarness(t, Options{})
	for _, user := range []string{"no-such-user", "root:no-such-group", "4294967295"} {
		spec := h.spec("user", "/bin/true")
		spec.User = user
		if _, err := h.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), user) {
			t.Errorf("user %s: %v, want an error that names it", user, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("running as another user needs root")
	}
	spec := h.spec("nobody", sh("id -u; id -g; id -G")...)
	spec.User = "12345:6789"
	wait(t, h.start(t, spec))
	if got := h.output(t, spec, worker.Stdout); got != "12345\n6789\n6789\n" {
		t.Errorf("ran as %q", got)
	}
}

// A container that detached processes from its session, twice, leaves nothing.
func TestStop_WholeTree(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		spec := h.spec("tree", sh("setsid sh -c 'trap \"\" TERM; setsid sleep 1001 & sleep 1002' & trap '' TERM; echo up; while :; do sleep 1; done")...)
		c := h.start(t, spec)
		eventually(t, func() bool { return h.output(t, spec, worker.Stdout) == "up\n" })
		begun := time.Now()
		c.Stop(300*time.Millisecond, "")
		exit := wait(t, c)
		if exit.Signal != "SIGKILL" || time.Since(begun) < 300*time.Millisecond {
			t.Errorf("%+v after %s; all ignore SIGTERM, so SIGKILL must end it after the grace", exit, time.Since(begun))
		}
		if left := marked(h.mark); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	})
}

func TestStop_Term(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		spec := h.spec("term", sh("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")...)
		c := h.start(t, spec)
		eventually(t, func() bool { return h.output(t, spec, worker.Stdout) == "up\n" })
		c.Stop(20*time.Second, "")
		if exit := wait(t, c); exit.Code != 5 || exit.Kind != berth.ExitExited {
			t.Errorf("%+v", exit)
		}
		if got := h.output(t, spec, worker.Stdout); got != "up\nbye\n" {
			t.Errorf("output %q", got)
		}
	})
}

func TestLimits(t *testing.T) {
	h := newHarness(t, Options{})
	if !slices.Contains(h.Enforces(), limitMemory) {
		t.Skipf("memory is not limited on this machine: %s", h.groups.missing())
	}
	spec := h.spec("oom", sh("head -c 200000000 /dev/zero | tail -c 199999999 | wc -c")...)
	spec.MemoryBytes = 32 << 20
	if exit := wait(t, h.start(t, spec)); !exit.OOM {
		t.Errorf("200 MB within 32 MiB: %+v", exit)
	}
	spec = h.spec("cpu", sh("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; cat /sys/fs/cgroup/cpu$(sed -n 's/.*:cpu://p' /proc/self/cgroup)/cpu.cfs_quota_us 2>/dev/null || true")...)
	spec.CPUMilli = 500
	wait(t, h.start(t, spec))
	if got := h.output(t, spec, worker.Stdout); got != "" && got != "50000\n" {
		t.Errorf("half a core is a quota of %s", got)
	}
}

// A limit of one byte must not harm the agent, whose thread enters the cgroup to
// fork (found by trying).
func TestLimits_Tiny(t *testing.T) {
	h := newHarness(t, Options{})
	for _, bytes := range []int64{1, 4096, 1 << 20} {
		spec := h.spec(fmt.Sprint("tiny-", bytes), "/bin/true")
		spec.MemoryBytes = bytes
		wait(t, h.start(t, spec))
	}
	if exit := wait(t, h.start(t, h.spec("after", "/bin/true"))); exit.Kind != berth.ExitExited || exit.Code != 0 {
		t.Errorf("a container after them: %+v", exit)
	}
}

// The groups of containers that are started side by side stand beside each other.
func TestStart_GroupsAreSiblings(t *testing.T) {
	h := newHarness(t, Options{})
	l, ok := h.groups.(*legacy)
	if !ok {
		t.Skip("needs cgroup v1")
	}
	want, err := l.path("")(cgroup1.Freezer)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			spec := h.spec(fmt.Sprint("sibling-", i), "/bin/cat", "/proc/self/cgroup")
			c, err := h.Start(t.Context(), spec)
			if err != nil {
				t.Error(err)
				return
			}
			<-c.Done()
			if out := h.output(t, spec, worker.Stdout); !strings.Contains(out, ":freezer:"+filepath.Join(want, fmt.Sprintf("%s.1", spec.Request))+"\n") {
				t.Errorf("%s runs in\n%s", spec.Request, out)
			}
		})
	}
	all.Wait()
}

// Two agents of one name, each with a state directory of its own, leave each
// other's containers alone.
func TestLeftovers_OfAnother(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		spec := h.spec("mine", "/bin/sleep", "1005")
		c := h.start(t, spec)
		_, bare := h.groups.(*ungrouped)
		other, err := New(Options{Worker: h.opts.Worker, StateDir: t.TempDir(), Logs: h.logs, NoCgroups: bare, Shim: shimtest.Path()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(other.groups.close)
		if killed, err := other.Leftovers(t.Context()); err != nil || len(killed) > 0 {
			t.Errorf("killed %v, %v", killed, err)
		}
		select {
		case <-c.Done():
			exit, _ := c.Exit()
			t.Errorf("it killed another's: %+v", exit)
		default:
		}
	})
}

// A container that froze a part of itself is killed all the same.
func TestKill_Frozen(t *testing.T) {
	h := newHarness(t, Options{})
	if _, ok := h.groups.(*legacy); !ok || os.Geteuid() != 0 {
		t.Skip("needs cgroup v1 and root")
	}
	spec := h.spec("ice", sh("c=/sys/fs/cgroup/freezer$(grep freezer /proc/self/cgroup | cut -d: -f3); mkdir $c/ice; sleep 1006 & echo $! >$c/ice/cgroup.procs; echo FROZEN >$c/ice/freezer.state; echo up; sleep 1007")...)
	c := h.start(t, spec)
	eventually(t, func() bool { return h.output(t, spec, worker.Stdout) == "up\n" })
	c.Kill()
	wait(t, c)
}

func TestOutput_Capped(t *testing.T) {
	h := newHarness(t, Options{LogFiles: logfile.Options{MaxBytes: 4 << 10, MaxFiles: 2}})
	spec := h.spec("loud", sh("seq 1 100000")...)
	wait(t, h.start(t, spec))
	got := h.output(t, spec, worker.Stdout)
	if len(got) > 8<<10 || !strings.HasSuffix(got, "\n100000\n") {
		t.Errorf("%d bytes kept, ending in %q", len(got), got[max(0, len(got)-20):])
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it did not happen in time")
		}
		<-time.After(5 * time.Millisecond)
	}
}
