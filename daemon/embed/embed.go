// Package embed runs one etcd member within the process: the default store, so
// that a newcomer needs nothing installed. It owns the server's life and its
// data directory's lock; it never touches a key.
//
// Every answered write is on disk: fsync is always on. It listens on loopback,
// for etcdctl and for workers in other processes; beyond it by mutual TLS only.
package embed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	server "go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/berthd/berth/api/mtls"
)

// Options of an embedded member; zero fields mean the defaults given.
type Options struct {
	Dir        string        // of its data; required
	Listen     string        // loopback host:port for clients; default 127.0.0.1:2379, port 0: any
	ListenTLS  string        // host:port for workers on other machines, by mutual TLS; default: none
	TLS        mtls.Files    // for ListenTLS
	QuotaBytes int64         // default 2 GiB
	StartIn    time.Duration // default 1 min
	Log        *zap.Logger
}

// The member, and where its data is within the data directory. A restored store
// must have the same.
const (
	MemberName = "berth"
	StoreDir   = "etcd"
	peerHost   = "127.0.0.1:2380"
)

// PeerURL is what the member is known by to itself alone.
func PeerURL() string { return "http://" + peerHost }

// maxTxnOps is far above what a plan needs, so that batches are bounded by size.
const maxTxnOps = 10_000

// Of the raft log. A start reads what was written since the last snapshot, a plan of
// hundreds of placements in each entry: etcd's usual 10,000 entries are more than a
// gigabyte. And it keeps 5,000 in memory for followers that lag: there are none.
const (
	snapshotEvery = 1000
	entriesKept   = 100
)

// slowApply is how long an entry takes that etcd complains of. It writes the whole of it
// out for that, hundreds of placements, which takes as long again: with its usual 100 ms,
// a store that is slow for a moment becomes slower.
const slowApply = time.Second

// Server is a running member. Close it.
type Server struct {
	etcd    *server.Etcd
	client  *clientv3.Client
	dialed  *clientv3.Client // over loopback
	inner   clientv3.Watcher // what client would have had
	lock    *os.File
	closing atomic.Bool // etcd's complaints are no news any more
	streams streams     // of who comes over the network
	listen  string      // host:port
	remote  string      // host:port; may be empty
}

// Start runs a member on Dir until Close, and returns when it serves.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Dir == "" {
		return nil, errors.New("data directory is empty")
	}
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:2379"
	}
	if opts.QuotaBytes == 0 {
		opts.QuotaBytes = 2 << 30
	}
	if opts.StartIn == 0 {
		opts.StartIn = time.Minute
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if err := opts.checkListen(); err != nil {
		return nil, err
	}
	lock, err := Lock(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, streams: newStreams()}
	if err := s.start(ctx, opts); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, opts Options) (err error) {
	if s.etcd, err = server.StartEtcd(s.config(opts)); err != nil {
		return fmt.Errorf("start etcd on %s, data in %s: %w", opts.Listen, opts.Dir, err)
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
	case err = <-s.etcd.Err():
		err = fmt.Errorf("etcd ended while starting: %w", err)
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(opts.StartIn):
		err = fmt.Errorf("etcd did not start within %s", opts.StartIn)
	}
	if err == nil {
		s.listen, s.remote = listening(s.etcd.Clients, opts.Listen)
		err = s.connect()
	}
	if err != nil {
		s.streams.end()
		s.etcd.Close()
	}
	return err
}

func (s *Server) config(opts Options) *server.Config {
	cfg := server.NewConfig()
	cfg.Name, cfg.Dir = MemberName, filepath.Join(opts.Dir, StoreDir)
	client := url.URL{Scheme: "http", Host: opts.Listen}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	if opts.ListenTLS != "" {
		remote := url.URL{Scheme: "https", Host: opts.ListenTLS}
		cfg.ListenClientUrls = append(cfg.ListenClientUrls, remote)
		cfg.AdvertiseClientUrls = append(cfg.AdvertiseClientUrls, remote)
		cfg.ClientTLSInfo = transport.TLSInfo{
			CertFile: opts.TLS.Cert, KeyFile: opts.TLS.Key, TrustedCAFile: opts.TLS.CA, ClientCertAuth: true,
		}
	}
	// The only member never calls itself: any free port will do.
	cfg.ListenPeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: peerHost}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.InitialClusterToken = rand.Text() // of a new store only: no two have one cluster id
	cfg.QuotaBackendBytes = opts.QuotaBytes
	cfg.MaxTxnOps = maxTxnOps
	cfg.SnapshotCount, cfg.SnapshotCatchUpEntries = snapshotEvery, entriesKept
	cfg.WarningApplyDuration = slowApply
	cfg.ZapLoggerBuilder = server.NewZapLoggerBuilder(quieten(opts.Log, &s.closing))
	cfg.GRPCAdditionalServerOptions = append(cfg.GRPCAdditionalServerOptions, grpc.ChainStreamInterceptor(s.streams.intercept))
	return cfg
}

// connect makes a client whose calls do not leave the process, but for what etcd's
// adapters within it cannot do: see maintenance.
func (s *Server) connect() error {
	dialed, err := clientv3.New(clientv3.Config{
		Endpoints: []string{s.listen}, DialTimeout: 10 * time.Second, Logger: zap.NewNop(),
	})
	if err != nil {
		return fmt.Errorf("dial the embedded etcd: %w", err)
	}
	s.dialed, s.client = dialed, v3client.New(s.etcd.Server)
	s.client.KV = newKV(s.etcd.Server, s.client)
	s.inner = s.client.Watcher
	s.client.Watcher = newWatcher(s.etcd.Server, s.client)
	s.client.Maintenance = maintenance{s.client.Maintenance, dialed.Maintenance, s.listen}
	return nil
}

// maintenance defragments over loopback: etcd 3.7.3's adapter within the process
// has no health notifier to tell, and panics.
type maintenance struct {
	clientv3.Maintenance
	dialed clientv3.Maintenance
	listen string
}

func (m maintenance) Defragment(ctx context.Context, _ string) (*clientv3.DefragmentResponse, error) {
	return m.dialed.Defragment(ctx, m.listen)
}

// Client talks to the member without leaving the process.
func (s *Server) Client() *clientv3.Client { return s.client }

// Endpoint is where etcdctl and other processes reach the member.
func (s *Server) Endpoint() string { return "http://" + s.listen }

// RemoteAddress is where workers on other machines reach the member; empty
// without Options.ListenTLS.
func (s *Server) RemoteAddress() string { return s.remote }

// Err delivers an error that ends the member by itself.
func (s *Server) Err() <-chan error { return s.etcd.Err() }

// Close stops the member and unlocks its directory.
func (s *Server) Close() error {
	s.closing.Store(true)
	err := errors.Join(s.client.Close(), s.inner.Close(), s.dialed.Close())
	if errors.Is(err, context.Canceled) {
		err = nil // how a client ends
	}
	s.streams.end()
	s.etcd.Close()
	return errors.Join(err, s.lock.Close())
}
