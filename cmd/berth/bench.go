package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
	"github.com/berthd/berth/bench"
)

func benchCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "bench",
		Usage:     "measure this machine: placements beside what its store could do with no scheduler",
		ArgsUsage: "place|life|seed|floor|decide|start|run|group|curve",
		Description: "Each round measures the scheduler and the floor (the same writes, put into etcd by themselves) on fresh stores of the\n" +
			"same size; every write is synced. The stores are embedded, in temporary directories, or prefixes of an etcd that runs\n" +
			"elsewhere; nothing of them is left. docs/performance.md says what each field means.",
		Subcommands: []*cli.Command{benchPlaceCommand(), benchLifeCommand(), benchSeedCommand(), benchFloorCommand(), benchDecideCommand(), benchStartCommand(), benchRunCommand(), benchGroupCommand(), benchCurveCommand()},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usage("bench: %q is unknown; allowed: place, life, seed, floor, decide, start, run, group, curve", c.Args().First())
			}
			return usage("bench: want place, life, seed, floor, decide, start, run, group or curve; berth bench --help tells more")
		},
	})
}

// benchVerb is a command below bench that needs a store, or several.
func benchVerb(c *cli.Command) *cli.Command {
	c.Flags = append(c.Flags, stringFlag("store-dir", "", "`DIR` for the temporary directories of stores (default: the system's)"))
	c.Flags = append(c.Flags, storeFlags()...)
	return bareBenchVerb(c)
}

// bareBenchVerb is one that needs none.
func bareBenchVerb(c *cli.Command) *cli.Command {
	name := "bench " + c.Name
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
		return usage("%s: %v; berth %s --help lists its flags", name, err, name)
	}
	c.HideHelpCommand = true
	refuseArguments(c, name)
	return c
}

// contestFlags are those of scheduler and floor by turns.
func contestFlags() []cli.Flag {
	return flatten(drawnFlags("of scheduler and floor, by turns"), keptFlags())
}

// drawnFlags say what requests are drawn, and how often it is measured.
func drawnFlags(rounds string) []cli.Flag {
	return []cli.Flag{
		listFlag("shape", "`CPU:MEMORY` that a request asks for, as 0.1:256MiB; several are mixed at random (default: 0.1:256MiB)"),
		intFlag("shapes", 0, "mix so many unlike shapes"),
		stringFlag("strategy", string(berth.StrategySpread), "`STRATEGY` of the pool: spread, binpack"),
		intFlag("rounds", 3, rounds),
		intFlag("seed", 1, "of what is random"),
	}
}

// keptFlags say what is kept and told of a measurement.
func keptFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag("cpu-profile", "", "`FILE` for a CPU profile of the last round of what is measured, without the floor"),
		outputFlag(),
		stringFlag("log-level", "error", "`LEVEL`: debug, info, warn, error"),
		stringFlag("log-format", "console", "`FORMAT`: json, console"),
	}
}

// storeFlags are those of an external store. The prefix is made anew for each
// round: a measurement never writes where somebody's daemons read. None is read from
// the environment: what is set there for the fleet's own store would be loaded, and
// defragmented, by whoever wanted to know how fast his machine is.
func storeFlags() []cli.Flag {
	var out []cli.Flag
	for _, f := range etcdFlags("none; the stores are embedded") {
		if f.Names()[0] == "prefix" {
			continue
		}
		if f, ok := f.(*cli.StringFlag); ok {
			f.EnvVars = nil
		}
		out = append(out, f)
	}
	return out
}

func floorFlags(batches, inFlight string) []cli.Flag {
	return []cli.Flag{
		stringFlag("floor-batch", batches, "`NUMBERS` of placements in a transaction that the floor tries, comma-separated"),
		stringFlag("floor-in-flight", inFlight, "`NUMBERS` of transactions in flight that it tries"),
	}
}

func loadFlags() []cli.Flag {
	return []cli.Flag{
		intFlag("daemons", 1, "that share the store"),
		stringFlag("via", string(bench.ViaProcess), "`WAY` of the calls: process, socket"),
	}
}

func placeFlags() []cli.Flag {
	return flatten([]cli.Flag{
		intFlag("workers", 1000, "that requests are placed on; nothing is started"),
		intFlag("requests", 20_000, "of a round"),
		intFlag("concurrency", 1024, "callers, of which each waits for its answer before its next call"),
		intFlag("per-call", 1, "requests of a call"),
		&cli.Float64Flag{Name: "rate", Usage: "requests a second, whatever the answers do", DefaultText: "none: as fast as callers get answers", EnvVars: envOf("rate")},
		intFlag("allocations", 0, "that are in the store already"),
		intFlag("fill", 50, "percent of the workers' capacity that is used at the end"),
		intFlag("warmup", 500, "requests before the clock runs"),
	}, loadFlags())
}

func benchPlaceCommand() *cli.Command {
	return benchVerb(&cli.Command{
		Name: "place", Usage: "placements: from the call to the answer that a request is placed and on disk",
		Flags: flatten(placeFlags(), []cli.Flag{
			boolFlag("tenant-quota", "the requests' tenant has a quota, which is larger than what they use"),
			stringFlag("maintain", string(bench.MaintainNothing), "`WHAT` is done to the store meanwhile: none, compact (ten times), defragment (halfway, and a compaction before it)"),
			stringFlag("against", string(bench.AgainstNothing), "`WHAT` it is measured against, by turns: none, one-daemon (instead of --daemons), no-maintenance, no-quota"),
		}, floorFlags("24,64,256,512", "1,2,4,8"), contestFlags()),
		Action: func(c *cli.Context) error { return runBench(c, placeOptions, bench.Place) },
	})
}

func benchLifeCommand() *cli.Command {
	return benchVerb(&cli.Command{
		Name: "life", Usage: "whole lives: submitted, placed, started by a hollow worker, ended, archived",
		Flags: flatten([]cli.Flag{
			intFlag("workers", 100, "hollow ones"),
			intFlag("requests", 5000, "of a round"),
			intFlag("concurrency", 512, "lives that go on at once"),
			durationFlag("run-for", time.Millisecond, "a container runs for `DURATION`"),
		}, loadFlags(), floorFlags("24,64,256,512", "1,2,4,8"), contestFlags()),
		Action: func(c *cli.Context) error { return runBench(c, lifeOptions, bench.Life) },
	})
}

func benchSeedCommand() *cli.Command {
	return benchVerb(&cli.Command{
		Name: "seed", Usage: "100 requests at once on 20 workers, until all are placed: by calls, and over a socket",
		Flags: flatten([]cli.Flag{
			intFlag("workers", 20, "that requests are placed on; nothing is started"),
			intFlag("requests", 100, "of a burst, each by a call of its own"),
			intFlag("bursts", 20, "of a round, each on an empty fleet"),
			intFlag("warmup", 3, "bursts before the clock runs"),
		}, floorFlags("10,25,50,100", "1,2,4"), contestFlags()),
		Action: func(c *cli.Context) error { return runBench(c, seedOptions, bench.Seed) },
	})
}

func benchFloorCommand() *cli.Command {
	return benchVerb(&cli.Command{
		Name: "floor", Usage: "the writes of placements with no scheduler, beside a bare loop of etcd transactions",
		Flags: flatten(placeFlags(), []cli.Flag{
			boolFlag("lives", "the writes of whole lives instead"),
		}, floorFlags("1,24,64,256,512", "1,2,4,8,16"), contestFlags()),
		Action: func(c *cli.Context) error { return runBench(c, floorOptions, bench.Floor) },
	})
}

func benchDecideCommand() *cli.Command {
	return bareBenchVerb(&cli.Command{
		Name: "decide", Usage: "the scheduler's decisions alone, on one core: no store, no daemon",
		Flags: flatten([]cli.Flag{
			intFlag("workers", 10_000, "that are decided on"),
			intFlag("requests", 100_000, "decisions of a round, which ends after 10 s in any case; every one is applied before the next"),
			intFlag("fill", 0, "percent of the workers' capacity that is in use"),
		}, drawnFlags("measured, each on a fleet filled anew"), keptFlags()),
		Action: func(c *cli.Context) error { return runBench(c, decideOptions, bench.Decide) },
	})
}

// runBench reads the options, measures, and prints.
func runBench[O any](c *cli.Context, read func(*cli.Context, bench.Options) (O, error), measure func(context.Context, O) (*bench.Report, error)) error {
	name := "bench " + c.Command.Name
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	shared, err := benchOptions(c)
	if err != nil {
		return benchError(name, err)
	}
	live := newLiveLine(c.App.ErrWriter, &bench.Progress{})
	shared.Progress, shared.Say = live.progress, live.say
	opts, err := read(c, shared)
	if err != nil {
		return usage("%s: %w", name, err)
	}
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	leaveRoomForGarbage(ctx)
	if hasFlag(c, "store-dir") {
		warnOfMemory(c, live)
		if c.String("etcd-endpoints") == "" {
			c.App.Metadata[diagnosisKey] = func(context.Context) string {
				return "the embedded etcd did not answer in time: the machine is busy, or the disk of --store-dir is slow; measure again when it is not"
			}
		}
	}
	live.start()
	r, err := measure(ctx, opts)
	live.end()
	if r == nil {
		return afterCtrlC(ctx, c, benchError(name, err))
	}
	if r.PlacementsPerS != nil || asJSON {
		if err := printBench(c, r, asJSON); err != nil {
			return err
		}
	}
	if err != nil {
		return afterCtrlC(ctx, c, benchError(name, err))
	}
	return afterCtrlC(ctx, c, benchVerdict(r, shared.Rounds))
}

func hasFlag(c *cli.Context, name string) bool {
	return slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return f.Names()[0] == name })
}

func benchError(name string, err error) error {
	if err == nil {
		return nil
	}
	if bad, ok := errors.AsType[*berth.FieldError](err); ok {
		return usage("%s: %w", name, bad)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// benchVerdict fails what is no whole measurement.
func benchVerdict(r *bench.Report, rounds int) error {
	switch {
	case len(r.Violations) > 0:
		return &exitError{code: exitViolations, err: fmt.Errorf("the store violates its invariants: %s", strings.Join(r.Violations, "; "))}
	case r.Interrupted:
		return fmt.Errorf("interrupted: %d of %d rounds are complete", r.Rounds, rounds)
	}
	return nil
}

func printBench(c *cli.Context, r *bench.Report, asJSON bool) error {
	if !asJSON {
		return printBenchTable(c.App.Writer, r)
	}
	return printPlain(c.App.Writer, r)
}

// benchOptions are those that all of them share.
func benchOptions(c *cli.Context) (bench.Options, error) {
	o := bench.Options{
		Version: version, StoreDir: c.String("store-dir"), Workers: c.Int("workers"), Requests: c.Int("requests"), Rounds: c.Int("rounds"),
		Strategy: berth.Strategy(c.String("strategy")), Seed: uint64(c.Int("seed")),
	}
	if err := notZero(c, "workers", "requests", "rounds", "concurrency", "per-call", "daemons", "bursts"); err != nil {
		return o, err
	}
	if err := notNegative(c, "warmup", "seed"); err != nil {
		return o, err
	}
	if err := benchStore(c, &o); err != nil {
		return o, err
	}
	var err error
	if o.Shapes, err = parseShapes(c); err != nil {
		return o, err
	}
	if hasFlag(c, "floor-batch") {
		if o.Batches, err = parseNumbers(c, "floor-batch"); err != nil {
			return o, err
		}
		if o.InFlight, err = parseNumbers(c, "floor-in-flight"); err != nil {
			return o, err
		}
	}
	return o, nil
}

// benchStore reads which store it is, and what is kept of the measurement.
func benchStore(c *cli.Context, o *bench.Options) (err error) {
	if o.Log, err = newLogger(c); err != nil {
		return err
	}
	if c.String("etcd-endpoints") != "" {
		log := o.Log
		o.Dial = func() (*clientv3.Client, error) { return dial(c, log) }
		if err := answers(c, o.Dial); err != nil {
			return err
		}
	} else if o.StoreDir != "" {
		if info, err := os.Stat(o.StoreDir); err != nil || !info.IsDir() {
			return &berth.FieldError{Field: "store-dir", Value: o.StoreDir, Problem: "is no directory", Bound: "one that is there"}
		}
	}
	if path := c.String("cpu-profile"); path != "" {
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() { // before, not after, all is measured
			return &berth.FieldError{Field: "cpu-profile", Value: path, Problem: "is in no directory", Bound: "a file in one that is there"}
		}
		o.Profile = func() (func() error, error) { return startProfile(path) }
	}
	return nil
}

// storeAnswersIn is how long an external store may take to say anything at all: a
// measurement's own calls wait for longer than anybody would watch.
const storeAnswersIn = 5 * time.Second

func answers(c *cli.Context, dial func() (*clientv3.Client, error)) (err error) {
	client, err := dial()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	ctx, cancel := context.WithTimeout(c.Context, storeAnswersIn)
	defer cancel()
	if _, err := client.Get(ctx, "/berth-bench/", clientv3.WithCountOnly()); err != nil {
		return fmt.Errorf("etcd at %s does not answer: %w", c.String("etcd-endpoints"), err)
	}
	return nil
}

// notZero refuses zeros: in Options they mean the default, but nobody who writes one
// means that.
func notZero(c *cli.Context, names ...string) error {
	for _, name := range names {
		if c.IsSet(name) && c.Int(name) == 0 {
			return &berth.FieldError{Field: name, Value: "0", Problem: "is not allowed", Bound: "at least 1"}
		}
	}
	return nil
}

func startProfile(path string) (func() error, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("cpu-profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("cpu-profile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// warnOfMemory tells where no write reaches a disk, whatever is synced, and which
// store others may be using too.
func warnOfMemory(c *cli.Context, live *liveLine) {
	if endpoints := c.String("etcd-endpoints"); endpoints != "" {
		live.say("the store is etcd at %s; what is put there stands under /berth-bench/ and is deleted", endpoints)
		return
	}
	dir := c.String("store-dir")
	if dir == "" {
		dir = os.TempDir()
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err == nil && fs.Type == unix.TMPFS_MAGIC {
		live.say("%s is in memory (tmpfs): no write reaches a disk; name another one by --store-dir", dir)
	}
}
