// Command container is what the chaos test runs as a container. It holds a lock
// of its request while it runs, so that a second one at the same instant is
// found at that instant, and appends its start and its end to a trace.
//
//	container TRACE LOCKS MILLISECONDS CODE MODE
//
// With the mode "first", only the first member of a group exits with the code.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The exit codes that no request asks for.
const (
	broken = 98
	twice  = 99
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "container:", err)
		os.Exit(broken)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	if len(args) != 5 {
		return 0, errors.New("usage: container TRACE LOCKS MILLISECONDS CODE MODE")
	}
	ms, err := strconv.Atoi(args[2])
	if err != nil {
		return 0, fmt.Errorf("milliseconds: %w", err)
	}
	code, err := strconv.Atoi(args[3])
	if err != nil {
		return 0, fmt.Errorf("code: %w", err)
	}
	if args[4] == "first" && !strings.HasSuffix(os.Getenv("BERTH_REQUEST_ID"), ".0") {
		code = 0
	}
	lock, err := os.OpenFile(filepath.Join(args[1], os.Getenv("BERTH_REQUEST_ID")), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return twice, errors.Join(trace(args[0], "twice"), lock.Close())
	}
	if err := trace(args[0], "start"); err != nil {
		return 0, err
	}
	if err := last(time.Duration(ms)*time.Millisecond, args[4], lock); err != nil {
		return 0, err
	}
	if err := trace(args[0], "end"); err != nil {
		return 0, err
	}
	return code, lock.Close()
}

// last takes so long: plainly, deaf to SIGTERM, or by a child that has left the
// session, keeps the lock, and must be killed with its parent all the same.
func last(d time.Duration, mode string, lock *os.File) error {
	switch mode {
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "child":
		cmd := exec.CommandContext(context.Background(), "sleep", fmt.Sprintf("%.3f", d.Seconds()))
		cmd.ExtraFiles = []*os.File{lock}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		err := cmd.Run()
		if state := cmd.ProcessState; state != nil && !state.Exited() {
			// The signal that ends all of the container has come to the child first.
			return errors.Join(err, unix.Kill(os.Getpid(), syscall.SIGKILL))
		}
		return err
	}
	time.Sleep(d)
	return nil
}

// trace appends one line in one write, which files opened so keep whole.
func trace(path, what string) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s %d %d %s %s %s\n", what, os.Getpid(), now.Nano(),
		os.Getenv("BERTH_REQUEST_ID"), os.Getenv("BERTH_ATTEMPT"), os.Getenv("BERTH_WORKER"))
	return errors.Join(err, file.Close())
}
