package shim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// errLate means that the deadline is too near to start anything.
var errLate = errors.New("the lease is too near its end to start a container")

// fork starts the container's first process from a thread that lives as long as
// the shim: the kernel kills that process with the thread that forked it, so a
// shim that is killed takes it along.
func fork(c *Charge, files []uintptr) (int, error) {
	type forked struct {
		pid int
		err error
	}
	done := make(chan forked)
	go func() {
		// The main goroutine holds the first thread, which stands for the whole
		// process in its cgroups; this is another.
		runtime.LockOSThread()
		pid, err := forkInside(c, files)
		done <- forked{pid, err}
		if err == nil {
			select {} // else the thread ends here, wherever it stands
		}
	}()
	f := <-done
	return f.pid, f.err
}

func forkInside(c *Charge, files []uintptr) (pid int, err error) {
	attr := &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	if a := c.Account; a != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: a.Groups}
	}
	if c.Group.Unified != "" { // the kernel puts the child there as it is made
		dir, err := os.Open(c.Group.Unified)
		if err != nil {
			return 0, fmt.Errorf("open the cgroup: %w", err)
		}
		defer func() { _ = dir.Close() }() // read only
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(dir.Fd())
	}
	// The thread enters the cgroups, forks, and goes back: so the child is inside
	// from its first instant, and can leave nothing outside.
	if err := enter(c.Group.Dirs); err != nil {
		return 0, fmt.Errorf("enter the cgroup: %w", err)
	}
	if Late(c.Deadline) {
		return 0, errors.Join(errLate, enter(c.Group.Home))
	}
	if pid, err = syscall.ForkExec(c.Path, c.Args, attr); err != nil {
		return 0, errors.Join(fmt.Errorf("execute %s: %w", c.Path, err), enter(c.Group.Home))
	}
	if err := enter(c.Group.Home); err != nil {
		// The thread would be taken for a part of the container, and be frozen
		// with it. It ends, and the child with it.
		return 0, errors.Join(fmt.Errorf("leave the cgroup: %w", err), unix.Kill(pid, unix.SIGKILL), reap(pid))
	}
	return pid, nil
}

func reap(pid int) error {
	for {
		_, err := unix.Wait4(pid, nil, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Late says whether nothing may be started any more under a deadline.
func Late(d Deadline) bool { return d.Stop > 0 && Boottime() >= d.Stop }

// enter moves this thread.
func enter(dirs []string) error {
	tid := []byte(strconv.Itoa(unix.Gettid()))
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "tasks"), tid, 0); err != nil {
			return err
		}
	}
	return nil
}
