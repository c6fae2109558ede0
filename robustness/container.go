package robustness

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// container is one attempt that was begun on a machine, and its shim.
type container struct {
	m      *machine
	key    attempt
	epoch  berth.Epoch
	life   shim.Lifetime
	given  worker.Deadline // of the lease that fenced the start
	stopIn time.Duration   // of the request
	keep   time.Duration
	begun  time.Time     // by the wall clock
	armed  time.Duration // by the machine's clock, when the shim looks next; 0: not

	runFor  time.Duration
	code    int64
	obeysIn time.Duration // SIGTERM; below 0: never
	running bool
	ended   bool
	exit    berth.Exit
	why     string // it was dismissed
	handles []*handle
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
		m: m, key: attempt{s.Request, s.Attempt}, epoch: s.Epoch, stopIn: s.StopTimeout, keep: s.Keep,
		life: shim.NewLifetime(shim.Deadline(s.Deadline), s.Keep), given: s.Deadline,
		runFor: time.Duration(number(s.Env, envRun)) * time.Millisecond, code: number(s.Env, envCode),
		obeysIn: time.Duration(number(s.Env, envObeys)) * time.Millisecond,
	}
}

// exec is the shim's last step: its kill timer is armed, and it looks at the
// deadline of the epoch that fenced the start.
func (c *container) exec() {
	if c.ended {
		return // the next agent has found its start and no container
	}
	if c.m.clock.Now() >= c.given.Kill {
		c.ended = true
		c.exit = berth.Exit{Kind: berth.ExitDeadline, Message: "too late to start", At: c.m.wall().UTC()}
		return
	}
	c.running, c.begun = true, c.m.wall().UTC()
	c.m.w.check.began(c)
	c.m.w.after(c.runFor, nil, func() { c.finish(berth.Exit{Kind: berth.ExitExited, Code: c.code}) })
	c.act()
}

// act is the shim's: it does what is due, and looks again at the next moment at
// which something is; where that has moved on by then, it finds nothing to do.
func (c *container) act() {
	if !c.running {
		return
	}
	now := c.m.clock.Now()
	ask, kill := c.life.Act(now)
	if ask && c.obeysIn >= 0 {
		c.m.w.after(c.obeysIn, nil, func() { c.finish(c.killedBy(15, "SIGTERM")) })
	}
	if kill {
		dies := time.Duration(c.m.w.rng.Int64N(int64(50 * time.Millisecond)))
		c.m.w.after(dies, nil, func() { c.finish(c.killedBy(9, "SIGKILL")) })
		return
	}
	if due := c.life.Due(); due > 0 && (c.armed == 0 || due < c.armed) {
		c.armed = due
		c.m.w.after(c.m.clock.left(due), nil, func() {
			if c.armed == due {
				c.armed = 0
			}
			c.act()
		})
	}
}

// killedBy is the exit by a signal.
func (c *container) killedBy(number int64, name string) berth.Exit {
	kind := berth.ExitSignaled
	if c.life.Overdue() {
		kind = berth.ExitDeadline
	}
	return berth.Exit{Kind: kind, Code: 128 + number, Signal: name}
}

// told has the shim take an order.
func (c *container) told(order func(now time.Duration)) {
	if c.running {
		order(c.m.clock.Now())
		c.act()
	}
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
	why  string     // with it
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
		h.shut, h.exit, h.why = true, h.c.exit, h.c.why
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

func (h *handle) Done() <-chan struct{}      { return h.done }
func (h *handle) Exit() (berth.Exit, string) { return h.exit, h.why }

func (h *handle) Stop(grace time.Duration, dismissed string) {
	tell(h.p, "stop", h.name(), func() {
		h.c.told(func(now time.Duration) {
			h.c.why = cmp.Or(h.c.why, dismissed)
			h.c.life.Stop(now, grace)
		})
	})
}

func (h *handle) Kill() {
	tell(h.p, "kill", h.name(), func() { h.c.told(h.c.life.Kill) })
}

func (h *handle) name() string { return fmt.Sprintf("%s/%d", h.c.key.id, h.c.key.n) }
