package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func filterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "ended ones too", EnvVars: envOf("all")},
		listFlag("state", "only in these `STATES`"),
		listFlag("label", "only with `KEY=VALUE`"),
		stringFlag("worker", "", "only on this `WORKER`"),
		stringFlag("pool", "", "only of this `POOL`"),
	}
}

func filterOf(c *cli.Context) (*berthv1.Filter, error) {
	if err := noFlags(c); err != nil {
		return nil, err
	}
	labels, err := parsePairs("label", c.StringSlice("label"))
	if err != nil {
		return nil, usage("%w", err)
	}
	f := &berthv1.Filter{
		Ids: c.Args().Slice(), Labels: labels, Worker: c.String("worker"), Pool: c.String("pool"), Ended: c.Bool("all"),
	}
	for _, s := range splitCommas(c.StringSlice("state")) {
		f.States = append(f.States, strings.ToUpper(s))
	}
	return f, nil
}

func listCommand() *cli.Command {
	return verb(&cli.Command{
		Name:         "list",
		Aliases:      []string{"ls"},
		Usage:        "requests that have not ended; with --all, ended ones too",
		ArgsUsage:    "[ID...]",
		Flags:        clientFlags(append(filterFlags(), outputFlag(), &cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "then each change, as berth watch", EnvVars: envOf("watch")})...),
		BashComplete: completeIDs,
		Action: func(c *cli.Context) error {
			if c.Bool("watch") {
				return watch(c)
			}
			return list(c)
		},
	})
}

func list(c *cli.Context) error {
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
	if asJSON {
		out := jsonList{w: c.App.Writer}
		if err := cl.List(c.Context, f, func(s *berthv1.Status) error { return out.add(s) }); err != nil {
			return err
		}
		return out.end()
	}
	t := table{paint: painter(c.App.Writer)}
	t.add("ID", "STATE", "WORKER", "ATTEMPT", "CPU", "MEMORY", "AGE", "NOTE")
	now := time.Now()
	err = cl.List(c.Context, f, func(s *berthv1.Status) error {
		d := s.GetSpec().GetResources()
		t.add(s.GetId(), stateOf(s), orDash(s.GetWorker()), strconv.FormatInt(s.GetAttempt(), 10),
			cores(d.GetCpuMilli()), bytesOf(d.GetMemoryBytes()), age(s.GetSubmittedAt(), now), clip(describe(s), 80))
		return nil
	})
	if err != nil {
		return err
	}
	return t.write(c.App.Writer)
}
