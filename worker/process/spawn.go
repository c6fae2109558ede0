package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/logfile"
)

var errNotRunning = errors.New("the process runtime does not run")

// spawn is one fork, done by Run's thread.
type spawn struct {
	do   func() error
	done chan error // buffered by one: the thread never waits for the asker
}

// forkUntil forks on one thread until ctx ends. The kernel kills a container's
// first process when the thread that forked it ends: this one lives as long as
// Run, and ends with it, since it stays locked.
func (r *Runtime) forkUntil(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		for {
			select {
			case s := <-r.spawns:
				s.done <- s.do()
			case <-ctx.Done():
				return
			}
		}
	}()
	<-ended
}

// onThread has do done by the thread. An answer that comes too late is not
// waited for; do must look at ctx.
func (r *Runtime) onThread(ctx context.Context, do func() error) error {
	s := spawn{do: do, done: make(chan error, 1)}
	select {
	case r.spawns <- s:
		return <-s.done // a fork is short
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNotRunning, ctx.Err())
	}
}

// start makes all that the container needs, and forks it. What was made is on
// c, so that a failure is cleaned up by c.abandon.
func (r *Runtime) start(ctx context.Context, c *container, cmd *exec.Cmd, spec worker.Spec) error {
	dir, done, err := r.opts.Logs.Begin(spec.Request, spec.Attempt)
	if err != nil {
		return err
	}
	c.logged = done
	if cmd.Stdout, err = c.stream(dir, worker.Stdout, r.opts.LogFiles); err != nil {
		return err
	}
	if cmd.Stderr, err = c.stream(dir, worker.Stderr, r.opts.LogFiles); err != nil {
		return err
	}
	if c.group, err = r.groups.make(c.name, r.mark+"."+c.name, spec.CPUMilli, spec.MemoryBytes); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	c.cmd = cmd
	return r.onThread(ctx, func() error {
		defer c.closeWriteEnds()
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.group.fork(unix.Gettid(), cmd, spec.Check)
	})
}

// stream copies one output of the container into its files; the container gets
// the other end of the pipe.
func (c *container) stream(dir, name string, opts logfile.Options) (*os.File, error) {
	files, err := logfile.Open(dir, name, opts)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a pipe: %w", err), files.Close())
	}
	c.outputs = append(c.outputs, output{files: files, read: read, write: write})
	c.copies.Go(func() {
		// A Writer takes all: what a full disk refuses is counted and told.
		_, err := io.Copy(files, read)
		if err != nil && !errors.Is(err, os.ErrClosed) {
			c.log.Warn("output is no longer read")
		}
	})
	return write, nil
}
