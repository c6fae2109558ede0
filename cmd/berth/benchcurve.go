package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth/bench"
)

func benchCurveCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "curve", Usage: "a series of measurements, of which one thing changes, as lines of JSON",
		ArgsUsage: "load|workers|allocations|decisions",
		Description: "load: placements, as requests come at shares of the sustained rate. workers, allocations: placements, with more of these.\n" +
			"decisions: decisions alone, by workers, strategy, shapes, and how full the workers are. Each point is a line in --out as\n" +
			"soon as it is measured; the same command measures what is missing there. `make plots` draws them.",
		Flags: flatten([]cli.Flag{
			stringFlag("out", "", "`FILE` that lines are added to; what this program has measured there before is not measured again (default: standard output)"),
			stringFlag("at", "", "`NUMBERS`, comma-separated: percents of the sustained rate, workers, or allocations (default: the curve's own)"),
			durationFlag("within", 0, "it ends after `DURATION`, as by Ctrl-C"),
			intFlag("requests", 0, "of a round (default: 20000; of load, what comes in 10 s; of decisions, 100000)"),
			intFlag("rounds", 3, "of each point"),
			intFlag("seed", 1, "of what is random"),
			stringFlag("store-dir", "", "`DIR` for the temporary directories of stores (default: the system's)"),
		}, storeFlags(), []cli.Flag{
			stringFlag("log-level", "error", "`LEVEL`: debug, info, warn, error"),
			stringFlag("log-format", "console", "`FORMAT`: json, console"),
		}),
		Action: runCurve,
	})
}

func runCurve(c *cli.Context) error {
	name, err := oneArgument(c, "CURVE")
	if err != nil {
		return err
	}
	opts := bench.CurveOptions{Curve: bench.Curve(name)}
	if opts.Options, err = benchOptions(c); err != nil {
		return usage("bench curve: %w", err)
	}
	if c.String("at") != "" {
		if opts.At, err = parseNumbers(c, "at"); err != nil {
			return usage("bench curve: %w", err)
		}
	}
	if err := opts.Validate(); err != nil {
		return usage("bench curve: %w", err)
	}
	live := newLiveLine(c.App.ErrWriter, &bench.Progress{})
	opts.Progress, opts.Say = live.progress, live.say
	unended, _, stop := untilSignal(c.Context)
	defer stop()
	leaveRoomForGarbage(unended)
	ctx := unended
	if within := c.Duration("within"); within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	to := asIs(c.App.Writer)
	if path := c.String("out"); path != "" {
		if opts.Have, err = bench.ReadCurve(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("bench curve: %w", err)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("bench curve: %w", err)
		}
		defer func() { _ = f.Close() }() // each line is synced
		to = appended{f}
	}
	opts.Write = func(p bench.CurvePoint) error { return bench.WriteCurve(to, p) }
	warnOfMemory(c, live)
	live.start()
	missing, err := bench.MeasureCurve(ctx, opts)
	live.end()
	switch {
	case err != nil:
		return afterCtrlC(unended, c, benchError("bench curve", err))
	case missing > 0:
		return afterCtrlC(unended, c, fmt.Errorf("bench curve %s: ended early; points that are missing: %d. The same command goes on with them", name, missing))
	}
	return nil
}

// appended is a file whose lines are on disk when they are written.
type appended struct{ *os.File }

func (f appended) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, errors.Join(err, f.Sync())
}
