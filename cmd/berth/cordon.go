package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func cordonCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "cordon", Usage: "place nothing new on workers; what runs there goes on", ArgsUsage: "WORKER...",
		Flags: clientFlags(stringFlag("message", "", "`TEXT` that says why, for who reads it later"), outputFlag()),
		Action: func(c *cli.Context) error {
			return eachWorker(c, func(ctx context.Context, cl *client.Client, w string) (*berthv1.Worker, error) {
				return cl.SetIntent(ctx, &berthv1.SetIntentRequest{Worker: w, Cordon: true, Message: c.String("message")})
			})
		},
	})
}

func uncordonCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "uncordon", Usage: "place on workers again, after cordon, drain or remove", ArgsUsage: "WORKER...",
		Flags: clientFlags(outputFlag()),
		Action: func(c *cli.Context) error {
			return eachWorker(c, func(ctx context.Context, cl *client.Client, w string) (*berthv1.Worker, error) {
				return cl.SetIntent(ctx, &berthv1.SetIntentRequest{Worker: w})
			})
		},
	})
}

// noWorker adds to the error of a worker that is not there where they are shown.
func noWorker(err error) error {
	if ce, ok := errors.AsType[*client.CallError](err); ok && ce.Code == client.CodeNotFound {
		return fmt.Errorf("%w; berth workers lists them", err)
	}
	return err
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
	if err := readMessage(c); err != nil {
		return err
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
			failed = append(failed, fmt.Errorf("%s %s: %w", c.Command.Name, name, noWorker(err)))
			continue
		}
		if asJSON {
			err = printLine(c.App.Writer, w)
		} else {
			_, err = fmt.Fprintln(c.App.Writer, standing(w))
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}
