package robustness

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/robustness/setclock"
	"github.com/berthd/berth/worker"
)

// machine is what an actor runs on: its clocks, its disk, and, of an agent's, its
// containers with their shims, which outlive the agent.
type machine struct {
	w       *world
	name    string
	boots   int
	clock   *clock
	skew    atomic.Int64 // of the wall clock, in seconds
	disk    worker.LeaseRecord
	refuses bool // what asks for something that not all machines have

	started    map[attempt]bool // recorded once for ever
	containers map[attempt]*container
}

// attempt is one attempt of one request.
type attempt struct {
	id berth.RequestID
	n  int64
}

// maxRate is how much faster or slower than true a machine's clock may run. The
// grace allows for 1 % of the TTL.
const maxRate = 0.004

func newMachine(w *world, name string) *machine {
	m := &machine{w: w, name: name, refuses: name[len(name)-1]%2 == 0, started: map[attempt]bool{}, containers: map[attempt]*container{}}
	m.skew.Store(w.rng.Int64N(5) - 2)
	m.boot()
	return m
}

func (m *machine) boot() {
	m.boots++
	rate := 1 + maxRate*(2*m.w.rng.Float64()-1)
	m.clock = &clock{w: m.w, began: m.w.now(), rate: rate, first: time.Duration(m.w.rng.Int64N(int64(time.Hour)))}
}

func (m *machine) bootID() string { return fmt.Sprintf("%s-boot%d", m.name, m.boots) }

// wall is the machine's wall clock. Setting it moves what is told of a time, and
// nothing that is measured between two of one process.
func (m *machine) wall() time.Time {
	now := time.Now()
	return setclock.Time(now.Add(time.Duration(m.skew.Load())*time.Second), now.Sub(m.w.began)+1)
}

// reboot ends all that runs, and its exits are known to nobody.
func (m *machine) reboot() {
	for _, a := range m.w.actors {
		if a.on == m && a.process != nil {
			a.process.kill()
		}
	}
	for _, k := range m.attempts() {
		if c := m.containers[k]; c.running {
			c.over()
		}
	}
	clear(m.containers)
	m.boot()
}

func (m *machine) attempts() []attempt {
	list := make([]attempt, 0, len(m.containers))
	for k := range m.containers {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b attempt) int {
		if a.id != b.id {
			if a.id < b.id {
				return -1
			}
			return 1
		}
		return int(a.n - b.n)
	})
	return list
}

// clock counts since one boot of a machine, a little wrong.
type clock struct {
	w     *world
	began time.Duration
	first time.Duration
	rate  float64
}

// Now implements worker.Clock.
func (c *clock) Now() time.Duration {
	return c.first + time.Duration(float64(c.w.now()-c.began)*c.rate)
}

// left is how long it truly is until a moment of the clock.
func (c *clock) left(at time.Duration) time.Duration {
	return time.Duration(float64(at-c.Now())/c.rate) + time.Nanosecond
}

// NewAlarm implements worker.Clock.
func (c *clock) NewAlarm() (worker.Alarm, error) {
	return &alarm{clock: c, fired: make(chan struct{}, 1)}, nil
}

type alarm struct {
	clock *clock
	fired chan struct{} // one is enough; closed by Close

	mu     sync.Mutex // guards what follows
	timer  *time.Timer
	closed bool
}

func (a *alarm) C() <-chan struct{} { return a.fired }

func (a *alarm) Set(at time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(a.clock.left(at), a.fire)
}

func (a *alarm) fire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	select {
	case a.fired <- struct{}{}:
	default:
	}
}

func (a *alarm) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
	close(a.fired)
}

// records is a process's way to its machine's disk. A write is durable when it
// returns; the process may end just before it, or just after.
type records struct{ p *process }

func (r records) Identity() (string, error) { return r.p.on.name, nil }

func (r records) Lease() (worker.LeaseRecord, error) {
	return ask(r.p, "disk", "read", func(reply func(worker.LeaseRecord)) { reply(r.p.on.disk) })
}

func (r records) PutLease(rec worker.LeaseRecord) error {
	return r.write("put", rec)
}

func (r records) DropLease() error { return r.write("drop", worker.LeaseRecord{}) }

func (r records) write(what string, rec worker.LeaseRecord) error {
	_, err := ask(r.p, "disk", what, func(reply func(struct{})) {
		r.p.on.disk = rec
		r.p.w.note(r.p.name, fmt.Sprintf("disk: %s %+v", what, rec))
		r.p.w.after(r.p.w.soon(), r.p, func() { reply(struct{}{}) })
	})
	return err
}

func (records) Close() error { return nil }
