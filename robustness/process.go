package robustness

import (
	"context"
	"errors"
	"time"
)

// process is one life of a daemon or an agent. It belongs to the controller, but
// for what its goroutines use: died, and the context.
type process struct {
	w    *world
	name string // of its actor
	life int
	on   *machine
	ctx  context.Context //nolint:containedctx // the process ends with it
	end  context.CancelFunc
	died chan struct{} // closed when it is killed: nothing that it asks for happens any more

	paused  bool
	dead    bool
	held    []func() // what waits for the end of a pause
	handles []*handle
	asks    []*clientCall // that it has not answered
	over    func()        // what follows its own end
}

var errKilled = errors.New("the process was killed")

// ask has the controller do something for a process, and waits for the reply.
// Do may reply at once or in a later event.
func ask[T any](p *process, what, detail string, do func(reply func(T))) (T, error) {
	var none T
	answer := make(chan T, 1) // the one reply
	p.w.arrive(&arrival{
		of: p, what: what, detail: func() string { return detail },
		do: func() {
			p.w.after(p.w.soon(), p, func() { do(func(v T) { answer <- v }) })
		},
	})
	select {
	case v := <-answer:
		return v, nil
	case <-p.died:
		return none, errKilled
	}
}

// tell is ask without an answer.
func tell(p *process, what, detail string, do func()) {
	p.w.arrive(&arrival{
		of: p, what: what, detail: func() string { return detail },
		do: func() { p.w.after(p.w.soon(), p, do) },
	})
}

// kill ends a process as SIGKILL does: what it has sent stays on its way, what
// it would do next never happens. Its goroutines come to their end by themselves.
func (p *process) kill() {
	if p.dead {
		return
	}
	p.w.note(p.name, "killed")
	p.dead, p.held = true, nil
	close(p.died)
	p.end()
	for _, h := range p.handles {
		h.abandon()
	}
	for _, c := range p.asks {
		c.broken()
	}
	p.asks = nil
}

// crash kills a process, which is started again after a while.
func (p *process) crash(pause time.Duration) {
	p.kill()
	p.w.actor(p.name).restartIn(pause)
}

// pause stops a process as SIGSTOP does.
func (p *process) pause() {
	if !p.dead && !p.paused {
		p.w.note(p.name, "stopped")
		p.paused = true
	}
}

// resume lets it go on, with all that it was about to do.
func (p *process) resume() {
	if p.dead || !p.paused {
		return
	}
	p.w.note(p.name, "continued")
	p.paused = false
	held := p.held
	p.held = nil
	for _, do := range held {
		p.w.after(p.w.soon(), p, do)
	}
}
