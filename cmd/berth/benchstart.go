package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth/bench"
)

func benchStartCommand() *cli.Command {
	return benchVerb(&cli.Command{
		Name: "start", Usage: "a restart on a store that is full: until the first placement, and until everything is known",
		Flags: flatten([]cli.Flag{
			intFlag("workers", 1000, "in the store"),
			intFlag("allocations", 100_000, "in the store"),
		}, drawnFlags("of a restart each"), keptFlags()),
		Action: benchStart,
	})
}

func benchStart(c *cli.Context) error {
	const name = "bench start"
	shared, err := benchOptions(c)
	if err != nil {
		return benchError(name, err)
	}
	opts := bench.StartOptions{Options: shared, Allocations: c.Int("allocations")}
	if err := opts.Validate(); err != nil {
		return usage("%s: %w", name, err)
	}
	return measureAlone(c, &opts.Options, name, func(ctx context.Context) (*bench.StartReport, error) { return bench.Start(ctx, opts) }, printBenchStart,
		func(*bench.StartReport) error { return nil })
}

func printBenchStart(w io.Writer, r *bench.StartReport) error {
	fmt.Fprintf(w, "bench start: %s workers, %s allocations; restarts: %d, of which this is the median\n\n", comma(r.Workers), comma(r.Allocations), r.Rounds)
	seconds := func(v float64) string { return fmt.Sprintf("%.3g s", v) }
	amount := func(v int64) string { return bytesOf(max(0, v)) }
	t := &table{}
	t.add("from the start until", "")
	t.add("etcd serves", seconds(r.StoreS))
	t.add("a new request is placed", seconds(r.FirstPlacementS))
	t.add("everything is known", seconds(r.KnownS))
	t.add("", "")
	t.add("CPU", seconds(r.CPUS))
	t.add("daemon's heap", fmt.Sprintf("%s, %s bytes an allocation", amount(r.HeapBytes), comma(int(r.BytesPerAlloc))))
	t.add("etcd's heap", amount(r.StoreHeapBytes))
	t.add("resident memory", amount(r.RSSBytes))
	t.add("database", amount(r.DBBytes))
	return t.write(w)
}
