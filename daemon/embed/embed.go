// Package embed runs one etcd member within the process: the default store, so
// that a newcomer needs nothing installed. It owns the server's life and its
// data directory's lock; it never touches a key.
//
// Every answered write is on disk: fsync is always on. It listens on loopback,
// for etcdctl and for workers in other processes, and nowhere else.
package embed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	server "go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
)

// ErrLocked: another process uses the data directory.
var ErrLocked = errors.New("the data directory is in use")

// Options of an embedded member; zero fields mean the defaults given.
type Options struct {
	Dir        string        // of its data; required
	Listen     string        // loopback host:port for clients; default 127.0.0.1:2379, port 0: any
	QuotaBytes int64         // default 2 GiB
	StartIn    time.Duration // default 1 min
	Log        *zap.Logger
}

// maxTxnOps is far above what a plan needs, so that batches are bounded by size.
const maxTxnOps = 10_000

// Server is a running member. Close it.
type Server struct {
	etcd   *server.Etcd
	client *clientv3.Client
	lock   *os.File
	listen string
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
	listen, err := loopback(opts.Listen)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, listen: listen}
	if err := s.start(ctx, opts); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, opts Options) (err error) {
	cfg := server.NewConfig()
	cfg.Name, cfg.Dir = "berth", filepath.Join(opts.Dir, "etcd")
	client := url.URL{Scheme: "http", Host: s.listen}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	peerPort, err := loopback("127.0.0.1:0")
	if err != nil {
		return err
	}
	peer := url.URL{Scheme: "http", Host: peerPort}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.QuotaBackendBytes = opts.QuotaBytes
	cfg.MaxTxnOps = maxTxnOps
	cfg.ZapLoggerBuilder = server.NewZapLoggerBuilder(opts.Log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)))
	if s.etcd, err = server.StartEtcd(cfg); err != nil {
		return fmt.Errorf("start etcd on %s, data in %s: %w", s.listen, opts.Dir, err)
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
	case err := <-s.etcd.Err():
		s.etcd.Close()
		return fmt.Errorf("etcd ended while starting: %w", err)
	case <-ctx.Done():
		s.etcd.Close()
		return ctx.Err()
	case <-time.After(opts.StartIn):
		s.etcd.Close()
		return fmt.Errorf("etcd did not start within %s", opts.StartIn)
	}
	s.client = v3client.New(s.etcd.Server)
	return nil
}

// Client talks to the member without a network.
func (s *Server) Client() *clientv3.Client { return s.client }

// Endpoint is where etcdctl and other processes reach the member.
func (s *Server) Endpoint() string { return "http://" + s.listen }

// Err delivers an error that ends the member by itself.
func (s *Server) Err() <-chan error { return s.etcd.Err() }

// Close stops the member and unlocks its directory.
func (s *Server) Close() error {
	err := s.client.Close()
	if errors.Is(err, context.Canceled) {
		err = nil // how a client in the process ends
	}
	s.etcd.Close()
	return errors.Join(err, s.lock.Close())
}

// loopback checks an address, and finds a port where it names none.
func loopback(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("etcd listen address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("etcd listen address %q is not loopback; allowed: 127.0.0.1, ::1, localhost", address)
	}
	if port != "0" {
		return address, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// lockDir makes the directory ours. etcd's own lock would wait without a word.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 32)
		n, _ := f.Read(holder) // who it is only helps the reader
		return nil, errors.Join(fmt.Errorf("%s, by process %s: %w", dir, strings.TrimSpace(string(holder[:n])), ErrLocked), f.Close())
	}
	pid := fmt.Sprintf("%d\n", os.Getpid())
	if err := errors.Join(f.Truncate(0), writeAt(f, pid)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory: %w", err), f.Close())
	}
	return f, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}
