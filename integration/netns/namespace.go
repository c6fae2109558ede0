package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace that lives as long as its file is open, or a
// process in it.
type namespace struct{ file *os.File }

func newNamespace() (namespace, error) {
	var n namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		var err error
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return n, err
}

// onThread runs fn on a thread that ends with it: what fn changed of the
// thread, no other goroutine ever sees.
func onThread(fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- fn()
	}()
	return <-done
}

// in runs fn on a thread that is in the namespace.
func (n namespace) in(fn func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return fn()
	})
}

// path names the namespace to ip, which opens it while this process holds it.
func (n namespace) path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd())
}

// start starts a process in the namespace.
func (n namespace) start(cmd *exec.Cmd) error { return n.in(cmd.Start) }

// run runs a tool in the namespace.
func (n namespace) run(name string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), name, args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}

// ip runs lines of ip, all or up to the first that fails.
func (n namespace) ip(lines ...string) error {
	for _, line := range lines {
		if err := n.run("ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// dial connects from within the namespace. A socket stays where it was made.
func (n namespace) dial(ctx context.Context, address string) (conn net.Conn, err error) {
	err = n.in(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp4", address)
		return err
	})
	return conn, err
}
