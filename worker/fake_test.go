package worker

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// fakeRuntime hands each started container to the test.
type fakeRuntime struct {
	started   chan *fakeContainer // written by Start; room for all of a test
	leftovers func()
	fail      func(Spec) error
	images    bool // it takes them

	ended chan struct{} // closed at the test's end, and ends every container

	mu        sync.Mutex // guards all below
	specs     []Spec
	adopted   []Adopted // what a former agent has left
	renewed   Deadline  // the last
	forgotten []taskKey
}

func newFakeRuntime() *fakeRuntime {
	return &fakeRuntime{started: make(chan *fakeContainer, 1000), ended: make(chan struct{})}
}

func (r *fakeRuntime) Leftovers(context.Context) ([]string, error) {
	if r.leftovers != nil {
		r.leftovers()
	}
	return nil, nil
}

func (r *fakeRuntime) Renew(_ berth.Epoch, d Deadline) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renewed = d
}

func (r *fakeRuntime) Adopt(context.Context) ([]Adopted, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.adopted, nil
}

func (r *fakeRuntime) Forget(id berth.RequestID, attempt int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten = append(r.forgotten, taskKey{id, attempt})
}

// left is what the next agent finds of a container.
func (c *fakeContainer) left() Adopted {
	return Adopted{
		Request: c.spec.Request, Attempt: c.spec.Attempt, Epoch: c.spec.Epoch, StartedAt: time.Now().UTC(),
		StopTimeout: c.spec.StopTimeout, Keep: c.spec.Keep, Container: c,
	}
}

func (r *fakeRuntime) Enforces() []string { return []string{"cpu"} }

func (r *fakeRuntime) TakesImages() bool { return r.images }

func (r *fakeRuntime) Start(_ context.Context, spec Spec) (Container, error) {
	r.mu.Lock()
	r.specs = append(r.specs, spec)
	r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(spec); err != nil {
			return nil, err
		}
	}
	if err := spec.Check(); err != nil {
		return nil, err
	}
	c := newFakeContainer(spec)
	go func() {
		select {
		case <-r.ended:
			c.end(berth.Exit{Kind: berth.ExitSignaled, Code: 137, Signal: "SIGKILL"})
		case <-c.done:
		}
	}()
	r.started <- c
	return c, nil
}

func (r *fakeRuntime) startCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.specs)
}

// next is the next container that was started.
func (r *fakeRuntime) next(t *testing.T) *fakeContainer {
	t.Helper()
	return receive(t, r.started, "a start")
}

func newFakeContainer(spec Spec) *fakeContainer {
	return &fakeContainer{
		spec: spec, done: make(chan struct{}),
		stops: make(chan time.Duration, 100), kills: make(chan time.Duration, 100),
	}
}

// fakeContainer ends when it is killed, or when the test says so.
type fakeContainer struct {
	spec  Spec
	done  chan struct{} // closed by end
	stops chan time.Duration
	kills chan time.Duration // boottime
	once  sync.Once
	exit  berth.Exit // written before done is closed

	mu        sync.Mutex // guards all below
	dismissed string
}

func (c *fakeContainer) Done() <-chan struct{} { return c.done }

func (c *fakeContainer) Exit() (berth.Exit, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exit, c.dismissed
}

func (c *fakeContainer) Stop(grace time.Duration, dismissed string) {
	c.mu.Lock()
	if c.dismissed == "" {
		c.dismissed = dismissed
	}
	c.mu.Unlock()
	c.stops <- grace
}

func (c *fakeContainer) Kill() {
	c.kills <- bootClock{}.Now()
	c.end(berth.Exit{Kind: berth.ExitSignaled, Code: 137, Signal: "SIGKILL"})
}

func (c *fakeContainer) end(exit berth.Exit) {
	c.once.Do(func() {
		c.exit = exit
		close(c.done)
	})
}

// patience bounds every wait of a test: far longer than what is waited for takes.
const patience = 20 * time.Second

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %v", what, patience)
		panic("unreachable")
	}
}
