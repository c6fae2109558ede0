package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

// bomb forks for ever, in sessions of its own, and its processes empty their
// environments. A few hundred live at a time.
const bomb = "echo up; for i in 1 2 3 4 5; do (while :; do setsid env -i /bin/sh -c '/bin/sleep 0.2 & /bin/sleep 0.1' & sleep 0.005; done) & done; wait"

// Its shim ends it; or, where it keeps the machine so busy that this takes longer than busyAfter, the agent ends both.
func TestKill_ForkBomb(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		spec := h.spec("bomb", sh(bomb)...)
		now := boottime()
		spec.Deadline = worker.Deadline{Stop: now + 700*time.Millisecond, Kill: now + 800*time.Millisecond}
		c := h.start(t, spec)
		exit := wait(t, c)
		late := boottime() - spec.Deadline.Kill
		if byAgent := exit.Kind == berth.ExitMayHaveRun && late > busyAfter; exit.Kind != berth.ExitDeadline && !byAgent {
			t.Errorf("gone %s after its kill: %+v", late, exit)
		}
		if left := marked(h.mark); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	})
}

// Nothing that a container does to its sessions, parents and environment hides a
// process from its shim, with cgroups or without.
func TestEnd_Hidden(t *testing.T) {
	eachMode(t, func(t *testing.T, h harness) {
		file := filepath.Join(t.TempDir(), "pid")
		c := h.start(t, h.spec("hidden", sh("setsid env -i /bin/sh -c 'setsid /bin/sleep 1011 & echo $! >"+file+"; exit' ; while [ ! -s "+file+" ]; do :; done; exit 4")...))
		if exit := wait(t, c); exit.Code != 4 {
			t.Errorf("%+v", exit)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(text))); err == nil {
			t.Errorf("process %s lives on", text)
		}
	})
}

// tinyDisk is a state directory on a disk of a megabyte.
func tinyDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := stateDir(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("no tmpfs here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A container that fills the disk at once runs, and its end is known: what is
// written once it runs has its room from before. It once was killed at its start.
func TestStart_FillsDisk(t *testing.T) {
	dir := tinyDisk(t)
	h, _ := adopt(t, dir)
	for i := range 5 {
		spec := h.spec(fmt.Sprint("r-", i), sh("cat /dev/zero >"+dir+"/fill 2>/dev/null; exit 9")...)
		if exit := wait(t, h.start(t, spec)); exit.Code != 9 {
			t.Errorf("%+v", exit)
		}
		if err := os.Remove(filepath.Join(dir, "fill")); err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that the container has filled keeps neither its end from being recorded
// nor its code.
func TestExit_DiskFull(t *testing.T) {
	dir := tinyDisk(t)
	a := startAgent(t, dir)
	a.order(agentOrder{Start: "r", Script: "echo kept; until grep -q kept " + dir + "/logs/r/1/stdout.log; do :; done; cat /dev/zero >" + dir + "/fill 2>/dev/null; seq 1 10000; exit 9"})
	if got := a.line(); got != "r <nil>" {
		t.Fatal(got)
	}
	a.kill()
	h, found := adopt(t, dir)
	if exit := wait(t, found[0].Container); exit.Code != 9 || !strings.Contains(exit.Message, "bytes of its output could not be kept") {
		t.Errorf("%+v", exit)
	}
	if got := h.output2(worker.Spec{Request: "r"}); !strings.HasPrefix(got, "kept\n") {
		t.Errorf("output %q", got)
	}
	_, again := adopt(t, dir) // the record says the same
	if exit := wait(t, again[0].Container); exit.Code != 9 {
		t.Errorf("recorded %+v", exit)
	}
}

// The code for cgroups of version 2, without controllers: this is as much as a
// machine has that uses version 1.
func TestUnified(t *testing.T) {
	const mount = "/sys/fs/cgroup/unified"
	if _, err := os.Stat(filepath.Join(mount, "cgroup.procs")); err != nil || os.Geteuid() != 0 {
		t.Skip("needs a hybrid hierarchy and root")
	}
	h := newHarness(t, Options{NoCgroups: true})
	u, err := newUnifiedBelow(mount, fmt.Sprintf("/berth-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	h.groups = u
	spec := h.spec("two", sh("grep '^0:' /proc/self/cgroup; setsid env -i /bin/sh -c '/bin/sleep 1012 &'; sleep 1013")...)
	c := h.start(t, spec)
	eventually(t, func() bool { return strings.HasSuffix(h.output2(spec), "/two.1\n") })
	if groups, err := u.left(); err != nil || len(groups) != 1 {
		t.Errorf("%v, %v", groups, err)
	}
	killShim(t, h, spec, unix.SIGKILL) // then the cgroup alone holds the hidden one
	wait(t, c)
	if groups, err := u.left(); err != nil || len(groups) > 0 {
		t.Errorf("left: %v, %v", groups, err)
	}
}

func TestFindShim(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := FindShim(""); err == nil || !strings.Contains(err.Error(), "--shim") {
		t.Errorf("%v, want what to do", err)
	}
	if _, err := FindShim(filepath.Join(dir, "none")); err == nil {
		t.Error("a given one that is not there was taken")
	}
	path := filepath.Join(dir, shimName)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{"", path} {
		if got, err := FindShim(given); err != nil || got != path {
			t.Errorf("FindShim(%q): %s, %v", given, got, err)
		}
	}
}
