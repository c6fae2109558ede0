package main

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"
)

func versionCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "version",
		Usage: "the version of this binary, and of the daemon with --daemon",
		Flags: clientFlags(boolFlag("daemon", "ask the daemon, too")),
		Action: func(c *cli.Context) error {
			if _, err := fmt.Fprintf(c.App.Writer, "berth %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH); err != nil {
				return err
			}
			if !c.Bool("daemon") {
				return nil
			}
			cl, err := newClient(c)
			if err != nil {
				return err
			}
			defer cl.Close()
			in, err := cl.Info(c.Context)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.App.Writer, "daemon %s %s at %s: revision %d, %d workers, %d requests (%d pending, %d blocked, %d running), %d archived\n",
				in.GetDaemon(), in.GetVersion(), cl.Address(), in.GetRevision(), in.GetWorkers(), in.GetRequests(), in.GetPending(), in.GetBlocked(), in.GetRunning(), in.GetArchived())
			return err
		},
	})
}
