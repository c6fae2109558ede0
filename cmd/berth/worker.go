package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/process"
)

func workerCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "worker",
		Usage: "the agent of one machine; with --hollow, many that only pretend to run",
		Flags: flatten([]cli.Flag{
			stringFlag("name", "", "`NAME` of the worker (default: the host's)"),
			stringFlag("pool", string(berth.DefaultPool), "`POOL` it belongs to"),
			listFlag("labels", "`KEY=VALUE`, comma-separated"),
			listFlag("taint", "`KEY=VALUE:EFFECT` or KEY:EFFECT that keeps off what does not tolerate it: no_place, prefer_no_place or no_run"),
			boolFlag("spot", "somebody else may take this machine away at any time: requests see the label berth.spot=true"),
			listFlag("warm-key", "affinity `KEY` that is always warm here, beside those of what ran here lately"),
			listFlag("warm-image", "`IMAGE` that is always here; for runtimes of images, so with --hollow only"),
			stringFlag("data-dir", "/var/lib/berth-worker", "`DIR` of its lease's record and of its containers' output"),
			stringFlag("cpu", "", "`CORES` it offers (default: those of the machine less what is kept back)"),
			stringFlag("memory", "", "`BYTES` it offers, as "+bytesForms+" (default: as for cpu)"),
			stringFlag("disk", "", "`BYTES` it offers, as "+bytesForms+" (default: what is free in data-dir)"),
			listFlag("custom", "`NAME=NUMBER` of a resource that you name"),
			inventoryFlag(),
			linkByFlag(),
			listFlag("device", "`NAME=TYPE` of a device: gpu0=h100; instead of --devices"),
			stringFlag("ports", "", "`FIRST-LAST` of the host ports it gives out (default: 20000-32767)"),
			stringFlag("reserve-cpu", "", "`CORES` kept back for the system (default: 5 %, at least 0.1)"),
			stringFlag("reserve-memory", "", "`BYTES` kept back for the system (default: 10 %, at most 512MiB)"),
			durationFlag("ttl", worker.DefaultTTL, "`DURATION` of its lease: whole seconds"),
			stringFlag("on-stop", string(worker.OnStopStop), "`HOW`, when it is told to end: stop its containers, drain (wait for them), or keep them for the next agent (as SIGHUP does)"),
			stringFlag("listen", "", "`HOST:PORT` of its log service (default: a free port of loopback); beyond loopback it needs certificates"),
			boolFlag("wait-for-name", "wait for the end of another agent of this name, instead of ending with an error"),
			shimFlag(),
			boolFlag("no-cgroups", "do not limit CPU and memory"),
			stringFlag("hollow", "", "pretend to be `COUNT` workers, or those of a CSV FILE whose first line names columns, any of: name, cpu_milli, memory_bytes or memory_mib, disk_bytes, gpus, gpu_type, labels (zone=a;disk=nvme), taints (gpu=yes:no_place), spot (true), warm_images (train:3;serve:1)"),
			durationFlag("hollow-run", 0, "a pretended container runs for `DURATION` (default: until it is stopped)"),
			durationFlag("hollow-start-delay", 0, "a pretended start takes `DURATION`"),
			boolFlag("hollow-fail-starts", "every pretended start fails"),
			boolFlag("hollow-hang", "never start anything"),
		}, tlsFlags(), etcdFlags(defaultEndpoint), logFlags()),
		Action: runWorker,
	})
}

// shimFlag says which binary supervises containers.
func shimFlag() cli.Flag {
	return stringFlag("shim", "", "`FILE` of berth-shim, which supervises containers (default: beside berth, else in PATH)")
}

func runWorker(c *cli.Context) error {
	log, err := newLogger(c)
	if err != nil {
		return usage("%w", err)
	}
	hollow := c.String("hollow") != ""
	var pretend worker.HollowOptions
	var real worker.Options
	if hollow { // what is wrong with the flags is told before the store is waited for
		pretend, err = hollowOptions(c, log)
	} else if err = onlyHollow(c); err == nil {
		real, err = workerOptions(c, log)
	}
	if err != nil {
		return usage("%w", err)
	}
	client, err := dial(c, log)
	if err != nil {
		return usage("%w", err)
	}
	defer func() {
		if err := client.Close(); err != nil {
			log.Warn("close etcd's client", zap.Error(err))
		}
	}()
	store, err := etcdstore.New(client, etcdstore.Options{Prefix: c.String("prefix"), Layout: knownLayout(), Log: log.Named("store")})
	if err != nil {
		return usage("%w", err)
	}
	ctx, again, stop := untilSignal(c.Context)
	defer stop()
	if err := waitForStore(ctx, c.App, store, client.Endpoints(), log); err != nil {
		return err
	}
	if hollow {
		pretend.Store = store
		return runHollow(ctx, pretend)
	}
	real.Store, real.Abort = store, again
	return runAgent(ctx, c, real)
}

// waitForStore tries until the store answers: an agent may start before it.
func waitForStore(ctx context.Context, app *cli.App, store *etcdstore.Store, endpoints []string, log *zap.Logger) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := store.Init(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !etcdstore.Unreachable(err) {
			return fmt.Errorf("open the store at %s: %w", strings.Join(endpoints, ","), err)
		}
		log.Warn("the store does not answer; trying again", zap.Strings("endpoints", endpoints), zap.Error(err),
			zap.String("hint", cmp.Or(diagnosis(ctx, app, err), nextStep(err))))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("open the store at %s: %w", strings.Join(endpoints, ","), err)
		}
	}
}

// workerOptions of one worker with real processes, without its store.
func workerOptions(c *cli.Context, log *zap.Logger) (worker.Options, error) {
	name, dir := c.String("name"), c.String("data-dir")
	if name == "" {
		name = hostName()
	}
	if images := c.StringSlice("warm-image"); len(images) > 0 {
		return worker.Options{}, &berth.FieldError{
			Field: "warm-image", Value: images[0], Problem: "is of no use", Bound: "with --hollow only: this agent runs commands of its machine, not images",
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return worker.Options{}, fmt.Errorf("data directory: %w", err)
	}
	capacity, err := offered(c, dir)
	if err != nil {
		return worker.Options{}, err
	}
	devices, err := offeredDevices(c)
	if err != nil {
		return worker.Options{}, err
	}
	capacity.Devices = devices.Devices
	taints, err := parseTaints(splitCommas(c.StringSlice("taint")))
	if err != nil {
		return worker.Options{}, err
	}
	labels, err := parsePairs("labels", splitCommas(c.StringSlice("labels")))
	if err != nil {
		return worker.Options{}, err
	}
	if at := c.String("listen"); at != "" && tlsFiles(c).IsZero() && !mtls.Loopback(at) {
		return worker.Options{}, fmt.Errorf("listen on %s: %w", at, mtls.ErrNotLoopback)
	}
	if _, err := process.FindShim(c.String("shim")); err != nil {
		return worker.Options{}, err
	}
	opts := worker.Options{
		ID: berth.WorkerID(name), Pool: berth.PoolID(c.String("pool")), Labels: labels, Taints: taints, Spot: c.Bool("spot"), WarmKeys: c.StringSlice("warm-key"), Capacity: capacity, DiskFound: c.String("disk") == "", StateDir: dir,
		DeviceUUIDs: devices.UUIDs,
		TTL:         c.Duration("ttl"), OnStop: worker.OnStop(c.String("on-stop")),
		WaitForName: c.Bool("wait-for-name"), Version: version, Log: log,
		OnRegistered: func(berth.Epoch) {
			notify(log, systemd.SdNotifyReady)
		},
	}
	return opts, opts.Check()
}

// runAgent runs one worker with real processes.
func runAgent(ctx context.Context, c *cli.Context, opts worker.Options) error {
	log := opts.Log
	listener, err := listenForLogs(ctx, c)
	if err != nil {
		return &listenError{"listen", err}
	}
	opts.Address = mtls.Advertised(listener, tlsFiles(c))
	a, err := newAgent(agentOptions{worker: opts, noCgroups: c.Bool("no-cgroups"), shim: c.String("shim")})
	if err != nil {
		return errors.Join(usage("%w", err), listener.Close())
	}
	ctx, stop := untilHangup(ctx, a.w.KeepContainers)
	defer stop()
	g := new(errgroup.Group)
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return mtls.Serve(own, listener, a.logs.Service(), log) })
	g.Go(func() error {
		keepWatchdog(own, log, func(context.Context) error { return nil })
		return nil
	})
	g.Go(func() error {
		defer cancel() // the output can be read until the end
		defer notify(log, systemd.SdNotifyStopping)
		return a.run(ctx)
	})
	return g.Wait()
}

// listenForLogs opens any free port anew where it was before: an agent that takes
// up its epoch is known to others by that address.
func listenForLogs(ctx context.Context, c *cli.Context) (net.Listener, error) {
	if c.String("listen") != "" {
		return mtls.Listen(ctx, c.String("listen"), tlsFiles(c))
	}
	return listenAgain(ctx, c.String("data-dir"), tlsFiles(c))
}

// listenAgain opens the free port that it opened before for a directory, if nobody has it.
func listenAgain(ctx context.Context, dir string, with mtls.Files) (net.Listener, error) {
	file := filepath.Join(dir, "log-address")
	if before, err := os.ReadFile(file); err == nil {
		if l, err := mtls.Listen(ctx, strings.TrimSpace(string(before)), with); err == nil {
			return l, nil
		}
	}
	l, err := mtls.Listen(ctx, "", with)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(l.Addr().String()+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("keep the address of the log service: %w", err), l.Close())
	}
	return l, nil
}

// offered is the machine's capacity but for devices, with what the flags say instead.
func offered(c *cli.Context, dir string) (berth.Capacity, error) {
	keep := worker.DefaultReserve
	var err error
	if text := c.String("reserve-cpu"); text != "" {
		if keep.CPUMilli, err = parseCPU("reserve-cpu", text); err != nil {
			return berth.Capacity{}, err
		}
	}
	if text := c.String("reserve-memory"); text != "" {
		if keep.MemoryBytes, err = parseBytes("reserve-memory", text, berth.MaxMemoryBytes); err != nil {
			return berth.Capacity{}, err
		}
	}
	out, err := worker.Detect(dir, keep)
	if err != nil {
		return out, err
	}
	if text := c.String("cpu"); text != "" {
		if out.CPUMilli, err = parseCPU("cpu", text); err != nil {
			return out, err
		}
	}
	for _, f := range []struct {
		name string
		to   *int64
		most int64
	}{{"memory", &out.MemoryBytes, berth.MaxMemoryBytes}, {"disk", &out.DiskBytes, berth.MaxDiskBytes}} {
		if text := c.String(f.name); text != "" {
			if *f.to, err = parseBytes(f.name, text, f.most); err != nil {
				return out, err
			}
		}
	}
	if out.Custom, err = parseCounts("custom", c.StringSlice("custom"), berth.MaxCustom); err != nil {
		return out, err
	}
	if text := c.String("ports"); text != "" {
		if out.Ports, err = parsePorts(text); err != nil {
			return out, err
		}
	}
	return out, nil
}

// offeredDevices are those that --devices or --device say.
func offeredDevices(c *cli.Context) (out worker.Inventory, err error) {
	if !c.IsSet("device") {
		return inventory(c)
	}
	if given(c, "device") && given(c, "devices") {
		return out, errors.New("--device and --devices exclude each other")
	}
	if c.String("link-by") == byNUMA {
		return out, fmt.Errorf("%s does not go with --device: nothing is known of how these are linked", setBy(c, "link-by"))
	}
	devices, err := parsePairs("device", c.StringSlice("device"))
	for _, name := range sortedKeys(devices) {
		out.Devices = append(out.Devices, berth.Device{Name: name, Type: devices[name]})
	}
	return out, err
}

func parsePorts(text string) (berth.PortRange, error) { return worker.ParsePorts(text) }

// agentOptions of one worker that runs processes.
type agentOptions struct {
	worker    worker.Options // without its Runtime
	logs      *worker.Logs   // shared by the workers of one process; nil: its own
	noCgroups bool
	shim      string // the binary of shims, or where FindShim looks
}

// agent is one worker with its processes and their output.
type agent struct {
	w    *worker.Worker
	rt   *process.Runtime
	logs *worker.Logs
	own  bool // the logs are its own to keep in bounds
	log  *zap.Logger
}

func newAgent(opts agentOptions) (*agent, error) {
	a := &agent{logs: opts.logs, log: opts.worker.Log}
	var err error
	if a.logs == nil {
		a.own = true
		if a.logs, err = worker.NewLogs(filepath.Join(opts.worker.StateDir, "logs")); err != nil {
			return nil, err
		}
	}
	path, err := process.FindShim(opts.shim)
	if err != nil {
		return nil, err
	}
	a.rt, err = process.New(process.Options{
		Worker: opts.worker.ID, StateDir: opts.worker.StateDir, Logs: a.logs, NoCgroups: opts.noCgroups, Shim: path, Log: opts.worker.Log,
	})
	if err != nil {
		return nil, err
	}
	opts.worker.Runtime = a.rt
	if a.w, err = worker.New(opts.worker); err != nil {
		return nil, err
	}
	return a, nil
}

// run lives the worker's life. Its processes' runtime ends after it: their end
// is its to bring about and to report.
func (a *agent) run(ctx context.Context) error {
	g := new(errgroup.Group)
	after, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return a.rt.Run(after) })
	if a.own {
		g.Go(func() error { return a.logs.Keep(after, worker.Retention{}, a.log) })
	}
	g.Go(func() error {
		defer cancel()
		return a.w.Run(ctx)
	})
	return g.Wait()
}
