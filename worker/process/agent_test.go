package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
	"github.com/berthd/berth/worker/shim/shimtest"
)

// An agent in a process of its own, that can be killed and stopped. It reads
// orders from its standard input, and answers each with a line.
type agentOrder struct {
	Start    string // the request
	Dismiss  string // why Start is stopped, within a minute; nothing is started then
	Script   string
	Deadline worker.Deadline
	Keep     time.Duration
}

// agent is the main of that process.
func agent(dir string) {
	r, _ := mustRuntime(dir)
	go func() { _ = r.Run(context.Background()) }()
	if _, err := r.Adopt(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	in := json.NewDecoder(os.Stdin)
	var running sync.Map // containers, by their request
	for {
		var o agentOrder
		if err := in.Decode(&o); err != nil {
			return
		}
		if o.Dismiss != "" {
			v, _ := running.Load(o.Start)
			if c, ok := v.(worker.Container); ok {
				c.Stop(time.Minute, o.Dismiss)
			}
			fmt.Println("dismissed")
			continue
		}
		go func() {
			c, err := r.Start(context.Background(), worker.Spec{
				Request: berth.RequestID(o.Start), Attempt: 1, Worker: r.opts.Worker, Epoch: 1, Command: sh(o.Script),
				Deadline: o.Deadline, Keep: o.Keep, Check: func() error { return nil },
			})
			running.Store(o.Start, c)
			fmt.Println(o.Start, err)
		}()
	}
}

func mustRuntime(dir string) (*Runtime, *worker.Logs) {
	logs, err := worker.NewLogs(filepath.Join(dir, "logs"))
	if err != nil {
		panic(err)
	}
	r, err := New(Options{
		Worker: berth.WorkerID(strings.ToLower(filepath.Base(dir))), StateDir: dir, Logs: logs, NoCgroups: os.Getenv("BARE") != "", Shim: shimtest.Path(),
	})
	if err != nil {
		panic(err)
	}
	return r, logs
}

// agentProcess is such a process, as its test sees it.
type agentProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	to  io.WriteCloser
	out *bufio.Scanner
}

func startAgent(t *testing.T, dir string) *agentProcess {
	t.Helper()
	a := &agentProcess{t: t, cmd: exec.Command("/proc/self/exe")}
	a.cmd.Env = append(os.Environ(), asAgent+"="+dir)
	a.cmd.Stderr = os.Stderr
	var err error
	if a.to, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.out = bufio.NewScanner(out)
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if got := a.line(); got != "ready" {
		t.Fatalf("the agent says %q", got)
	}
	return a
}

func (a *agentProcess) line() string {
	a.out.Scan()
	return a.out.Text()
}

func (a *agentProcess) order(o agentOrder) {
	a.t.Helper()
	if err := json.NewEncoder(a.to).Encode(o); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agentProcess) kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// stateDir is one that a worker is named after.
func stateDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), fmt.Sprintf("agent-%d-%x", os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r, _ := mustRuntime(dir)
		if _, err := r.Leftovers(context.Background()); err != nil {
			t.Error(err)
		}
		r.groups.close()
	})
	return dir
}

func adopt(t *testing.T, dir string) (harness, []worker.Adopted) {
	t.Helper()
	r, logs := mustRuntime(dir)
	found, err := r.Adopt(t.Context())
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
	})
	return harness{r, logs}, found
}

// An agent that is killed fifty times, at any instant of its starts, loses no
// output and no exit code of what it has started, and starts nothing twice.
func TestAgent_KilledFiftyTimes(t *testing.T) {
	dir := stateDir(t)
	const rounds, each = 50, 4
	script := func(n int) string {
		return fmt.Sprintf("echo begin; mkdir %s/once-%d || exit 99; for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.05; done; echo end; exit %d", dir, n, n%90)
	}
	for round := range rounds {
		a := startAgent(t, dir)
		for i := range each {
			n := round*each + i
			a.order(agentOrder{Start: fmt.Sprintf("r-%d", n), Script: script(n)})
		}
		// Kill it after 0 to 4 of its starts were answered, and while others are at it.
		for range round % (each + 1) {
			a.line()
		}
		a.kill()
	}
	h, found := adopt(t, dir)
	whole, mayHave := 0, 0
	for _, f := range found {
		var n int
		if _, err := fmt.Sscanf(string(f.Request), "r-%d", &n); err != nil {
			t.Fatal(err)
		}
		exit := wait(t, f.Container)
		if exit.Kind == berth.ExitMayHaveRun { // killed between the record and the charge
			mayHave++
			if _, err := os.Stat(fmt.Sprintf("%s/once-%d", dir, n)); err == nil {
				t.Errorf("%s: it ran, and its exit is lost: %+v", f.Request, exit)
			}
			continue
		}
		whole++
		if exit.Kind != berth.ExitExited || exit.Code != int64(n%90) {
			t.Errorf("%s: %+v, want code %d", f.Request, exit, n%90)
		}
		want := "begin\nline 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\nend\n"
		if got := h.output(t, worker.Spec{Request: f.Request, Attempt: 1}, worker.Stdout); got != want {
			t.Errorf("%s: output %q", f.Request, got)
		}
	}
	t.Logf("%d rounds: %d containers whole, %d may have run", rounds, whole, mayHave)
	if whole < rounds {
		t.Errorf("only %d containers ran", whole)
	}
	if _, err := h.Start(t.Context(), h.spec(string(found[0].Request), "/bin/true")); !errors.Is(err, worker.ErrStartedBefore) {
		t.Errorf("a second start: %v", err)
	}
	h.Forget(found[0].Request, 1)
	if _, err := os.Stat(h.path(attempt{found[0].Request, 1})); !os.IsNotExist(err) {
		t.Errorf("a forgotten attempt is kept: %v", err)
	}
}

// tracer appends the CLOCK_BOOTTIME of each of its moments to a file, from a process
// that has left its session and its parent.
func tracer(file string) string {
	return fmt.Sprintf("trap '' TERM; (trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do cut -d\" \" -f1 /proc/uptime >>%s; sleep 0.01; done' &) ; sleep 1000", file)
}

func lastTrace(t *testing.T, file string) time.Duration {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b))
	d, err := time.ParseDuration(fields[len(fields)-1] + "s")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// killBound is how long after its Kill a tree of this test may still be seen: the
// measured bound is in docs/robustness.md, this one is for a loaded machine.
const killBound = 2 * time.Second

func TestDeadline_AgentGone(t *testing.T) {
	for name, away := range map[string]func(a *agentProcess){
		"killed": func(a *agentProcess) { a.kill() },
		"stopped": func(a *agentProcess) {
			_ = a.cmd.Process.Signal(unix.SIGSTOP)
			t.Cleanup(a.kill)
		},
	} {
		for _, keep := range []time.Duration{0, 400 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s/keep=%s", name, keep), func(t *testing.T) {
				dir := stateDir(t)
				a := startAgent(t, dir)
				now := boottime()
				d := worker.Deadline{Stop: now + time.Second, Kill: now + 1500*time.Millisecond}
				trace := filepath.Join(dir, "trace")
				a.order(agentOrder{Start: "r", Script: tracer(trace), Deadline: d, Keep: keep})
				if got := a.line(); got != "r <nil>" {
					t.Fatal(got)
				}
				eventually(t, func() bool { at, err := os.Stat(trace); return err == nil && at.Size() > 0 })
				away(a)
				mark, err := markOf(dir)
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, func() bool { return len(marked(mark)) == 0 })
				gone := boottime()
				last := lastTrace(t, trace)
				t.Logf("last seen %s, gone %s after its kill", last-d.Kill-keep, gone-d.Kill-keep)
				if late := last - d.Kill - keep; late > killBound {
					t.Errorf("seen %s after its kill", late)
				} else if -late > (d.Kill-d.Stop)*4/5 {
					t.Errorf("last seen %s before its kill, at which it is to end", -late)
				}
				if name == "killed" {
					_, found := adopt(t, dir)
					if exit := wait(t, found[0].Container); exit.Kind != berth.ExitDeadline {
						t.Errorf("%+v, want %s", exit, berth.ExitDeadline)
					}
				}
			})
		}
	}
}

// Renewals keep a container alive past its first deadline; the last one ends it.
// No wall clock is asked, so it may be set as anybody likes.
func TestDeadline_Renewed(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		spec := h.spec("renewed", "/bin/sleep", "1000")
		begun := boottime()
		at := func(d time.Duration) worker.Deadline {
			return worker.Deadline{Stop: begun + d - 200*time.Millisecond, Kill: begun + d}
		}
		spec.Deadline = at(time.Second)
		c := h.start(t, spec)
		for d := time.Second; d <= 2*time.Second; d += 100 * time.Millisecond {
			h.Renew(1, at(d))
			h.Renew(1, at(d/2)) // never back
			h.Renew(2, at(time.Hour))
			eventually(t, func() bool { return boottime() > begun+d-700*time.Millisecond })
		}
		exit := wait(t, c)
		if ended := boottime() - begun; exit.Kind != berth.ExitDeadline || ended < 1700*time.Millisecond {
			t.Errorf("%+v after %s; want the last deadline's SIGTERM, at 1.8 s", exit, ended)
		}
	})
}

func TestDeadline_TooLate(t *testing.T) {
	h := newHarness(t, Options{})
	spec := h.spec("late", sh("echo ran")...)
	spec.Deadline = worker.Deadline{Stop: boottime() - 1, Kill: boottime() + time.Hour}
	if _, err := h.Start(t.Context(), spec); !errors.Is(err, worker.ErrDeadline) {
		t.Errorf("%v, want %v", err, worker.ErrDeadline)
	}
	if got := h.output(t, spec, worker.Stdout); got != "" {
		t.Errorf("it ran: %q", got)
	}
}

// A shim that is killed takes its container's first process along, by the kernel;
// the agent ends the rest.
func TestShim_Killed(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		spec := h.spec("orphan", sh("(setsid sleep 1003 &); echo up; sleep 1004")...)
		c := h.start(t, spec)
		eventually(t, func() bool { return h.output(t, spec, worker.Stdout) == "up\n" })
		killShim(t, h, spec, unix.SIGKILL)
		if exit := wait(t, c); exit.Kind != berth.ExitMayHaveRun {
			t.Errorf("%+v", exit)
		}
		if left := marked(h.mark); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	})
}

// A shim holds its lock however often it collects its garbage. It once did not: the
// agent then took it for dead, and the attempt for one that may have run.
func TestShim_HoldsItsLock(t *testing.T) {
	h := newHarness(t, Options{})
	spec := h.spec("holder", "/bin/sleep", "1000")
	c, ok := h.start(t, spec).(*container)
	if !ok {
		t.Fatal("no container of this runtime")
	}
	far := boottime() + time.Hour
	for i := range time.Duration(20_000) { // each is some garbage
		h.Renew(1, worker.Deadline{Stop: far, Kill: far + i})
		if i%100 == 0 {
			<-time.After(time.Millisecond) // so that none is left out
		}
	}
	eventually(t, func() bool {
		conn, err := c.dial()
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }() // it has answered
		return json.NewDecoder(conn).Decode(&shim.State{}) == nil
	})
	shimOf(t, h, spec)
	c.Stop(0, "")
	if exit := wait(t, c); exit.Signal == "" {
		t.Errorf("%+v", exit)
	}
}

// A shim that is stopped cannot keep the deadline. The agent does it then.
func TestShim_Stopped(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		spec := h.spec("frozen", sh("(setsid sleep 1003 &); echo up; sleep 1004")...)
		now := boottime()
		spec.Deadline = worker.Deadline{Stop: now + 500*time.Millisecond, Kill: now + 600*time.Millisecond}
		c := h.start(t, spec)
		eventually(t, func() bool { return h.output(t, spec, worker.Stdout) == "up\n" })
		killShim(t, h, spec, unix.SIGSTOP)
		exit := wait(t, c)
		t.Logf("ended %s after its kill", boottime()-spec.Deadline.Kill)
		if exit.Kind != berth.ExitMayHaveRun || len(marked(h.mark)) > 0 {
			t.Errorf("%+v, and %v left", exit, marked(h.mark))
		}
	})
}

func killShim(t *testing.T, h harness, spec worker.Spec, s unix.Signal) {
	t.Helper()
	pid := shimOf(t, h, spec)
	if err := unix.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// An agent of after the shim's death: what it left is killed, and may have run.
func TestAdopt_ShimKilled(t *testing.T) {
	dir := stateDir(t)
	a := startAgent(t, dir)
	a.order(agentOrder{Start: "r", Script: "(setsid sleep 1003 &); sleep 1004"})
	if got := a.line(); got != "r <nil>" {
		t.Fatal(got)
	}
	a.kill()
	r, logs := mustRuntime(dir)
	eventually(t, func() bool { return len(marked(r.mark)) >= 2 })
	killShim(t, harness{r, logs}, worker.Spec{Request: "r", Attempt: 1}, unix.SIGKILL)
	_, found := adopt(t, dir)
	if len(found) != 1 || found[0].Epoch != 1 {
		t.Fatalf("%+v", found)
	}
	if exit := wait(t, found[0].Container); exit.Kind != berth.ExitMayHaveRun {
		t.Errorf("%+v", exit)
	}
	if left := marked(r.mark); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

// A record of a start that was spoiled while its container runs: whoever comes
// next ends all of it before its directory goes. It once was taken for nothing, and
// its request was told to have ended while it ran.
func TestStartRecord_Spoiled(t *testing.T) {
	spoil := map[string]func(string) error{
		"truncated": func(p string) error { return os.Truncate(p, 0) },
		"gone":      os.Remove,
	}
	look := map[string]func(*testing.T, *Runtime){
		"adopted": func(t *testing.T, r *Runtime) {
			if found, err := r.Adopt(t.Context()); err != nil || len(found) > 0 {
				t.Errorf("found %+v, %v", found, err)
			}
		},
		"left over": func(t *testing.T, r *Runtime) {
			if names, err := r.Leftovers(t.Context()); err != nil || len(names) != 1 || names[0] != "r.1" {
				t.Errorf("leftovers %v, %v", names, err)
			}
		},
	}
	for how, spoil := range spoil {
		for next, look := range look {
			for _, bare := range []string{"", "1"} {
				t.Run(fmt.Sprintf("%s, %s, bare=%s", how, next, bare), func(t *testing.T) {
					t.Setenv("BARE", bare)
					dir := stateDir(t)
					a := startAgent(t, dir)
					a.order(agentOrder{Start: "r", Script: "(setsid sleep 1003 &); sleep 1004"})
					if got := a.line(); got != "r <nil>" {
						t.Fatal(got)
					}
					r, _ := mustRuntime(dir)
					eventually(t, func() bool { return len(marked(r.mark)) >= 2 })
					a.kill()
					if err := spoil(filepath.Join(r.path(attempt{"r", 1}), "start.json")); err != nil {
						t.Fatal(err)
					}
					look(t, r)
					if left := marked(r.mark); len(left) > 0 {
						t.Errorf("processes left: %v", left)
					}
					if all, err := r.recorded(); err != nil || len(all) > 0 {
						t.Errorf("records left: %v, %v", all, err)
					}
				})
			}
		}
	}
}

// What an agent left is stopped by the next one as if it were its own.
func TestAdopt_Stop(t *testing.T) {
	for _, bare := range []string{"", "1"} {
		t.Run("bare="+bare, func(t *testing.T) {
			t.Setenv("BARE", bare)
			dir := stateDir(t)
			a := startAgent(t, dir)
			a.order(agentOrder{Start: "r", Script: "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"})
			if got := a.line(); got != "r <nil>" {
				t.Fatal(got)
			}
			a.kill()
			h, found := adopt(t, dir)
			spec := worker.Spec{Request: "r", Attempt: 1}
			eventually(t, func() bool { return h.output2(spec) == "up\n" })
			found[0].Container.Stop(20*time.Second, "")
			if exit := wait(t, found[0].Container); exit.Code != 5 || exit.Kind != berth.ExitExited {
				t.Errorf("%+v", exit)
			}
			if got := h.output(t, spec, worker.Stdout); got != "up\nbye\n" {
				t.Errorf("output %q", got)
			}
		})
	}
}

// What an agent has dismissed is known as that by the next one, which finds it
// running or ended: its end is no failure of its own.
func TestAdopt_Dismissed(t *testing.T) {
	for name, last := range map[string]bool{"ends before": true, "ends after": false} {
		t.Run(name, func(t *testing.T) {
			dir := stateDir(t)
			a := startAgent(t, dir)
			gone := filepath.Join(dir, "go")
			a.order(agentOrder{Start: "r", Script: "trap 'while [ ! -e " + gone + " ]; do sleep 0.02; done; exit 9' TERM; echo up; while :; do sleep 0.02; done"})
			if got := a.line(); got != "r <nil>" {
				t.Fatal(got)
			}
			r, logs := mustRuntime(dir)
			eventually(t, func() bool { return harness{r, logs}.output2(worker.Spec{Request: "r", Attempt: 1}) == "up\n" })
			a.order(agentOrder{Start: "r", Dismiss: "the agent ends"})
			if got := a.line(); got != "dismissed" {
				t.Fatal(got)
			}
			letGo := func() {
				if err := os.WriteFile(gone, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a.kill()
			if last {
				letGo()
				eventually(t, func() bool { _, err := shim.ReadExit(r.path(attempt{"r", 1})); return err == nil })
			}
			_, found := adopt(t, dir)
			if len(found) != 1 {
				t.Fatalf("found %+v", found)
			}
			if !last {
				letGo()
			}
			wait(t, found[0].Container)
			if exit, why := found[0].Container.Exit(); exit.Code != 9 || why != "the agent ends" {
				t.Errorf("%+v, dismissed since %q", exit, why)
			}
		})
	}
}

// output2 is what has been written by now, by one that still runs.
func (h harness) output2(spec worker.Spec) string {
	b, err := os.ReadFile(filepath.Join(h.opts.StateDir, "logs", string(spec.Request), "1", "stdout.log"))
	if err != nil {
		return ""
	}
	return string(b)
}

func TestLeftovers_AfterCrash(t *testing.T) {
	for _, bare := range []string{"", "1"} {
		t.Run("bare="+bare, func(t *testing.T) {
			t.Setenv("BARE", bare)
			dir := stateDir(t)
			a := startAgent(t, dir)
			a.order(agentOrder{Start: "left", Script: "setsid sleep 1003 & sleep 1004"})
			if got := a.line(); got != "left <nil>" {
				t.Fatal(got)
			}
			a.kill()
			r, _ := mustRuntime(dir)
			names, err := r.Leftovers(t.Context())
			if err != nil || len(names) != 1 || names[0] != "left.1" {
				t.Errorf("leftovers %v, %v", names, err)
			}
			if left := marked(r.mark); len(left) > 0 {
				t.Errorf("processes left: %v", left)
			}
			if all, err := r.recorded(); err != nil || len(all) > 0 {
				t.Errorf("records left: %v, %v", all, err)
			}
		})
	}
}
