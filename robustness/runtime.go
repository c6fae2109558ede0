package robustness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// simRuntime is a worker.Runtime on a simulated machine, held by one process.
type simRuntime struct{ p *process }

var errBroken = errors.New("the container cannot be started")

func (simRuntime) Enforces() []string { return []string{"cpu", "memory"} }

func (r simRuntime) TakesImages() bool { return r.p.w.plan.images(r.p.name) }

// Start records the start, asks whether it may still happen, and forks the shim.
// Between any two of these the process may be stopped or end.
func (r simRuntime) Start(_ context.Context, spec worker.Spec) (worker.Container, error) {
	key := attempt{spec.Request, spec.Attempt}
	name := fmt.Sprintf("%s/%d", key.id, key.n)
	refused, err := ask(r.p, "start", name, func(reply func(error)) { reply(r.record(key, spec)) })
	if err = errors.Join(err, refused); err != nil {
		return nil, refusal(err)
	}
	if err := spec.Check(); err != nil {
		return nil, err
	}
	h, err := ask(r.p, "fork", name, func(reply func(*handle)) {
		c := newContainer(r.p.on, spec)
		r.p.on.containers[key] = c
		clock := r.p.on.clock
		// From here on it is the shim's doing, whatever becomes of the agent.
		r.p.w.after(r.p.w.soon(), nil, func() {
			if r.p.on.clock != clock {
				return // the machine has booted meanwhile
			}
			c.exec()
			r.p.w.after(r.p.w.soon(), r.p, func() { reply(c.handle(r.p)) })
		})
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// refusal unwraps what is joined: callers branch on the error itself.
func refusal(err error) error {
	if rejection, ok := errors.AsType[*worker.Rejection](err); ok {
		return rejection
	}
	return err
}

func (r simRuntime) record(key attempt, spec worker.Spec) error {
	switch {
	case r.p.on.started[key]:
		return worker.ErrStartedBefore
	case r.imageRefused(spec.Request, spec.Image):
		return &worker.Rejection{Problem: "it takes no images"}
	case spec.Env[envStart] == "refused" && r.p.on.refuses:
		return &worker.Rejection{Problem: "it asks for what is not here"}
	}
	r.p.on.started[key] = true
	if spec.Env[envStart] == "fails" && spec.Attempt%2 == 0 {
		return &worker.RequestFault{Code: berth.CodeNotFound, Err: errBroken} // now its own fault, now the machine's
	}
	if spec.Env[envStart] == "fails" {
		return errBroken
	}
	return nil
}

func (r simRuntime) Renew(epoch berth.Epoch, d worker.Deadline) {
	tell(r.p, "renew", fmt.Sprint(epoch, d.Kill), func() {
		for _, k := range r.p.on.attempts() {
			if c := r.p.on.containers[k]; c.epoch == epoch {
				c.told(func(time.Duration) { c.life.Renew(shim.Deadline(d)) })
			}
		}
	})
}

func (r simRuntime) Adopt(context.Context) ([]worker.Adopted, error) {
	return ask(r.p, "adopt", "", func(reply func([]worker.Adopted)) {
		var list []worker.Adopted
		for _, k := range r.p.on.attempts() {
			c := r.p.on.containers[k]
			if !c.running && !c.ended { // its shim was forked, and has not come to exec
				c.ended, c.exit = true, berth.Exit{Kind: berth.ExitMayHaveRun, At: r.p.on.wall().UTC()}
			}
			list = append(list, worker.Adopted{
				Request: k.id, Attempt: k.n, Epoch: c.epoch, StartedAt: c.begun,
				StopTimeout: c.stopIn, Keep: c.keep, Container: c.handle(r.p),
			})
		}
		reply(list)
	})
}

func (r simRuntime) Forget(id berth.RequestID, n int64) {
	key := attempt{id, n}
	tell(r.p, "forget", fmt.Sprintf("%s/%d", id, n), func() {
		if c := r.p.on.containers[key]; c != nil && !c.running {
			delete(r.p.on.containers, key)
		}
	})
}

func (r simRuntime) Leftovers(context.Context) ([]string, error) {
	return ask(r.p, "leftovers", "", func(reply func([]string)) {
		var killed []string
		for _, k := range r.p.on.attempts() {
			c := r.p.on.containers[k]
			if c.running {
				killed = append(killed, string(k.id))
				c.finish(berth.Exit{Kind: berth.ExitSignaled, Code: 128 + 9, Signal: "SIGKILL"})
			}
			c.ended = true // also of one whose shim has not come to exec
			delete(r.p.on.containers, k)
		}
		reply(killed)
	})
}
