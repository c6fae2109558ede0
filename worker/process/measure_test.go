package process

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
	"github.com/berthd/berth/worker/shim/shimtest"
)

func boottime() time.Duration { return shim.Boottime() }

// shimOf is the process of a container's shim.
func shimOf(t *testing.T, h harness, spec worker.Spec) int {
	t.Helper()
	held, pid, err := shim.Held(h.path(attempt{spec.Request, spec.Attempt}))
	if err != nil || !held || pid == 0 {
		t.Fatalf("no shim of %s: %v %d %v", spec.Request, held, pid, err)
	}
	return pid
}

var measures = flag.Bool("measure", false, "measure shims for docs/robustness.md, as `make shim-bench` does; else only try the measuring")

// The figures of docs/robustness.md, for a person to read: -v shows them.
func TestShim_Measures(t *testing.T) { eachMode(t, measure) }

func measure(t *testing.T, h harness) {
	if info, err := os.Stat(shimtest.Path()); err != nil {
		t.Error(err)
	} else {
		t.Logf("binary: %.1f MB", float64(info.Size())/1e6)
	}
	n, many := 3, 3
	if *measures {
		n, many = 100, 50
	}
	measureStarts(t, h, "idle ones ready", n)
	measureStarts(t, newHarness(t, Options{NoCgroups: h.opts.NoCgroups, IdleShims: -1}), "none ready", n)
	measureMemory(t, h, many)
}

// measureStarts times starts, one after the other.
func measureStarts(t *testing.T, h harness, what string, n int) {
	t.Helper()
	var whole, exec, prepared []time.Duration
	for i := range n {
		spec := h.spec(fmt.Sprint("quick-", i), "/bin/true")
		if h.opts.IdleShims > 0 { // as it is when starts are rare
			ready(t, h)
		}
		begun := shim.Boottime()
		c, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, shim.Boottime()-begun)
		one, ok := c.(*container)
		if !ok {
			t.Fatalf("a %T", c)
		}
		prepared = append(prepared, one.steps.Recorded-begun)
		exec = append(exec, one.steps.Executed-one.steps.Recorded)
		wait(t, c)
	}
	for _, all := range [][]time.Duration{whole, exec, prepared} {
		slices.Sort(all)
	}
	t.Logf("start, %s: until its record stands %s, from there to its exec %s (median of %d, least %s), whole Start %s (least %s, p90 %s)",
		what, prepared[n/2], exec[n/2], n, exec[0], whole[n/2], whole[0], whole[n*9/10])
}

// measureMemory looks at shims of containers that run for long, and at idle ones.
func measureMemory(t *testing.T, h harness, many int) {
	t.Helper()
	far := worker.Deadline{Stop: boottime() + time.Hour, Kill: boottime() + 2*time.Hour}
	pids := make([]int, 0, many)
	for i := range many {
		spec := h.spec(fmt.Sprint("still-", i), "/bin/sleep", "1000")
		spec.Deadline = far
		h.start(t, spec)
		pids = append(pids, shimOf(t, h, spec))
	}
	for i := range time.Duration(100) { // as many as five minutes bring
		h.Renew(1, worker.Deadline{Stop: far.Stop + i, Kill: far.Kill + i})
		<-time.After(time.Millisecond)
	}
	idle := ready(t, h).cmd.Process.Pid
	for _, field := range []string{"Rss", "Pss", "Private_Dirty"} {
		t.Logf("%s: %d kB (an idle shim)", field, rollup(t, idle, field))
		var all []int
		for _, pid := range pids {
			all = append(all, rollup(t, pid, field))
		}
		slices.Sort(all)
		t.Logf("%s: %d kB (median of %d shims)", field, all[many/2], many)
	}
}

// rollup is one field of a process's memory, in kB.
func rollup(t *testing.T, pid int, field string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kb int
		if _, err := fmt.Sscanf(line, field+": %d kB", &kb); err == nil {
			return kb
		}
	}
	t.Fatalf("no %s in %s", field, text)
	return 0
}
