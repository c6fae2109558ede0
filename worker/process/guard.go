package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

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
	select {
	case err := <-ended:
		return fmt.Errorf("it ended by itself: %w", errors.Join(err, in.Close()))
	case <-ctx.Done():
		return errors.Join(in.Close(), <-ended)
	}
}

// Guard is the main of a guard: it waits for the end of the agent at the other
// end of in, and kills what that left.
func Guard(ctx context.Context, in io.Reader) error {
	dec := json.NewDecoder(in)
	var c charge
	if err := dec.Decode(&c); err != nil {
		return fmt.Errorf("read the guard's charge: %w", err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return fmt.Errorf("wait for the agent's end: %w", err)
	}
	// Of that agent alone: the next one may run already.
	_, err := killLeft(ctx, findGrouper(Options{Worker: c.Worker, NoCgroups: c.NoCgroups}), c.Mark, c.Life+".")
	return err
}
