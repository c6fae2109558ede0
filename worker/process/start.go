package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// Start starts an attempt. What fails before its shim is forked leaves nothing
// behind; what fails later is recorded.
func (r *Runtime) Start(ctx context.Context, spec worker.Spec) (worker.Container, error) {
	if spec.Image != "" {
		return nil, fmt.Errorf("image %q: this worker runs commands of its machine, not images", spec.Image)
	}
	if spec.Worker != r.opts.Worker {
		return nil, fmt.Errorf("start for worker %s on %s", spec.Worker, r.opts.Worker)
	}
	a := attempt{spec.Request, spec.Attempt}
	charge, err := r.command(spec)
	if err != nil {
		return nil, err
	}
	// The directory is the record: of two starts of an attempt, one makes it.
	if err := os.Mkdir(r.path(a), 0o700); errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %s", worker.ErrStartedBefore, r.path(a))
	} else if err != nil {
		return nil, fmt.Errorf("record the start: %w", err)
	}
	c := r.newContainer(a, spec.Epoch, spec.Keep)
	lock, err := r.prepare(c, charge, spec)
	if err != nil {
		c.abandon()
		return nil, err
	}
	c.steps.Recorded = shim.Boottime()
	conn, err := r.launch(c, lock, spec.Check)
	if err = errors.Join(err, lock.Close()); err != nil {
		c.abandon()
		return nil, err
	}
	r.mu.Lock()
	r.live[a] = c
	r.mu.Unlock()
	return c.begin(ctx, conn, charge, spec)
}

// prepare makes all that the container needs but its shim. The lock it returns
// is for the shim.
func (r *Runtime) prepare(c *container, charge *shim.Charge, spec worker.Spec) (*os.File, error) {
	dir, done, err := r.opts.Logs.Begin(spec.Request, spec.Attempt)
	if err != nil {
		return nil, err
	}
	c.logged = done
	if charge.Output.Dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	group, err := r.groups.make(c.name.String(), spec.CPUMilli, spec.MemoryBytes)
	if err != nil {
		return nil, fmt.Errorf("set limits: %w", err)
	}
	group.Mark = r.markFor(c.name)
	c.group, charge.Group = group, group
	// Before the shim is forked: whoever finds no record knows that there was none.
	if err := shim.WriteStart(c.dir, shim.Start{
		Request: string(spec.Request), Attempt: spec.Attempt, Epoch: int64(spec.Epoch), Boot: r.boot, At: time.Now().UTC(),
		Group: group, Keep: spec.Keep, StopTimeout: spec.StopTimeout,
	}); err != nil {
		return nil, fmt.Errorf("record the start: %w", err)
	}
	lock, err := shim.NewLock(c.dir)
	if err != nil {
		return nil, fmt.Errorf("record the start: %w", err)
	}
	return lock, nil
}

// launch forks the shim. It has been told nothing yet.
func (r *Runtime) launch(c *container, lock *os.File, check func() error) (net.Conn, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "shim"), os.NewFile(uintptr(pair[1]), "agent")
	defer func() { _ = errors.Join(ours.Close(), theirs.Close()) }() // each has its copy
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	errs, err := shim.OpenErrors(c.dir)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	defer func() { _ = errs.Close() }() // nothing was written
	cmd := &exec.Cmd{
		Path: r.opts.Shim, Args: []string{shimName}, Dir: c.dir,
		Env:   []string{"GOMAXPROCS=1"}, // one thread at work is enough, and smaller
		Stdin: theirs, Stderr: errs, ExtraFiles: []*os.File{lock},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := check(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the supervisor: %w", err), conn.Close())
	}
	go func() { _ = cmd.Wait() }() // how it ended is told by its records
	return conn, nil
}

// begin tells the shim its charge, and waits until the container runs.
func (c *container) begin(ctx context.Context, conn net.Conn, charge *shim.Charge, spec worker.Spec) (worker.Container, error) {
	charge.Deadline = c.r.latest(spec.Epoch, spec.Deadline)
	c.renew(charge.Deadline)
	go func() {
		// What is refused shows as the shim's end.
		_ = json.NewEncoder(conn).Encode(charge)
		c.follow(conn)
	}()
	select {
	case <-c.running:
	case <-c.done:
	case <-ctx.Done():
		c.seizeUntilDone()
	}
	if closed(c.done) && (c.how.Failed || c.how.Unseen) {
		return nil, c.startError(ctx)
	}
	return c, nil
}

// startError is why a container never ran, or did not run long enough to be told.
func (c *container) startError(ctx context.Context) error {
	switch e := c.how; {
	case e.Failed && e.Late:
		return worker.ErrDeadline
	case e.Failed && e.Errno != 0:
		return fmt.Errorf("%s: %w", e.Message, e.Errno)
	case e.Failed:
		return errors.New(e.Message)
	case ctx.Err() != nil:
		return fmt.Errorf("start %s: %w", c.name, ctx.Err())
	default:
		return fmt.Errorf("%w: %s", worker.ErrStartedBefore, e.Message)
	}
}
