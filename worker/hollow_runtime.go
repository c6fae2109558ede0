package worker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/berthd/berth"
)

// Variables of a request's environment that tell a hollow runtime how its
// container is to behave.
const (
	EnvHollowRunMS    = "HOLLOW_RUN_MS"    // it ends by itself after so long
	EnvHollowExitCode = "HOLLOW_EXIT_CODE" // with this code instead of 0
)

var errHollowStart = errors.New("this hollow worker fails every start")

// hollowRuntime pretends to run containers. A container ends after RunFor, or
// when it is stopped.
type hollowRuntime struct {
	opts HollowOptions
}

func (r *hollowRuntime) Leftovers(context.Context) ([]string, error) { return nil, nil }

func (r *hollowRuntime) Adopt(context.Context) ([]Adopted, error) { return nil, nil }

// Renew does nothing: hollow containers end with their agent.
func (r *hollowRuntime) Renew(berth.Epoch, Deadline) {}

// Forget does nothing: nothing is kept.
func (r *hollowRuntime) Forget(berth.RequestID, int64) {}

func (r *hollowRuntime) Enforces() []string { return nil }

// TakesImages is true: it pretends to run whatever is asked.
func (r *hollowRuntime) TakesImages() bool { return true }

func (r *hollowRuntime) Start(ctx context.Context, spec Spec) (Container, error) {
	if r.opts.StartDelay > 0 {
		if err := pause(ctx, r.opts.StartDelay); err != nil {
			return nil, err
		}
	}
	if r.opts.FailStarts {
		return nil, errHollowStart
	}
	runFor, code, err := r.behaviour(spec.Env)
	if err != nil {
		return nil, err
	}
	if err := spec.Check(); err != nil {
		return nil, err
	}
	c := &hollowContainer{done: make(chan struct{}), now: r.opts.now}
	if runFor > 0 {
		time.AfterFunc(runFor, func() { c.end(berth.Exit{Kind: berth.ExitExited, Code: code}) })
	}
	return c, nil
}

func (r *hollowRuntime) behaviour(env map[string]string) (runFor time.Duration, code int64, err error) {
	runFor = r.opts.RunFor
	if text := env[EnvHollowRunMS]; text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 1 || ms > berth.MaxDurationMS {
			return 0, 0, &RequestFault{Code: berth.CodeCannotRun, Err: fmt.Errorf("%s %q is not a number of 1 to %d", EnvHollowRunMS, text, berth.MaxDurationMS)}
		}
		runFor = time.Duration(ms) * time.Millisecond
	}
	if text := env[EnvHollowExitCode]; text != "" {
		code, err = strconv.ParseInt(text, 10, 64)
		if err != nil || code < 0 || code > 255 {
			return 0, 0, &RequestFault{Code: berth.CodeCannotRun, Err: fmt.Errorf("%s %q is not a number of 0 to 255", EnvHollowExitCode, text)}
		}
	}
	return runFor, code, nil
}

type hollowContainer struct {
	done chan struct{} // closed by end
	now  func() time.Time
	once sync.Once
	exit berth.Exit // written before done is closed
}

func (c *hollowContainer) Done() <-chan struct{} { return c.done }

func (c *hollowContainer) Exit() (berth.Exit, string) { return c.exit, "" }

func (c *hollowContainer) Stop(time.Duration, string) {
	c.end(berth.Exit{Kind: berth.ExitSignaled, Code: 128 + 15, Signal: "SIGTERM"})
}

func (c *hollowContainer) Kill() {
	c.end(berth.Exit{Kind: berth.ExitSignaled, Code: 128 + 9, Signal: "SIGKILL"})
}

func (c *hollowContainer) end(exit berth.Exit) {
	c.once.Do(func() {
		exit.At = c.now().UTC()
		c.exit = exit
		close(c.done)
	})
}
