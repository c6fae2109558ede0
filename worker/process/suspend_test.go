package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

// What remains of a second run beside the first: a shim that does not run when its
// timer is due, with no agent beside it. Container and shim are stopped, as on a
// machine that is suspended, until the deadline is over; then they go on. How long
// the container runs until its shim, awake again, has killed it is in
// docs/robustness.md.
func TestDeadline_Suspended(t *testing.T) {
	dir := stateDir(t)
	a := startAgent(t, dir)
	d := worker.Deadline{Stop: boottime() + time.Second, Kill: boottime() + 1200*time.Millisecond}
	trace := filepath.Join(dir, "trace")
	a.order(agentOrder{Start: "r", Script: tracer(trace), Deadline: d})
	if got := a.line(); got != "r <nil>" {
		t.Fatal(got)
	}
	eventually(t, func() bool { at, err := os.Stat(trace); return err == nil && at.Size() > 0 })
	a.kill()
	r, logs := mustRuntime(dir)
	killShim(t, harness{r, logs}, worker.Spec{Request: "r", Attempt: 1}, unix.SIGSTOP)
	all := marked(r.mark)
	send := func(s unix.Signal) {
		for _, pid := range all {
			_ = unix.Kill(pid, s) // one that cut ran in may have ended
		}
	}
	send(unix.SIGSTOP)
	eventually(t, func() bool { return boottime() > d.Kill+300*time.Millisecond })
	if last := lastTrace(t, trace); last > d.Kill {
		t.Fatalf("the trace goes on to %s after the kill, though all is stopped", last-d.Kill)
	}
	woken := boottime()
	send(unix.SIGCONT)
	killShim(t, harness{r, logs}, worker.Spec{Request: "r", Attempt: 1}, unix.SIGCONT)
	eventually(t, func() bool { return len(marked(r.mark)) == 0 })
	last := lastTrace(t, trace)
	t.Logf("it ran for %s after waking; gone after %s", max(last-woken, 0), boottime()-woken)
	if last-woken > killBound {
		t.Errorf("it ran for %s after waking", last-woken)
	}
	_, found := adopt(t, dir)
	if exit := wait(t, found[0].Container); exit.Kind != berth.ExitDeadline {
		t.Errorf("%+v, want %s", exit, berth.ExitDeadline)
	}
}
