package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func poolsCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "pools",
		Usage:     "pools and how they choose among workers; with POOL STRATEGY, set it",
		ArgsUsage: "[POOL spread|binpack]",
		Flags:     clientFlags(outputFlag()),
		Action: func(c *cli.Context) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			if n := c.NArg(); n != 0 && n != 2 {
				return usage("pools: want no argument, or POOL and STRATEGY (spread, binpack)")
			}
			cl, err := newClient(c)
			if err != nil {
				return err
			}
			defer cl.Close()
			if c.NArg() == 2 {
				if err := cl.SetPool(c.Context, &berthv1.Pool{Id: c.Args().Get(0), Strategy: c.Args().Get(1)}); err != nil {
					return fmt.Errorf("set pool %s: %w", c.Args().Get(0), err)
				}
			}
			all, err := cl.Pools(c.Context)
			if err != nil {
				return err
			}
			if asJSON {
				out := jsonList{w: c.App.Writer}
				for _, p := range all {
					if err := out.add(p); err != nil {
						return err
					}
				}
				return out.end()
			}
			t := table{}
			t.add("POOL", "STRATEGY")
			for _, p := range all {
				t.add(p.GetId(), p.GetStrategy())
			}
			return t.write(c.App.Writer)
		},
	})
}
