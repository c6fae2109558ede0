package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// Start starts an attempt. What fails before a shim is told of it leaves nothing
// behind; what fails later is recorded.
func (r *Runtime) Start(ctx context.Context, spec worker.Spec) (worker.Container, error) {
	if spec.Image != "" {
		return nil, &worker.Rejection{Problem: fmt.Sprintf("image %q: this worker runs commands of its machine, not images", spec.Image)}
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
	conn, rest, err := r.launch(ctx, c, lock, charge, spec)
	if err = errors.Join(err, lock.Close()); err != nil {
		c.abandon()
		return nil, err
	}
	r.mu.Lock()
	r.live[a] = c
	r.mu.Unlock()
	defer r.wantIdle() // not before it runs
	if err := c.begin(ctx, conn, rest, spec); err != nil {
		return nil, err
	}
	if err := r.groups.weigh(c.group, spec.CPUMilli); err != nil {
		r.opts.Log.Warn("set the weight of a container", zap.Stringer("container", a), zap.Error(err))
	}
	return c, nil
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
	// Before a shim is told of it: whoever finds no record knows that there was none.
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

// launch has a shim run it: one that is ready, or a new one. rest is what of its
// charge is still to be sent.
func (r *Runtime) launch(ctx context.Context, c *container, lock *os.File, charge *shim.Charge, spec worker.Spec) (conn net.Conn, rest []byte, err error) {
	charge.Deadline = r.latest(spec.Epoch, spec.Deadline)
	text, err := json.Marshal(charge)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the charge: %w", err)
	}
	dir, err := os.Open(c.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open the container's directory: %w", err)
	}
	defer func() { _ = dir.Close() }() // read only
	errs, err := shim.OpenErrors(c.dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = errs.Close() }() // nothing was written
	for {
		s, fresh, err := r.takeShim(ctx)
		if err != nil {
			return nil, nil, err
		}
		if err = errors.Join(shim.NoteHolder(lock, s.cmd.Process.Pid), spec.Check()); err != nil {
			s.end()
			return nil, nil, err
		}
		if rest, err = s.charge(append(text, '\n'), dir, lock, errs); err == nil {
			return s.conn, rest, nil
		}
		s.end()
		if fresh {
			return nil, nil, err
		}
	}
}

// startWithin bounds how long a shim that has its charge takes: one that was stopped
// says nothing for as long as its lease lives, and could not be cancelled either.
const startWithin = 10 * time.Second

// begin waits until the container runs.
func (c *container) begin(ctx context.Context, conn net.Conn, rest []byte, spec worker.Spec) error {
	late := time.NewTimer(c.r.startWithin)
	defer late.Stop()
	c.renew(c.r.latest(spec.Epoch, spec.Deadline))
	go func() {
		if len(rest) > 0 {
			_, _ = conn.Write(rest) // what is refused shows as the shim's end
		}
		c.follow(conn)
	}()
	select {
	case <-c.running:
	case <-c.done:
	case <-ctx.Done():
		c.seizeUntilDone()
	case <-late.C:
		c.seizeUntilDone() // it may have run
	}
	if closed(c.done) && (c.how.Failed || c.how.Unseen) {
		return c.startError(ctx)
	}
	return nil
}

// startError is why a container never ran, or did not run long enough to be told.
func (c *container) startError(ctx context.Context) error {
	switch e := c.how; {
	case e.Failed && e.Late:
		return worker.ErrDeadline
	case e.Failed && e.Code != 0:
		return &worker.RequestFault{Code: int64(e.Code), Err: fmt.Errorf("%s: %w", e.Message, e.Errno)}
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
