package robustness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
	"github.com/berthd/berth/worker"
)

// actor is a daemon or an agent, through all its lives.
type actor struct {
	w       *world
	name    string
	agent   bool
	on      *machine
	lives   int
	process *process
	daemon  *daemon.Daemon // of the present life
	done    bool           // the present life has ended by itself
}

func (w *world) actor(name string) *actor {
	for _, a := range w.actors {
		if a.name == name {
			return a
		}
	}
	return nil
}

// pageSize makes a daemon's load take many pages: time in which something happens.
const pageSize = 10

// start begins the next life, unless one lives.
func (a *actor) start() {
	if p := a.process; p != nil && !p.dead && !a.done {
		return
	}
	a.lives++
	a.done = false
	p := &process{w: a.w, name: a.name, life: a.lives, on: a.on, died: make(chan struct{})}
	p.ctx, p.end = context.WithCancel(context.Background())
	a.process = p
	a.w.note(a.name, fmt.Sprintf("begins life %d", a.lives))
	store, err := etcdstore.New(memetcd.NewClient(p.ctx, conn{p}), etcdstore.Options{
		TxnBase: fmt.Sprintf("%sx%d", a.name, a.lives), MaxTxnOps: 128, PageSize: pageSize, Clock: a.on.clock.Now, Log: a.w.log(a.name),
	})
	if err != nil {
		a.w.check.fail("sim", "make the store of "+a.name+": "+err.Error())
		return
	}
	run, err := a.program(p, store)
	if err != nil {
		a.w.check.fail("sim", "make "+a.name+": "+err.Error())
		return
	}
	go func() {
		err := run(p.ctx)
		a.w.arrive(&arrival{of: p, what: "exit", detail: func() string { return "" }, do: func() { a.exited(p, err) }})
	}()
}

func (a *actor) program(p *process, store *etcdstore.Store) (func(context.Context) error, error) {
	if a.agent {
		return a.agentProgram(p, store)
	}
	d, err := daemon.New(store, daemon.Options{
		ID: berth.DaemonID(a.name), Version: "sim", Now: a.on.wall, Log: a.w.log(a.name),
		Retention: daemon.Retention{MaxAge: a.w.plan.Retention},
	})
	if err != nil {
		return nil, err
	}
	a.daemon = d
	return d.Run, nil
}

func (a *actor) agentProgram(p *process, store *etcdstore.Store) (func(context.Context) error, error) {
	leave := []worker.OnStop{worker.OnStopStop, worker.OnStopKeep, worker.OnStopKeep, worker.OnStopDrain}[a.w.rng.IntN(4)]
	agent, err := worker.New(worker.Options{
		ID: berth.WorkerID(a.name), Labels: a.w.plan.labels(a.name), Capacity: a.w.plan.capacity(a.name),
		Store: store, Runtime: simRuntime{p}, TTL: a.w.plan.TTL, OnStop: leave, WaitForName: true, Version: "sim",
		Now: a.on.wall, Clock: a.on.clock, BootID: a.on.bootID(), Log: a.w.log(a.name),
		OpenRecords: func() (worker.Records, error) { return records{p}, nil },
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		for {
			if err := store.Init(ctx); err == nil || ctx.Err() != nil {
				break
			}
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		return agent.Run(ctx)
	}, nil
}

// exited is the end of a life that was not killed.
func (a *actor) exited(p *process, err error) {
	if a.process != p {
		return
	}
	a.w.note(a.name, fmt.Sprintf("has ended: %v", err))
	a.done = true
	if err != nil && !errors.Is(err, context.Canceled) && !etcdstore.Unreachable(err) {
		a.w.tally.Ends[err.Error()]++
	}
	for _, c := range p.asks {
		c.broken()
	}
	p.asks = nil
	if p.over != nil {
		p.over()
		return
	}
	a.restartIn(time.Second) // as its service manager does
}

func (a *actor) restartIn(d time.Duration) { a.w.after(d, nil, a.start) }

// stopInOrder tells a process to end, as SIGTERM does, and starts the next after
// its end.
func (a *actor) stopInOrder(pause time.Duration) {
	p := a.process
	if p.dead || a.done {
		return
	}
	a.w.note(a.name, "told to end")
	p.over = func() { a.restartIn(pause) }
	p.end()
}

func (w *world) log(name string) *zap.Logger {
	if w.trace == nil {
		return zap.NewNop()
	}
	return zap.New(w.trace.core(w, name))
}
