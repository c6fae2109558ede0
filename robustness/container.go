package robustness

import (
	"fmt"
	"strconv"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

// container is one attempt that was begun on a machine, and its shim.
type container struct {
	m        *machine
	key      attempt
	epoch    berth.Epoch
	deadline worker.Deadline
	stopIn   time.Duration // of the request
	keep     time.Duration
	begun    time.Time // by the wall clock

	runFor   time.Duration
	code     int64
	obeysIn  time.Duration // SIGTERM; below 0: never
	running  bool
	ended    bool
	signaled bool // SIGTERM was sent
	why      berth.ExitKind
	killAt   time.Duration // true time, of the nearest kill; 0: none
	exit     berth.Exit
	handles  []*handle
}

// Variables of a request that tell its container what to do.
const (
	envRun   = "SIM_RUN_MS"
	envCode  = "SIM_CODE"
	envObeys = "SIM_OBEYS_MS" // after SIGTERM; below 0: it does not
	envStart = "SIM_START"    // "fails", "refused"
)

func number(env map[string]string, name string) int64 {
	n, err := strconv.ParseInt(env[name], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func newContainer(m *machine, s worker.Spec) *container {
	return &container{
		m: m, key: attempt{s.Request, s.Attempt}, epoch: s.Epoch, deadline: s.Deadline, stopIn: s.StopTimeout, keep: s.Keep,
		runFor: time.Duration(number(s.Env, envRun)) * time.Millisecond, code: number(s.Env, envCode),
		obeysIn: time.Duration(number(s.Env, envObeys)) * time.Millisecond, why: berth.ExitSignaled,
	}
}

// exec is the shim's last step: its kill timer is armed, and it looks at the
// deadline of the epoch that fenced the start.
func (c *container) exec() {
	if c.ended {
		return // the next agent has found its start and no container
	}
	if c.m.clock.Now() >= c.deadline.Kill {
		c.ended = true
		c.exit = berth.Exit{Kind: berth.ExitDeadline, Message: "too late to start", At: c.m.wall().UTC()}
		return
	}
	c.running, c.begun = true, c.m.wall().UTC()
	c.m.w.check.began(c)
	c.m.w.after(c.runFor, nil, func() { c.finish(berth.Exit{Kind: berth.ExitExited, Code: c.code}) })
	c.arm()
}

// arm has the shim look when its deadline comes; where that has moved on by then,
// it looks again.
func (c *container) arm() {
	c.watch(func() time.Duration { return c.deadline.Stop }, func() { c.term(berth.ExitDeadline) })
	c.watch(func() time.Duration { return c.deadline.Kill }, func() { c.kill(berth.ExitDeadline, 0) })
}

func (c *container) watch(moment func() time.Duration, due func()) {
	at := moment()
	c.m.w.after(c.m.clock.left(at+c.keep), nil, func() {
		switch {
		case !c.running:
		case moment() > at:
			c.watch(moment, due)
		default:
			due()
		}
	})
}

// renew moves the deadline, never back.
func (c *container) renew(d worker.Deadline) {
	if !c.running || d.Kill <= c.deadline.Kill {
		return
	}
	c.deadline = d
}

// term sends SIGTERM.
func (c *container) term(why berth.ExitKind) {
	if !c.running || c.signaled {
		return
	}
	c.signaled, c.why = true, why
	if c.obeysIn >= 0 {
		c.m.w.after(c.obeysIn, nil, func() { c.finish(berth.Exit{Kind: c.why, Code: 128 + 15, Signal: "SIGTERM"}) })
	}
}

// kill sends SIGKILL after grace; a nearer one wins.
func (c *container) kill(why berth.ExitKind, grace time.Duration) {
	at := c.m.w.now() + grace
	if !c.running || c.killAt != 0 && c.killAt <= at {
		return
	}
	c.killAt, c.why = at, why
	dies := time.Duration(c.m.w.rng.Int64N(int64(50 * time.Millisecond)))
	c.m.w.after(grace+dies, nil, func() { c.finish(berth.Exit{Kind: c.why, Code: 128 + 9, Signal: "SIGKILL"}) })
}

// finish is the container's own end; who holds it hears of it.
func (c *container) finish(exit berth.Exit) {
	if !c.running {
		return
	}
	exit.At = c.m.wall().UTC()
	c.exit = exit
	c.over()
	for _, h := range c.handles {
		c.m.w.after(c.m.w.soon(), h.p, h.finish)
	}
}

func (c *container) over() {
	c.running, c.ended = false, true
	c.m.w.check.over(c)
}

// handle is how one process holds a container.
type handle struct {
	p    *process
	c    *container
	done chan struct{} // closed by the controller
	shut bool
	exit berth.Exit // written before done is closed
}

func (c *container) handle(p *process) *handle {
	h := &handle{p: p, c: c, done: make(chan struct{})}
	c.handles = append(c.handles, h)
	p.handles = append(p.handles, h)
	if c.ended {
		h.finish()
	}
	return h
}

func (h *handle) finish() {
	if !h.shut {
		h.shut, h.exit = true, h.c.exit
		close(h.done)
	}
}

// abandon lets the goroutines of a killed process come to their end.
func (h *handle) abandon() {
	if !h.shut {
		h.shut = true
		close(h.done)
	}
}

func (h *handle) Done() <-chan struct{} { return h.done }
func (h *handle) Exit() berth.Exit      { return h.exit }

func (h *handle) Stop(grace time.Duration) {
	tell(h.p, "stop", h.name(), func() {
		h.c.term(berth.ExitSignaled)
		h.c.kill(h.c.why, grace)
	})
}

func (h *handle) Kill() {
	tell(h.p, "kill", h.name(), func() { h.c.kill(berth.ExitSignaled, 0) })
}

func (h *handle) name() string { return fmt.Sprintf("%s/%d", h.c.key.id, h.c.key.n) }
