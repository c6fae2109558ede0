package main

import (
	"encoding/json"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/berthd/berth/bench"
)

func benchStartCommand() *cli.Command {
	return benchVerb(&cli.Command{
		Name: "start", Usage: "a restart on a store that is full: until the first placement, and until everything is known",
		Flags: flatten([]cli.Flag{
			intFlag("workers", 1000, "in the store"),
			intFlag("allocations", 100_000, "in the store"),
		}, contestFlags()),
		Action: benchStart,
	})
}

func benchStart(c *cli.Context) error {
	const name = "bench start"
	if c.NArg() > 0 {
		return usage("%s: takes no arguments, got %q", name, c.Args().First())
	}
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	shared, err := benchOptions(c)
	if err != nil {
		return usage("%s: %w", name, err)
	}
	live := newLiveLine(c.App.ErrWriter, &bench.Progress{})
	shared.Progress, shared.Say = live.progress, live.say
	opts := bench.StartOptions{Options: shared, Allocations: c.Int("allocations")}
	if err := opts.Validate(); err != nil {
		return usage("%s: %w", name, err)
	}
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	leaveRoomForGarbage(ctx)
	warnOfMemory(c, live)
	live.start()
	r, err := bench.Start(ctx, opts)
	live.end()
	if err != nil {
		return benchError(name, err)
	}
	if asJSON {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		_, err = fmt.Fprintf(c.App.Writer, "%s\n", b)
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "%d allocations on %d workers, median of %d restarts\n"+
		"etcd serves       %6.1f s\nfirst placement   %6.1f s\neverything known  %6.1f s   CPU %.1f s\n"+
		"daemon's heap     %s (%.0f bytes an allocation), etcd's %s, resident %s, database %s\n",
		r.Allocations, r.Workers, r.Rounds, r.StoreS, r.FirstPlacementS, r.KnownS, r.CPUS,
		humanize.IBytes(uint64(max(0, r.HeapBytes))), r.BytesPerAlloc, humanize.IBytes(uint64(r.StoreHeapBytes)),
		humanize.IBytes(uint64(r.RSSBytes)), humanize.IBytes(uint64(r.DBBytes)))
	return err
}
