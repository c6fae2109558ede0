package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth/bench"
)

func benchGroupCommand() *cli.Command {
	return benchVerb(&cli.Command{
		Name: "group", Usage: "groups that are placed wholly, one after the other: from the call until all members have their places",
		Description: "Each worker has room for one member; nothing is started. Beside each group, bare: the transactions that it needs, one after\n" +
			"the other; not where other requests come meanwhile.",
		Flags: flatten([]cli.Flag{
			intFlag("size", 256, "members of a group, and workers"),
			intFlag("groups", 300, "one after the other; 20 come before the clock runs"),
			intFlag("beside", 0, "requests a second that come by themselves meanwhile, for twice as many workers"),
			durationFlag("pause", 150*time.Millisecond, "`DURATION` before each group: etcd writes its file 100 ms after the last change, and is idle then"),
		}, keptFlags()),
		Action: runBenchGroup,
	})
}

func runBenchGroup(c *cli.Context) error {
	const name = "bench group"
	shared := bench.Options{Version: version, StoreDir: c.String("store-dir"), Requests: c.Int("groups")}
	if err := errors.Join(notZero(c, "size", "groups"), benchStore(c, &shared)); err != nil {
		return benchError(name, err)
	}
	opts := bench.GroupOptions{Options: shared, Size: c.Int("size"), Beside: c.Int("beside"), Pause: c.Duration("pause")}
	if opts.Pause == 0 {
		opts.Pause = -1 // none, which Options say otherwise
	}
	if err := opts.Validate(); err != nil {
		return usage("%s: %w", name, err)
	}
	return measureAlone(c, &opts.Options, name, func(ctx context.Context) (*bench.GroupReport, error) { return bench.Group(ctx, opts) }, printBenchGroup,
		func(r *bench.GroupReport) error {
			return verdictAlone(r.Violations, r.Interrupted, fmt.Sprintf("%d of %d groups", r.Groups, opts.Requests))
		})
}

func printBenchGroup(w io.Writer, r *bench.GroupReport) error {
	fmt.Fprintf(w, "bench group: %s groups of %s, one after the other, on %s workers; CPUs: %d\n\n", comma(r.Groups), comma(r.Setup.Size), comma(r.Setup.Workers), r.CPUs)
	t := &table{}
	t.add("", "p50", "p99", "p99.9", "")
	add := func(what string, q bench.Quantiles, note string) {
		t.add(what, ms(q.P50MS), ms(q.P99MS), ms(q.P999MS), note)
	}
	add("from the call until all are placed", r.Quantiles, "")
	if r.Limit != nil {
		add(fmt.Sprintf("its %.1f transactions, bare", *r.Txns), *r.Limit, "its share of the whole: "+ratio(r.Ratio))
	}
	if r.Others != nil {
		add("of the others, until they are placed", r.Others.Quantiles, fmt.Sprintf("%s/s of %s/s", comma(int(r.Others.PerS)), comma(r.Setup.Beside)))
	}
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printHistogram(w, "submit -> all members placed", r.Histogram)
}
