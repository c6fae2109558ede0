package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth/bench"
	"github.com/berthd/berth/worker/process"
)

func benchRunCommand() *cli.Command {
	return benchVerb(&cli.Command{
		Name: "run", Usage: "from a client's call to a process that runs, on a system with nothing else to do: where the time goes",
		Description: "One request after the other, by a client over a unix socket, on one daemon and one real agent. Beside it, bare: the three\n" +
			"transactions that a start needs, and a fork and exec.",
		Flags: flatten([]cli.Flag{
			intFlag("requests", 200, "one after the other"),
			durationFlag("run-for", 20*time.Millisecond, "a process runs for `DURATION`"),
			stringFlag("agent", string(bench.ViaSocket), "`WAY` of the agent to an embedded store: socket, as `berth worker` has it; process, as `berth dev` has it"),
			shimFlag(),
			boolFlag("no-cgroups", "do not limit CPU and memory"),
		}, keptFlags()),
		Action: runBenchRun,
	})
}

func runBenchRun(c *cli.Context) error {
	const name = "bench run"
	shared := bench.Options{Version: version, StoreDir: c.String("store-dir"), Requests: c.Int("requests")}
	if err := errors.Join(notZero(c, "requests"), benchStore(c, &shared)); err != nil {
		return benchError(name, err)
	}
	opts := bench.RunOptions{
		Options: shared, RunFor: c.Duration("run-for"), Agent: bench.Via(c.String("agent")), NoCgroups: c.Bool("no-cgroups"),
	}
	var err error
	if opts.Shim, err = process.FindShim(c.String("shim")); err != nil {
		return usage("%s: %w", name, err)
	}
	if err := errors.Join(noInstant(c), opts.Validate()); err != nil {
		return usage("%s: %w", name, err)
	}
	return measureAlone(c, &opts.Options, name, func(ctx context.Context) (*bench.RunReport, error) { return bench.Run(ctx, opts) }, printBenchRun,
		func(r *bench.RunReport) error {
			return verdictAlone(r.Violations, r.Interrupted, fmt.Sprintf("%d of %d requests", r.Requests, opts.Requests))
		})
}

func printBenchRun(w io.Writer, r *bench.RunReport) error {
	limits := "none"
	if len(r.Setup.Enforces) > 0 {
		limits = strings.Join(r.Setup.Enforces, ", ")
	}
	fmt.Fprintf(w, "bench run: %s requests, one after the other; the agent reaches the store by: %s; limits: %s; CPUs: %d; incomplete: %d\n\n",
		comma(r.Requests), r.Setup.Agent, limits, r.CPUs, r.Incomplete)
	t := &table{}
	t.add("part", "p50", "p99", "share")
	for _, p := range r.Parts {
		t.add(p.Part, ms(p.P50MS), ms(p.P99MS), fmt.Sprintf("%.1f %%", 100*p.Share))
	}
	t.add("from the call until it runs", ms(r.P50MS), ms(r.P99MS), "100 %")
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = &table{}
	t.add("bare, in the same run", "p50", "p99", "")
	t.add("three transactions", ms(r.Limit.Writes.P50MS), ms(r.Limit.Writes.P99MS), "")
	t.add("fork and exec", ms(r.Limit.Fork.P50MS), ms(r.Limit.Fork.P99MS), "")
	t.add("both: the limit", ms(r.Limit.P50MS), ms(r.Limit.P99MS), "its share of the whole: "+ratio(r.Ratio))
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printHistogram(w, "submit -> RUNNING", r.Histogram)
}
