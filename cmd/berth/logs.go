package main

import (
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func logsCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "logs",
		Usage:     "the output of a request",
		ArgsUsage: "ID",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "as it comes, until the request has ended", EnvVars: envOf("follow")},
			&cli.IntFlag{Name: "tail", Aliases: []string{"n"}, Usage: "begin with the last `LINES`", EnvVars: envOf("tail")},
			stringFlag("stream", "", "only of `STREAM`: stdout, stderr"),
			intFlag("attempt", 0, "of attempt `N` (default: the newest)"),
		),
		Action: func(c *cli.Context) error {
			id, err := oneArgument(c, "ID")
			if err != nil {
				return err
			}
			tail, err := int32Flag(c, "tail", 0, math.MaxInt32)
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
			r := &runner{c: c, cl: cl, id: id}
			err = cl.Logs(ctx, &berthv1.LogsRequest{
				Id: id, Attempt: int64(c.Int("attempt")), Stream: c.String("stream"), Tail: tail, Follow: c.Bool("follow"),
			}, r.write)
			if ctx.Err() != nil && c.Context.Err() == nil {
				return nil // Ctrl-C
			}
			if err != nil {
				if _, missing := cl.Get(ctx, id); missing != nil { // and not only its output
					err = notThere(ctx, cl, id, err)
				}
				return fmt.Errorf("logs of %s: %w", id, err)
			}
			return nil
		},
	})
}
