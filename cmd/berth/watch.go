package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func watchCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "watch",
		Usage:     "requests as they are, then each change, until Ctrl-C",
		ArgsUsage: "[ID...]",
		Flags:     clientFlags(append(filterFlags(), boolFlag("wait", "also for what is not there yet"), outputFlag())...),
		Action:    watch,
	})
}

// watch prints a line for each change; with -o json, one message a line.
func watch(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	f, err := filterOf(c)
	if err != nil {
		return err
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	if !c.Bool("wait") {
		if err := selected(ctx, cl, f, nil); err != nil {
			return err
		}
	}
	paint := painter(c.App.Writer)
	err = cl.Watch(ctx, f, func(s *berthv1.Status) error {
		if asJSON {
			return printLine(c.App.Writer, s)
		}
		// Lines come one by one: columns have widths that most ids fit in.
		state := fmt.Sprintf("%-9s", stateOf(s))
		if paint != nil {
			state = paint(1, stateOf(s)) + state[len(stateOf(s)):]
		}
		_, err := fmt.Fprintf(asIs(c.App.Writer), "%s  %-24s  %s  %-16s  %s\n",
			time.Now().Format("15:04:05.000"), s.GetId(), state, orDash(s.GetWorker()), shown(fit(c.App.Writer, describe(s), 100), false))
		return err
	})
	if ctx.Err() != nil && c.Context.Err() == nil || errors.Is(err, context.Canceled) {
		return nil // Ctrl-C
	}
	return filterError(err)
}
