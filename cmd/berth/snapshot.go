package main

import (
	"bufio"
	"errors"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/snapshot"
)

func snapshotCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "snapshot",
		Usage:     "what a scheduler needs to know of the store, as lines of JSON, for --snapshot of berth plan and berth simulate",
		ArgsUsage: "> FILE",
		Description: "All at one revision. Commands, environments and addresses are left out; docs/snapshot.md has the fields.\n" +
			"The last line says how many stand before it: a file without it is not whole.",
		Flags: clientFlags(
			intFlag("at-revision", 0, "as the store was at revision `N` (default: the newest)"),
		),
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usage("snapshot: takes no argument; berth snapshot > FILE")
			}
			cl, err := newClient(c)
			if err != nil {
				return err
			}
			defer cl.Close()
			out := bufio.NewWriterSize(asIs(c.App.Writer), 1<<20)
			if err := cl.Snapshot(c.Context, int64(c.Int("at-revision")), out); err != nil {
				return errors.Join(err, out.Flush())
			}
			return out.Flush()
		},
	})
}

// snapshotFrom reads a snapshot from a file, "-" for standard input, or, where none
// is named, of the store of a daemon. A file that cannot be read is wrong usage.
func snapshotFrom(c *cli.Context, name string, keeps func(berth.WorkerID) bool) (*snapshot.Snapshot, error) {
	if name == "" {
		return liveSnapshot(c, keeps)
	}
	in := c.App.Reader
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage("read snapshot: %w", err)
		}
		defer func() { _ = f.Close() }() // read only
		in = f
	}
	s, err := snapshot.Read(in, keeps)
	if err != nil {
		return nil, usage("%s: %w", name, err)
	}
	return s, nil
}

func liveSnapshot(c *cli.Context, keeps func(berth.WorkerID) bool) (*snapshot.Snapshot, error) {
	cl, err := newClient(c)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return readLive(c, cl, keeps)
}

func readLive(c *cli.Context, cl *client.Client, keeps func(berth.WorkerID) bool) (*snapshot.Snapshot, error) {
	out, in := io.Pipe()
	told := make(chan error, 1) // the one error of who tells
	go func() {
		err := cl.Snapshot(c.Context, 0, in)
		told <- err
		_ = in.CloseWithError(err) // never fails; of nil, the end
	}()
	s, err := snapshot.Read(out, keeps)
	_ = out.CloseWithError(err) // never fails; the teller ends with it
	if telling := <-told; telling != nil && !errors.Is(telling, err) || err == nil {
		return s, telling
	}
	return nil, err
}
