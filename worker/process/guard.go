package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
)

// tellDeadline is how often a guard is told of a new deadline: far more often
// than leases are kept alive.
const tellDeadline = 100 * time.Millisecond

// guardAgain is how long after its end a guard is started anew.
const guardAgain = time.Second

// charge is what a guard is told, on its standard input. The agent never closes
// its end: that it is closed means that the agent has ended.
type charge struct {
	Worker    berth.WorkerID `json:"worker"`
	Mark      string         `json:"mark"`
	Life      string         `json:"life"`
	NoCgroups bool           `json:"no_cgroups"`
}

// keepGuard keeps one guard running until ctx ends.
func (r *Runtime) keepGuard(ctx context.Context) {
	for len(r.opts.Guard) > 0 {
		if err := r.runGuard(ctx); err != nil && ctx.Err() == nil {
			r.opts.Log.Warn("guard ended; starting it again", zap.Error(err))
		}
		select {
		case <-time.After(guardAgain):
		case <-ctx.Done():
			return
		}
	}
}

func (r *Runtime) runGuard(ctx context.Context) error {
	line, err := json.Marshal(charge{Worker: r.opts.Worker, Mark: r.mark, Life: r.life, NoCgroups: r.opts.NoCgroups})
	if err != nil {
		return fmt.Errorf("tell the guard: %w", err)
	}
	// Its own session: what stops the agent's terminal must not stop it first.
	cmd := &exec.Cmd{Path: r.opts.Guard[0], Args: r.opts.Guard[1:], Env: []string{}, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("make a pipe to the guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the guard: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if _, err := in.Write(append(line, '\n')); err != nil {
		return errors.Join(fmt.Errorf("tell the guard: %w", err), in.Close(), <-ended)
	}
	r.listener.set(json.NewEncoder(in))
	defer r.listener.set(nil)
	tick := time.NewTicker(tellDeadline)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("it ended by itself: %w", errors.Join(err, in.Close()))
		case <-ctx.Done():
			return errors.Join(in.Close(), <-ended)
		case <-tick.C:
		}
		if _, err := r.listener.tell(r.deadline()); err != nil {
			return errors.Join(err, in.Close(), <-ended)
		}
	}
}

// listener is the guard that runs, and what it knows.
type listener struct {
	mu   sync.Mutex    // guards all below
	to   *json.Encoder // nil: there is none now
	last time.Duration
}

func (l *listener) set(to *json.Encoder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to, l.last = to, 0
}

// tell says a deadline, unless it is known. There may be nobody to tell.
func (l *listener) tell(deadline time.Duration) (told bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to == nil || deadline == l.last {
		return l.to != nil, nil
	}
	if err := l.to.Encode(deadline); err != nil {
		return false, fmt.Errorf("tell the guard: %w", err)
	}
	l.last = deadline
	return true, nil
}

// beGuarded returns when the guard knows the deadline of the lease that lives:
// nothing is started before, for the agent may be stopped the moment after.
func (r *Runtime) beGuarded(ctx context.Context) error {
	for len(r.opts.Guard) > 0 {
		if told, err := r.listener.tell(r.deadline()); told && err == nil {
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no guard for the container: %w", ctx.Err())
		}
	}
	return nil
}

// deadline is when containers must be dead, by CLOCK_BOOTTIME; 0: no lease.
func (r *Runtime) deadline() time.Duration {
	if r.opts.Deadline == nil {
		return 0
	}
	return r.opts.Deadline()
}

// Guard is the main of a guard: it waits for the end of the agent at the other
// end of in, and kills what that left.
func Guard(ctx context.Context, in io.Reader) error {
	dec := json.NewDecoder(in)
	var c charge
	if err := dec.Decode(&c); err != nil {
		return fmt.Errorf("read the guard's charge: %w", err)
	}
	// Of that agent alone: the next one may run already.
	groups := findGrouper(c.Worker, c.Mark, c.NoCgroups)
	kill := func() error {
		_, err := killLeft(ctx, groups, c.Mark, c.Life+".")
		return err
	}
	deadlines := make(chan time.Duration) // written and closed by the reader
	go func() {
		defer close(deadlines)
		for {
			var d time.Duration
			if dec.Decode(&d) != nil {
				return // the agent has ended
			}
			deadlines <- d
		}
	}()
	for deadline := time.Duration(0); ; {
		var passed <-chan time.Time
		if deadline > 0 {
			passed = time.After(max(deadline-boottime(), 0))
		}
		select {
		case d, ok := <-deadlines:
			if !ok {
				return kill()
			}
			deadline = d
		case <-passed:
			// The agent is stopped, or it would have killed them itself. Timers
			// do not run while the machine is suspended: look at the clock.
			if boottime() < deadline {
				continue
			}
			if err := kill(); err != nil {
				return err
			}
			deadline = 0 // until the agent says another one
		}
	}
}

// boottime counts while the machine is suspended.
func boottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("process: no CLOCK_BOOTTIME: " + err.Error()) // every Linux since 2.6.39 has it
	}
	return time.Duration(t.Nano())
}
