package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berthd/berth/daemon/backup"
)

func backupCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "backup",
		Usage:     "save the store, as it is at one revision, into a file",
		ArgsUsage: "FILE",
		Description: "Reads etcd itself, while it serves. The file is a snapshot of etcd, with its hash behind it; it is read back and\n" +
			"checked before it gets its name. It holds every request with its environment: keep it as closed as the store.",
		Flags: flatten([]cli.Flag{
			boolFlag("force", "write over FILE if it is there"),
			outputFlag(),
		}, etcdFlags(defaultEndpoint)),
		Action: saveBackup,
	})
}

func saveBackup(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	file, err := oneFile(c)
	if err != nil {
		return err
	}
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	client, err := current(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // read only
	info, err := backup.Save(ctx, client, file, backup.SaveOptions{
		Overwrite: c.Bool("force"),
		Progress:  func(n int64) { fmt.Fprintf(c.App.ErrWriter, "berth: %s saved\n", bytesOf(n)) },
	})
	if err != nil {
		return err
	}
	return printBackup(c, info, asJSON, "")
}

// oneFile is the only argument.
func oneFile(c *cli.Context) (string, error) {
	if err := noFlags(c); err != nil {
		return "", err
	}
	if c.NArg() != 1 || c.Args().First() == "" {
		return "", usage("%s: takes one FILE, got %d", c.Command.Name, c.NArg())
	}
	return c.Args().First(), nil
}

// current is a client of a member that answers for the store: a snapshot is of one
// member, and one that is cut off would save an old state.
func current(ctx context.Context, c *cli.Context) (*clientv3.Client, error) {
	all, err := dial(c, zap.NewNop())
	if err != nil {
		return nil, usage("%w", err)
	}
	defer func() { _ = all.Close() }() // read only
	var failed []error
	for _, endpoint := range all.Endpoints() {
		one, err := dialTo(c, zap.NewNop(), endpoint)
		if err != nil {
			return nil, usage("%w", err)
		}
		ask, cancel := context.WithTimeout(ctx, fsckTimeout)
		_, err = one.Get(ask, "none", clientv3.WithCountOnly()) // of the majority's state: the member has got it then
		cancel()
		if err == nil {
			return one, nil
		}
		failed = append(failed, fmt.Errorf("etcd at %s does not answer: %w", endpoint, err), one.Close())
	}
	return nil, errors.Join(failed...)
}

// printBackup tells what a snapshot file holds, and what was done with it.
func printBackup(c *cli.Context, info backup.Info, asJSON bool, done string) error {
	if asJSON {
		return printPlain(c.App.Writer, info)
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s: revision %d, %d keys, %s, sha256 %s\n%s", info.Path, info.Revision, info.Keys, bytesOf(info.Bytes), info.SHA256, done)
	return err
}
