package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"
)

func versionCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "version",
		Usage: "the version of this binary, and of the daemon with --daemon",
		Flags: clientFlags(boolFlag("daemon", "ask the daemon, too"), outputFlag()),
		Action: func(c *cli.Context) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			if asJSON {
				return versionJSON(c)
			}
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
			_, err = fmt.Fprintf(c.App.Writer, "daemon %s %s at %s: revision %d, %s, %s (%d pending, %d blocked, %d running), %d archived\n",
				in.GetDaemon(), in.GetVersion(), cl.Address(), in.GetRevision(), plural(in.GetWorkers(), "worker"), plural(in.GetRequests(), "request"), in.GetPending(), in.GetBlocked(), in.GetRunning(), in.GetArchived())
			if until := in.GetHoldUntil(); err == nil && until != nil {
				_, err = fmt.Fprintf(c.App.Writer, "the store was restored from a backup: nothing is placed before %s\n", until.AsTime().Local().Format(time.RFC3339))
			}
			return err
		},
	})
}

// versionJSON tells of both in one object.
func versionJSON(c *cli.Context) error {
	out := map[string]any{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
	if c.Bool("daemon") {
		cl, err := newClient(c)
		if err != nil {
			return err
		}
		defer cl.Close()
		in, err := cl.Info(c.Context)
		if err != nil {
			return err
		}
		b, err := jsonOf(in, "")
		if err != nil {
			return err
		}
		out["daemon"] = json.RawMessage(b)
	}
	return printPlain(c.App.Writer, out)
}
