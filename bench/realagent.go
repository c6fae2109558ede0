package bench

import (
	"context"
	"path/filepath"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/process"
)

// agentOptions of an agent that runs processes.
type agentOptions struct {
	dir       string
	shim      string
	noCgroups bool
	store     *etcdstore.Store
	capacity  berth.Capacity
	tracer    *tracer
	log       *zap.Logger
}

// realAgent is one, whose starts are traced.
type realAgent struct {
	runtime *process.Runtime
	worker  *worker.Worker
}

func newRealAgent(o agentOptions) (*realAgent, error) {
	logs, err := worker.NewLogs(filepath.Join(o.dir, "logs"))
	if err != nil {
		return nil, err
	}
	a := &realAgent{}
	a.runtime, err = process.New(process.Options{
		Worker: runWorker, StateDir: o.dir, Logs: logs, Shim: o.shim, NoCgroups: o.noCgroups, Log: o.log,
	})
	if err != nil {
		return nil, err
	}
	a.worker, err = worker.New(worker.Options{
		ID: runWorker, Capacity: o.capacity, StateDir: o.dir, Store: o.store, Runtime: traced{a.runtime, o.tracer}, Version: "bench", Log: o.log,
	})
	return a, err
}

// run ends the runtime after the worker: the processes' end is its to bring about.
func (a *realAgent) run(ctx context.Context) error {
	after, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return a.runtime.Run(after) })
	g.Go(func() error {
		defer cancel()
		return a.worker.Run(ctx)
	})
	return g.Wait()
}
