package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon/backup"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

// longestKill is more than an agent of this program promises as its kill bound
// (worker.DefaultKillBound); what the backup shows of others counts, too.
const longestKill = 5 * time.Second

func restoreCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "restore",
		Usage:     "make a store from a backup, for a daemon or on a cluster, so that nothing runs twice",
		ArgsUsage: "[FILE]",
		Description: "With FILE and --data-dir: the data directory of a daemon with an embedded etcd, which must be empty. With\n" +
			"--etcd-endpoints and no FILE: prepares a cluster that etcdutl has restored and that nobody uses yet (docs/runbook.md).\n" +
			"Stop the former store first: what is kept alive by it would run on. What was accepted after the backup is forgotten,\n" +
			"what has ended since may run again. Daemons place nothing until all that the backup does not know of has ended.",
		Flags: flatten([]cli.Flag{
			stringFlag("data-dir", "", "empty `DIR` for the embedded etcd of a daemon"),
			&cli.Uint64Flag{Name: "bump-revision", Value: backup.DefaultBump, Usage: "by so `MANY` the revision grows: more than were served since the backup", EnvVars: envOf("bump-revision")},
			durationFlag("longest-ttl", worker.MaxTTL, "no agent's lease has a longer `TTL`; a shorter one shortens the wait"),
			durationFlag("longest-keep", 0, "no request that came after the backup has a longer on_disconnect keep than `DURATION` (default: what the backup shows)"),
			stringFlag("quota", "2GiB", "`BYTES` that the embedded etcd may grow to"),
			outputFlag(),
		}, etcdFlags("none")),
		Action: restore,
	})
}

// restored is what was done, as JSON has it.
type restored struct {
	Backup   *backup.Info `json:"backup,omitempty"`
	Revision int64        `json:"revision"` // of the store now
	Keys     int          `json:"keys"`     // of Berth
	Dropped  int64        `json:"dropped"`  // registrations
	Leases   int          `json:"leases"`
	HoldMS   int64        `json:"hold_ms"`
}

func restore(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if overruled(c, "etcd-endpoints", "data-dir") {
		if err := c.Set("etcd-endpoints", ""); err != nil {
			return err
		}
	}
	if overruled(c, "data-dir", "etcd-endpoints") {
		if err := c.Set("data-dir", ""); err != nil {
			return err
		}
	}
	opts, err := restoreOptions(c)
	if err != nil {
		return err
	}
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	var out restored
	prepare := func(ctx context.Context, client *clientv3.Client) error {
		store, err := etcdstore.New(client, etcdstore.Options{Prefix: c.String("prefix"), Layout: knownLayout()})
		if err != nil {
			return err
		}
		r, err := store.PrepareRestored(ctx, opts)
		out.Revision, out.Keys, out.Dropped, out.Leases, out.HoldMS = int64(r.Revision), r.Keys, r.Dropped, r.Leases, r.Hold.Milliseconds()
		return err
	}
	if onCluster(c) {
		err = prepareCluster(ctx, c, prepare)
	} else {
		out.Backup, err = restoreFile(ctx, c, prepare)
	}
	if err != nil {
		return err
	}
	return out.tell(c, asJSON)
}

func restoreOptions(c *cli.Context) (etcdstore.RestoreOptions, error) {
	opts := etcdstore.RestoreOptions{
		LongestTTL: c.Duration("longest-ttl"), LongestKill: longestKill, LongestKeep: c.Duration("longest-keep"),
		AllLeases: !onCluster(c),
	}
	longestKeep := time.Duration(berth.MaxDurationMS) * time.Millisecond
	switch {
	case opts.LongestTTL < worker.MinTTL || opts.LongestTTL > worker.MaxTTL:
		return opts, &berth.FieldError{Field: "longest-ttl", Value: opts.LongestTTL.String(), Problem: "is no TTL of an agent", Bound: fmt.Sprintf("%s to %s", worker.MinTTL, worker.MaxTTL)}
	case opts.LongestKeep < 0 || opts.LongestKeep > longestKeep:
		return opts, &berth.FieldError{Field: "longest-keep", Value: opts.LongestKeep.String(), Problem: "is out of range", Bound: fmt.Sprintf("0 to %s", longestKeep)}
	case c.Uint64("bump-revision") < etcdstore.MinBump || c.Uint64("bump-revision") > 1<<60:
		return opts, &berth.FieldError{Field: "bump-revision", Value: fmt.Sprint(c.Uint64("bump-revision")), Problem: "is out of range", Bound: fmt.Sprintf("%d to %d", etcdstore.MinBump, uint64(1)<<60)}
	}
	return opts, nil
}

// onCluster says whether a cluster is to be prepared that etcdutl has restored.
func onCluster(c *cli.Context) bool { return c.String("etcd-endpoints") != "" }

// prepareCluster is for a cluster that was restored by etcdutl.
func prepareCluster(ctx context.Context, c *cli.Context, prepare func(context.Context, *clientv3.Client) error) error {
	if err := noFlags(c); err != nil {
		return err
	}
	if c.NArg() > 0 || c.String("data-dir") != "" {
		return usage("restore: %s is of a cluster that etcdutl has restored: it goes with neither FILE nor %s", setBy(c, "etcd-endpoints"), setBy(c, "data-dir"))
	}
	client, err := dial(c, zap.NewNop())
	if err != nil {
		return usage("%w", err)
	}
	defer func() { _ = client.Close() }()
	return prepare(ctx, client)
}

func restoreFile(ctx context.Context, c *cli.Context, prepare func(context.Context, *clientv3.Client) error) (*backup.Info, error) {
	file, err := oneFile(c)
	if err != nil {
		return nil, err
	}
	if c.String("data-dir") == "" {
		return nil, usage("restore: no --data-dir; give it the data directory of the daemon that is to serve the store, or --etcd-endpoints")
	}
	quota, err := storeQuota(c)
	if err != nil {
		return nil, usage("%w", err)
	}
	info, err := backup.Restore(ctx, backup.RestoreOptions{
		File: file, Dir: c.String("data-dir"), Bump: c.Uint64("bump-revision"), QuotaBytes: quota,
	}, prepare)
	return &info, err
}

func (r *restored) tell(c *cli.Context, asJSON bool) error {
	if asJSON {
		return printPlain(c.App.Writer, r)
	}
	done := fmt.Sprintf("restored: %d keys of Berth, the revision is %d; %d registrations and %d leases dropped\n"+
		"daemons place nothing for %s after they have started; berth status tells until when\n",
		r.Keys, r.Revision, r.Dropped, r.Leases, (time.Duration(r.HoldMS) * time.Millisecond).Round(time.Second))
	if r.Backup != nil {
		return printBackup(c, *r.Backup, false, done)
	}
	_, err := fmt.Fprint(c.App.Writer, done)
	return err
}
