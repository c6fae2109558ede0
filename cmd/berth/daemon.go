package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"
	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
)

func daemonCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "daemon",
		Usage: "the scheduler, on an embedded etcd or on the cluster of --etcd-endpoints",
		Flags: flatten([]cli.Flag{
			stringFlag("name", "", "`NAME` among the daemons of one store (default: the host's)"),
			stringFlag("data-dir", "/var/lib/berth", "`DIR` of the embedded etcd; one daemon works in it"),
			stringFlag("socket", client.DefaultSocket, "`PATH` of the API's unix socket; empty: none"),
			stringFlag("listen", client.DefaultAddress, "`HOST:PORT` of the API; empty: none; beyond loopback it needs certificates"),
			stringFlag("etcd-listen", "127.0.0.1:2379", "loopback `HOST:PORT` of the embedded etcd, for workers and etcdctl"),
			stringFlag("etcd-listen-tls", "", "`HOST:PORT` of the embedded etcd for workers of other machines; needs certificates"),
			stringFlag("quota", "2GiB", "`BYTES` that the embedded etcd may grow to"),
			durationFlag("retention-age", 24*time.Hour, "ended requests are kept for `DURATION`"),
			stringFlag("retention-size", "512MiB", "`BYTES` of ended requests that are kept at most"),
		}, historyFlags(), tlsFlags(), etcdFlags("the embedded one"), logFlags()),
		Action: runDaemon,
	})
}

func runDaemon(c *cli.Context) error {
	log, err := newLogger(c)
	if err != nil {
		return usage("%w", err)
	}
	opts, err := daemonNode(c, log)
	if err != nil {
		return err
	}
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	leaveRoomForGarbage(ctx)
	n, err := openNode(ctx, opts)
	if err != nil {
		return err
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		keepWatchdog(ctx, log, func(ctx context.Context) error { _, err := n.daemon.Info(ctx); return err })
	}()
	err = n.run(ctx, func() {
		log.Info("ready", zap.String("daemon", string(opts.daemon.ID)), zap.String("version", version),
			zap.String("store", n.endpoint()), zap.String("socket", opts.socket), zap.String("listen", opts.listen))
		notify(log, systemd.SdNotifyReady)
	})
	notify(log, systemd.SdNotifyStopping)
	stop()
	<-watched
	if closeErr := n.close(); err == nil {
		err = closeErr
	}
	return err
}

// daemonNode reads the flags.
func daemonNode(c *cli.Context, log *zap.Logger) (nodeOptions, error) {
	opts := nodeOptions{
		prefix: c.String("prefix"), socket: c.String("socket"), listen: c.String("listen"), tls: tlsFiles(c), log: log,
		daemon: daemon.Options{
			ID: berth.DaemonID(c.String("name")), Address: c.String("listen"), Version: version, Log: log,
			Retention: daemon.Retention{MaxAge: c.Duration("retention-age")},
		},
	}
	if opts.daemon.ID == "" {
		opts.daemon.ID = berth.DaemonID(hostName())
	}
	var err error
	if opts.daemon.Retention.MaxBytes, err = parseBytes("retention-size", c.String("retention-size"), 1<<50); err != nil {
		return opts, usage("%w", err)
	}
	if opts.daemon.History, err = historyOf(c); err != nil {
		return opts, usage("%w", err)
	}
	own := []string{"data-dir", "etcd-listen", "etcd-listen-tls", "quota"} // of an embedded etcd
	if c.String("etcd-endpoints") != "" && !overruled(c, "etcd-endpoints", own...) {
		for _, flag := range own {
			if given(c, flag) {
				return opts, usage("daemon: --%s is of an embedded etcd, and --etcd-endpoints of another: give one of them", flag)
			}
		}
		if opts.external, err = dial(c, log); err != nil {
			return opts, usage("%w", err)
		}
		return opts, nil
	}
	opts.embedded = embed.Options{
		Dir: c.String("data-dir"), Listen: c.String("etcd-listen"), ListenTLS: c.String("etcd-listen-tls"),
		TLS: tlsFiles(c), Log: log.Named("etcd"),
	}
	if opts.embedded.QuotaBytes, err = storeQuota(c); err != nil {
		return opts, usage("%w", err)
	}
	if err := os.MkdirAll(c.String("data-dir"), 0o700); err != nil {
		return opts, fmt.Errorf("data directory: %w", err)
	}
	return opts, nil
}

// The embedded etcd may grow to as much: below that no store would be of use, and one that it was once too small for refuses
// all writes.
const leastQuota, mostQuota = 16 << 20, 8 << 30

// storeQuota reads --quota.
func storeQuota(c *cli.Context) (int64, error) {
	n, err := parseBytes("quota", c.String("quota"), mostQuota)
	if err == nil && n < leastQuota {
		err = &berth.FieldError{Field: "quota", Value: c.String("quota"), Problem: "is too small for a store", Bound: "16MiB to 8GiB"}
	}
	return n, err
}

// hostName is this host's name as an id.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if berth.CheckID("name", name) != nil {
		return "localhost"
	}
	return name
}
