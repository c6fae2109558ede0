package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/worker"
)

func devCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "dev",
		Usage: "daemon, store and workers in one process, to try; prints what to try",
		Flags: flatten([]cli.Flag{
			stringFlag("data-dir", "", "`DIR` that is kept (default: a temporary one, removed at the end)"),
			stringFlag("listen", client.DefaultAddress, "`HOST:PORT` of the API, on loopback"),
			stringFlag("etcd-listen", "127.0.0.1:2379", "`HOST:PORT` of etcd, on loopback"),
			intFlag("workers", 1, "`N` share this machine"),
			stringFlag("gpus", "", "each worker says that it has so many GPUs, which nothing stands for: `N`, or NxTYPE of each type (2xh100,1xt4)"),
			shimFlag(),
			boolFlag("no-cgroups", "do not limit CPU and memory"),
			stringFlag("log-level", "warn", "`LEVEL`: debug, info, warn, error"),
			stringFlag("log-format", "console", "`FORMAT`: json, console"),
		}, historyFlags()),
		Action: runDev,
	})
}

func runDev(c *cli.Context) error {
	workers := c.Int("workers")
	if workers < 1 || workers > maxLocalWorkers {
		return usage("%v", &berth.FieldError{Field: "workers", Value: fmt.Sprint(workers), Problem: "is out of range", Bound: fmt.Sprintf("1 to %d", maxLocalWorkers)})
	}
	gpus, err := parseGPUs(c.String("gpus"))
	if err != nil {
		return usage("%w", err)
	}
	log, err := newLogger(c)
	if err != nil {
		return usage("%w", err)
	}
	history, err := historyOf(c)
	if err != nil {
		return usage("%w", err)
	}
	for _, name := range []string{"listen", "etcd-listen"} {
		if address := c.String(name); address != "" && !mtls.Loopback(address) {
			return usage("%w", &berth.FieldError{Field: name, Value: address, Problem: "is no address of loopback", Bound: "HOST:PORT such as 127.0.0.1:7070; beyond loopback berth daemon listens, with TLS"})
		}
	}
	capacity, err := worker.Detect(os.TempDir(), worker.DefaultReserve)
	if err != nil {
		return err
	}
	shared := berth.Capacity{Quantities: berth.Quantities{
		CPUMilli: capacity.CPUMilli / int64(workers), MemoryBytes: capacity.MemoryBytes / int64(workers), DiskBytes: capacity.DiskBytes / int64(workers),
	}, Ports: capacity.Ports, Devices: gpus}
	ctx, again, stop := untilSignal(c.Context)
	defer stop()
	leaveRoomForGarbage(ctx)
	return runLocal(ctx, localOptions{
		dir: c.String("data-dir"), listen: c.String("listen"), etcdListen: c.String("etcd-listen"),
		workers: workers, name: "dev", capacity: shared, noCgroups: c.Bool("no-cgroups"), shim: c.String("shim"), abort: again, history: history, log: log,
	}, func(l *local) error {
		if err := l.welcome(c, gpus); err != nil {
			return err
		}
		<-ctx.Done()
		fmt.Fprintln(c.App.ErrWriter, "berth: stopping; what runs is ended")
		return nil
	})
}

func (l *local) welcome(c *cli.Context, gpus []berth.Device) error {
	tries := [][2]string{
		{"run -- echo hello", "run a command; see its output"},
		{"submit --cpu 1 -- sleep 60", "submit, and go on"},
		{"list", "what is there"},
		{"explain ID", "why does it not run?"},
		{"workers", "who runs it"},
		{"worker --pool more --hollow 3", "three more, which only pretend to run"},
		{"fsck", "is the store consistent?"},
	}
	if len(gpus) > 0 {
		tries = slices.Insert(tries, 2, [2]string{"run --device " + gpus[0].Type + "=1 -- printenv BERTH_DEVICES", "which GPU does it get?"})
	}
	t := table{}
	for _, try := range tries {
		t.add("    "+calledAs(c)+" "+try[0], try[1])
	}
	t.add("    etcdctl --endpoints "+l.store+" get --prefix /berth/", "what is really in it?")
	if _, err := fmt.Fprintf(c.App.Writer, "Berth %s runs: API at %s, etcd at %s, data in %s.\nIn another terminal:\n\n", version, l.api, l.store, l.dir); err != nil {
		return err
	}
	for _, set := range [][3]string{{"address", l.api, client.DefaultAddress}, {"etcd-endpoints", l.store, defaultEndpoint}} {
		if set[1] == set[2] { // where verbs look anyway
			continue
		}
		if _, err := fmt.Fprintf(c.App.Writer, "    export %s=%s\n", envOf(set[0])[0], set[1]); err != nil {
			return err
		}
	}
	if err := t.write(c.App.Writer); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.App.Writer, "\nCtrl-C ends it.")
	return err
}

// maxLocalWorkers bounds the workers of one process.
const maxLocalWorkers = 100

// localOptions of a whole Berth in one process.
type localOptions struct {
	dir        string // empty: a temporary one
	listen     string
	etcdListen string
	workers    int
	name       string // of the workers: NAME-1, NAME-2 ...
	capacity   berth.Capacity
	noCgroups  bool
	shim       string
	abort      <-chan struct{}
	history    daemon.History
	log        *zap.Logger
}

// errorsOf leaves out etcd's advice for production, and what it says of every try.
func errorsOf(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		if less, err := zapcore.NewIncreaseLevelCore(c, zap.ErrorLevel); err == nil {
			return less
		}
		return c // it tells errors only already
	}))
}

func (o *localOptions) worker(i int) berth.WorkerID {
	return berth.WorkerID(fmt.Sprintf("%s-%d", o.name, i+1))
}

// local is a whole Berth that runs.
type local struct {
	dir, api, store string
	node            *node
}

// runLocal runs daemon, store and workers, calls use when all are ready, and
// ends them in the right order when it returns.
func runLocal(ctx context.Context, opts localOptions, use func(*local) error) (err error) {
	if opts.dir == "" {
		if opts.dir, err = os.MkdirTemp("", "berth-"); err != nil {
			return fmt.Errorf("make a temporary directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(opts.dir)) }()
	}
	l := &local{dir: opts.dir}
	l.node, err = openNode(ctx, nodeOptions{
		embedded: embed.Options{Dir: opts.dir, Listen: opts.etcdListen, Log: errorsOf(opts.log).Named("etcd")},
		daemon:   daemon.Options{ID: "dev", Version: version, History: opts.history, Log: opts.log},
		listen:   opts.listen, log: opts.log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.node.close()) }()
	l.api, l.store = l.node.listeners[0].Addr().String(), l.node.endpoint()
	return l.run(ctx, opts, use)
}

// run ends in the reverse order: use, the workers, the daemon.
func (l *local) run(ctx context.Context, opts localOptions, use func(*local) error) error {
	daemonCtx, stopDaemon := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDaemon()
	workersCtx, stopWorkers := context.WithCancel(ctx)
	defer stopWorkers()
	g := new(errgroup.Group)
	ready := make(chan struct{})
	failed := make(chan struct{})
	fail := sync.OnceFunc(func() { close(failed) })
	g.Go(func() error {
		defer fail()
		defer stopWorkers()
		return l.node.run(daemonCtx, func() { close(ready) })
	})
	g.Go(func() error {
		defer stopDaemon()
		select {
		case <-ready:
		case <-failed:
			return nil
		}
		return l.work(workersCtx, opts, failed, func() error {
			defer stopWorkers()
			return use(l)
		})
	})
	return g.Wait()
}

// work runs the workers around use.
func (l *local) work(ctx context.Context, opts localOptions, failed <-chan struct{}, use func() error) error {
	logs, err := worker.NewLogs(filepath.Join(opts.dir, "logs"))
	if err != nil {
		return err
	}
	listener, err := listenAgain(ctx, opts.dir, mtls.Files{})
	if err != nil {
		return err
	}
	logsCtx, stopLogs := context.WithCancel(context.WithoutCancel(ctx))
	side := new(errgroup.Group)
	side.Go(func() error { return mtls.Serve(logsCtx, listener, logs.Service(), opts.log) })
	side.Go(func() error { return logs.Keep(logsCtx, worker.Retention{}, opts.log) })
	registered := make(chan struct{}, opts.workers) // one each, at first
	g := new(errgroup.Group)
	for i := range opts.workers {
		a, err := l.agent(opts, i, logs, listener, registered)
		if err != nil {
			stopLogs()
			return errors.Join(err, side.Wait())
		}
		g.Go(func() error { return a.run(ctx) })
	}
	g.Go(func() error {
		if !l.allReady(ctx, opts, registered) {
			return nil
		}
		select {
		case <-failed:
			return nil
		default:
		}
		return use()
	})
	err = g.Wait()
	stopLogs()
	return errors.Join(err, side.Wait())
}

func (l *local) agent(opts localOptions, i int, logs *worker.Logs, listener net.Listener, registered chan struct{}) (*agent, error) {
	id := opts.worker(i)
	dir := filepath.Join(opts.dir, string(id))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("directory of worker %s: %w", id, err)
	}
	first := sync.OnceFunc(func() { registered <- struct{}{} })
	return newAgent(agentOptions{
		worker: worker.Options{
			ID: id, Capacity: opts.capacity, DiskFound: true, StateDir: dir, Store: l.node.store, Address: listener.Addr().String(),
			Abort: opts.abort, WaitForName: true, Version: version, Log: opts.log, OnRegistered: func(berth.Epoch) { first() },
		},
		logs: logs, noCgroups: opts.noCgroups, shim: opts.shim,
	})
}

// allReady waits until each of its workers is known, and can be placed on unless a person
// has it otherwise. Others may be on the store: of a former run, or pretended.
func (l *local) allReady(ctx context.Context, opts localOptions, registered <-chan struct{}) bool {
	for range opts.workers {
		select {
		case <-registered:
		case <-ctx.Done():
			return false
		}
	}
	for {
		all, err := l.node.daemon.Workers(ctx)
		if err != nil {
			return false
		}
		known := 0
		for i := range opts.workers {
			if slices.ContainsFunc(all, func(w daemon.WorkerStatus) bool {
				return w.ID == opts.worker(i) && w.State != "opening" && w.State != "lost"
			}) {
				known++
			}
		}
		if known == opts.workers {
			return true
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
}
