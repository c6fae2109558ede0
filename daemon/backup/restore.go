package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"

	"github.com/berthd/berth/daemon/embed"
)

// ErrNotEmpty means that the directory holds a store already.
var ErrNotEmpty = errors.New("the data directory is not empty")

// DefaultBump is far beyond what a store serves: at 10,000 writes a second it is
// three years of them.
const DefaultBump = 1_000_000_000_000

// RestoreOptions of the data directory of an embedded member.
type RestoreOptions struct {
	File       string
	Dir        string // data directory of a daemon; empty, or not there yet
	Bump       uint64 // of the revision; default DefaultBump
	QuotaBytes int64  // while it is prepared; default as embed's
	Log        *zap.Logger
}

// partDir is where the store is made, within the data directory.
const partDir = "restore.part"

// Restore makes the data directory of a new cluster of one member from a
// snapshot. prepare gets a client of it, while nobody else can reach it; only
// when it has succeeded does the store get its place.
func Restore(ctx context.Context, opts RestoreOptions, prepare func(context.Context, *clientv3.Client) error) (_ Info, err error) {
	if opts.Bump == 0 {
		opts.Bump = DefaultBump
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	info, err := Check(opts.File)
	if err != nil {
		return Info{}, err
	}
	lock, err := embed.Lock(opts.Dir)
	if err != nil {
		return Info{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	part := filepath.Join(opts.Dir, partDir)
	if err := os.RemoveAll(part); err != nil { // of a restore that was killed
		return Info{}, fmt.Errorf("restore: %w", err)
	}
	if err := empty(opts.Dir); err != nil {
		return Info{}, err
	}
	if err = errors.Join(build(ctx, opts, part, prepare), syncTree(part)); err == nil {
		err = os.Rename(filepath.Join(part, embed.StoreDir), filepath.Join(opts.Dir, embed.StoreDir))
	}
	err = errors.Join(err, os.RemoveAll(part))
	if err != nil {
		return Info{}, fmt.Errorf("restore into %s: %w", opts.Dir, err)
	}
	return info, syncDir(opts.Dir)
}

// empty allows a lock, which is ours.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() != embed.LockFile {
			return fmt.Errorf("%s holds %q: %w", dir, e.Name(), ErrNotEmpty)
		}
	}
	return nil
}

func build(ctx context.Context, opts RestoreOptions, part string, prepare func(context.Context, *clientv3.Client) error) error {
	peer := embed.PeerURL()
	err := snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: opts.File, OutputDataDir: filepath.Join(part, embed.StoreDir),
		Name: embed.MemberName, PeerURLs: []string{peer}, InitialCluster: embed.MemberName + "=" + peer,
		// Drawn, so that it is another cluster, and both daemons and agents see it.
		InitialClusterToken: rand.Text(),
		RevisionBump:        opts.Bump, MarkCompacted: true,
	})
	if err != nil {
		return err
	}
	server, err := embed.Start(ctx, embed.Options{Dir: part, Listen: "127.0.0.1:0", QuotaBytes: opts.QuotaBytes, Log: opts.Log})
	if err != nil {
		return err
	}
	return errors.Join(prepare(ctx, server.Client()), server.Close())
}
