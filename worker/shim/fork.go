package shim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// errLate means that the deadline is too near to start anything.
var errLate = errors.New("the lease is too near its end to start a container")

// fork starts the container's first process. It is called by the thread that is to
// be its parent.
func fork(c *Charge, files []uintptr) (pid int, err error) {
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
		return 0, errors.Join(errLate, leave(&c.Group))
	}
	if pid, err = syscall.ForkExec(c.Path, c.Args, attr); err != nil {
		return 0, errors.Join(&executeError{fmt.Errorf("execute %s: %w", c.Path, err)}, leave(&c.Group))
	}
	if err := leave(&c.Group); err != nil {
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

// leave goes back, out of the last entered first: in that one, a thread may wait for
// the CPU as its container does.
func leave(g *Group) error {
	home := slices.Clone(g.Home)
	slices.Reverse(home)
	return enter(home)
}

// enter moves this thread: 0 is the one that writes. By its number it would be moved
// under a lock for which the kernel waits until each CPU has come to rest.
func enter(dirs []string) error {
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "tasks"), []byte("0"), 0); err != nil {
			return err
		}
	}
	return nil
}
