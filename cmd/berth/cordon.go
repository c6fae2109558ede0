package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func cordonCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "cordon", Usage: "place nothing new on workers; what runs there goes on", ArgsUsage: "WORKER...",
		Flags: clientFlags(stringFlag("message", "", "why, for who reads it later"), outputFlag()),
		Action: func(c *cli.Context) error {
			return eachWorker(c, func(ctx context.Context, cl *client.Client, w string) (*berthv1.Worker, error) {
				return cl.SetIntent(ctx, &berthv1.SetIntentRequest{Worker: w, Cordon: true, Message: c.String("message")})
			})
		},
	})
}

func uncordonCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "uncordon", Usage: "place on workers again, after cordon or drain", ArgsUsage: "WORKER...",
		Flags: clientFlags(outputFlag()),
		Action: func(c *cli.Context) error {
			return eachWorker(c, func(ctx context.Context, cl *client.Client, w string) (*berthv1.Worker, error) {
				return cl.SetIntent(ctx, &berthv1.SetIntentRequest{Worker: w})
			})
		},
	})
}

func drainCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "drain", Usage: "empty workers: cordon them, and stop what runs there, to run elsewhere", ArgsUsage: "WORKER...",
		Flags: clientFlags(
			stringFlag("message", "", "why, for who reads it later"),
			boolFlag("no-wait", "return at once, not when they are empty"),
			outputFlag(),
		),
		Action: func(c *cli.Context) error {
			return eachWorker(c, func(ctx context.Context, cl *client.Client, name string) (*berthv1.Worker, error) {
				w, err := cl.SetIntent(ctx, &berthv1.SetIntentRequest{Worker: name, Cordon: true, Drain: true, Message: c.String("message")})
				if err != nil || c.Bool("no-wait") {
					return w, err
				}
				return emptied(ctx, c, cl, w)
			})
		},
	})
}

// eachWorker applies a change to the workers that are named.
func eachWorker(c *cli.Context, change func(context.Context, *client.Client, string) (*berthv1.Worker, error)) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if err := noFlags(c); err != nil {
		return err
	}
	if c.NArg() == 0 {
		return usage("%s: no WORKER; berth workers lists them", c.Command.Name)
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	var failed []error
	for _, name := range c.Args().Slice() {
		w, err := change(ctx, cl, name)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s %s: %w", c.Command.Name, name, err))
			continue
		}
		if asJSON {
			err = printLine(c.App.Writer, w)
		} else {
			_, err = fmt.Fprintf(c.App.Writer, "%s is %s, %d containers\n", w.GetId(), w.GetState(), w.GetCount())
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// lookAgain is how often a drain looks at its worker: people wait for it.
const lookAgain = 200 * time.Millisecond

// emptied waits until nothing is left on a worker, and says how far it is.
func emptied(ctx context.Context, c *cli.Context, cl *client.Client, w *berthv1.Worker) (*berthv1.Worker, error) {
	for said := int64(-1); w.GetCount() > 0; {
		if w.GetCount() != said {
			said = w.GetCount()
			fmt.Fprintf(c.App.ErrWriter, "berth: %s: %d left to end\n", w.GetId(), said)
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return nil, fmt.Errorf("not waited for; it goes on: %w", ctx.Err())
		}
		all, err := cl.Workers(ctx)
		if err != nil {
			return nil, err
		}
		id, gone := w.GetId(), true
		for _, now := range all {
			if now.GetId() == id {
				w, gone = now, false
			}
		}
		if gone {
			return &berthv1.Worker{Id: id, State: "lost"}, nil
		}
	}
	return w, nil
}
