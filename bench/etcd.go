package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/invariant"
)

// etcd is the store of one phase: a fresh one, embedded in a temporary directory,
// or a fresh prefix of one that others run.
type etcd struct {
	opts    *Options
	server  *embed.Server // nil: external
	dir     string
	prefix  string
	sums    sums
	client  *clientv3.Client   // counted
	sender  etcdstore.Sender   // of client
	dialled []*clientv3.Client // of an external store: one for each store
	leases  []clientv3.LeaseID // to revoke in an external store
}

// Of a store's life.
const (
	embeddedQuota = 8 << 30 // what etcd itself advises at most
	closeWithin   = 2 * time.Minute
	externalRoot  = "/berth-bench/"
)

// openEtcd makes a fresh store. Close it.
func openEtcd(ctx context.Context, opts *Options) (*etcd, error) {
	e := &etcd{opts: opts, prefix: "/berth/"}
	var err error
	if opts.Dial != nil {
		e.prefix = externalRoot + strings.ToLower(rand.Text()[:10]) + "/"
		if e.client, err = e.dial(); err != nil {
			return e, err
		}
		e.sender = etcdstore.SenderOf(e.client)
		return e, nil
	}
	if e.dir, err = os.MkdirTemp(opts.StoreDir, "berth-bench-"); err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	e.server, err = embed.Start(ctx, embed.Options{Dir: e.dir, Listen: "127.0.0.1:0", QuotaBytes: embeddedQuota, Log: etcdLog(opts.Log)})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded etcd: %w", err), os.RemoveAll(e.dir))
	}
	e.client = e.server.Client()
	count(e.client, &e.sums)
	e.sender = etcdstore.SenderOf(e.client)
	return e, nil
}

func (e *etcd) dial() (*clientv3.Client, error) {
	c, err := e.opts.Dial()
	if err != nil {
		return nil, err
	}
	count(c, &e.sums)
	e.dialled = append(e.dialled, c)
	return c, nil
}

// store is one more user of the keyspace; in an external store, by a connection of
// its own, as each daemon has.
func (e *etcd) store(ctx context.Context) (*etcdstore.Store, error) {
	client := e.client
	if e.server == nil {
		var err error
		if client, err = e.dial(); err != nil {
			return nil, err
		}
	}
	s, err := etcdstore.New(client, etcdstore.Options{Prefix: e.prefix, Log: e.opts.Log.Named("store")})
	if err != nil {
		return nil, err
	}
	if err := s.Init(ctx); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return s, nil
}

func (e *etcd) endpoints() []string {
	if e.server != nil {
		return []string{e.server.Endpoint()}
	}
	return e.client.Endpoints()
}

// members are what its client names each by.
func (e *etcd) members() []string {
	if e.server != nil {
		return []string{"embedded"}
	}
	return e.endpoints()
}

// dbBytes is the size of the largest member's database, 0 where it is not told.
func (e *etcd) dbBytes(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricsTimeout)
	defer cancel()
	var most int64
	for _, endpoint := range e.members() {
		if s, err := e.client.Status(ctx, endpoint); err == nil {
			most = max(most, s.DbSize)
		}
	}
	return most
}

// check counts violations of the invariants.
func (e *etcd) check(ctx context.Context) ([]invariant.Violation, error) {
	r, err := invariant.CheckStore(ctx, e.client, e.prefix, invariant.Options{})
	if err != nil {
		return nil, fmt.Errorf("check the store: %w", err)
	}
	return r.Violations, nil
}

// close ends the store, and leaves nothing of it.
func (e *etcd) close() error {
	if e.server != nil {
		return errors.Join(e.server.Close(), os.RemoveAll(e.dir))
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := e.sweep(ctx)
	for _, c := range e.dialled {
		err = errors.Join(err, c.Close())
	}
	return err
}

const sweepKeys = 5000

// sweep deletes what was put under the prefix, some at a time: one delete of
// everything would stop the store's other users.
func (e *etcd) sweep(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(registerParallel)
	for _, lease := range e.leases {
		if lease == 0 {
			continue // never granted
		}
		g.Go(func() error {
			_, err := e.client.Revoke(ctx, lease)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("revoke the leases of workers: %w", err)
	}
	end := clientv3.GetPrefixRangeEnd(e.prefix)
	for {
		page, err := e.client.Get(ctx, e.prefix, clientv3.WithRange(end), clientv3.WithKeysOnly(), clientv3.WithLimit(sweepKeys))
		if err != nil {
			return fmt.Errorf("delete %s: %w", e.prefix, err)
		}
		if len(page.Kvs) == 0 {
			return nil
		}
		last := string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		if _, err := e.client.Delete(ctx, e.prefix, clientv3.WithRange(last)); err != nil {
			return fmt.Errorf("delete %s: %w", e.prefix, err)
		}
	}
}

// folder is the prefix of all keys of a kind, as docs/keyspace.md says.
func (e *etcd) folder(kind berth.Kind) string { return e.prefix + string(kind) + "/" }

// etcdLog is none where only errors are asked for: a member that begins while the
// machine is busy calls errors what it then does again.
func etcdLog(log *zap.Logger) *zap.Logger {
	if !log.Core().Enabled(zap.WarnLevel) {
		return zap.NewNop()
	}
	return log.Named("etcd")
}

// nop is a log of nothing, where none is wanted.
func nop(log *zap.Logger) *zap.Logger {
	if log == nil {
		return zap.NewNop()
	}
	return log
}
