package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Who watches on a terminal is told at once that it is checked, and elsewhere nothing but what is violated.
func TestFsck_WatchBegins(t *testing.T) {
	withLocal(t, func(s *shell) {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		far, near := openTerminal(t)
		cmd := exec.CommandContext(ctx, os.Args[0], "fsck", "--watch", "--etcd-endpoints", s.local.store)
		cmd.Env, cmd.Stderr = append(os.Environ(), asVerb+"=1", "TERM=xterm"), near
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = near.Close() // so that the read below ends when the process has
		line, err := bufio.NewReader(far).ReadString('\n')
		if !strings.HasPrefix(line, "berth: 0 violations in ") || !strings.Contains(line, "; what later ones violate is shown as it happens, until Ctrl-C") {
			t.Errorf("it said %q, %v", line, err)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after Ctrl-C: %v", err)
		}
	})
}

// openTerminal returns both ends of a new terminal: a person's, and a program's.
func openTerminal(t *testing.T) (far, near *os.File) {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	if err := unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	if near, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skip(err)
	}
	return far, near
}
