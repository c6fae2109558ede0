package rules

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

// machine is what an agent runs on: containers, a clock, and records that are
// still there for the next agent. What happens is noted in order.
type machine struct {
	r    *rig
	id   berth.WorkerID
	left func()                // asked when leftovers are killed
	told func(worker.Deadline) // asked when a container is told when it must have ended

	mu      sync.Mutex // guards what follows
	log     []string
	running map[string]*container // by request/attempt
	holds   chan struct{}         // closed to let starts go on; nil: they do
	before  bool                  // every start was made before
	record  worker.LeaseRecord

	stateID string
}

func (r *rig) machine(id berth.WorkerID) *machine {
	return &machine{r: r, id: id, stateID: string(id), running: map[string]*container{}}
}

func (m *machine) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *machine) tell(d worker.Deadline) {
	if m.told != nil {
		m.told(d)
	}
}

// times says how often a line is in the log.
func (m *machine) times(line string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.log {
		if l == line {
			n++
		}
	}
	return n
}

// noted is where in the log a line is, or -1.
func (m *machine) noted(line string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Index(m.log, line)
}

func (m *machine) container(name string) *container {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running[name]
}

// agent runs one until stop, which waits for its end.
func (m *machine) agent(ttl time.Duration) (stop func()) {
	m.r.t.Helper()
	w, err := worker.New(worker.Options{
		ID: m.id, Capacity: capacity, Store: m.r.Store, Runtime: m, TTL: ttl,
		Clock: clock{m.r}, BootID: "boot", OpenRecords: func() (worker.Records, error) { return records{m}, nil },
	})
	m.r.ok(err)
	ctx, cancel := contextOf(m.r)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			m.r.t.Errorf("agent: %v", err)
		}
	}
}

// Start implements worker.Runtime.
func (m *machine) Start(_ context.Context, spec worker.Spec) (worker.Container, error) {
	name := fmt.Sprintf("%s/%d", spec.Request, spec.Attempt)
	m.mu.Lock()
	holds, before := m.holds, m.before
	m.mu.Unlock()
	m.note("asked %s", name)
	if holds != nil {
		<-holds
	}
	if before {
		return nil, worker.ErrStartedBefore
	}
	if err := spec.Check(); err != nil {
		m.note("refused %s", name)
		return nil, err
	}
	m.tell(spec.Deadline)
	c := &container{m: m, name: name, spec: spec, done: make(chan struct{})}
	m.mu.Lock()
	m.running[name] = c
	m.mu.Unlock()
	m.note("start %s", name)
	return c, nil
}

// Renew, Adopt, Forget, Leftovers, Enforces and TakesImages implement worker.Runtime.
func (m *machine) Renew(_ berth.Epoch, d worker.Deadline) {
	m.note("renew")
	m.tell(d)
}

func (m *machine) Adopt(context.Context) ([]worker.Adopted, error) { return nil, nil }
func (m *machine) Forget(berth.RequestID, int64)                   {}
func (m *machine) Enforces() []string                              { return nil }
func (m *machine) TakesImages() bool                               { return true }

func (m *machine) Leftovers(context.Context) ([]string, error) {
	m.note("leftovers")
	if m.left != nil {
		m.left()
	}
	return nil, nil
}

// container ends when it is killed, or told to by the test.
type container struct {
	m    *machine
	name string
	spec worker.Spec
	done chan struct{}
	once sync.Once
	exit berth.Exit
}

func (c *container) Done() <-chan struct{} { return c.done }

// Exit, Stop and Kill implement worker.Container.
func (c *container) Exit() (berth.Exit, string) { return c.exit, "" }
func (c *container) Stop(time.Duration, string) { c.m.note("stop %s", c.name) }
func (c *container) Kill()                      { c.m.note("kill %s", c.name) }

// end is the container's end, with a code.
func (c *container) end(code int64) {
	c.once.Do(func() {
		c.exit = berth.Exit{Kind: berth.ExitExited, Code: code, At: time.Now().UTC()}
		c.m.note("end %s", c.name)
		close(c.done)
	})
	synctest.Wait()
}

// records of a machine: what is put is durable.
type records struct{ m *machine }

func (r records) Identity() (string, error) { return r.m.stateID, nil }

func (r records) Lease() (worker.LeaseRecord, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return r.m.record, nil
}

func (r records) PutLease(rec worker.LeaseRecord) error {
	what := "lease recorded"
	if rec.GivenUp {
		what = "given up"
	}
	r.m.note("%s", what)
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.m.record = rec
	return nil
}

func (r records) DropLease() error {
	r.m.note("lease dropped")
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.m.record = worker.LeaseRecord{}
	return nil
}

func (records) Close() error { return nil }

// clock is the bubble's time.
type clock struct{ r *rig }

func (c clock) Now() time.Duration { return c.r.clock() }

func (c clock) NewAlarm() (worker.Alarm, error) {
	a := &alarm{c: c, fired: make(chan struct{}, 1)}
	a.timer = time.AfterFunc(time.Hour, a.fire)
	return a, nil
}

type alarm struct {
	c     clock
	fired chan struct{} // written by the timer; one is enough
	timer *time.Timer
}

func (a *alarm) fire() {
	select {
	case a.fired <- struct{}{}:
	default:
	}
}

func (a *alarm) C() <-chan struct{}   { return a.fired }
func (a *alarm) Set(at time.Duration) { a.timer.Reset(max(at-a.c.Now(), 0)) }
func (a *alarm) Close()               { a.timer.Stop() }
