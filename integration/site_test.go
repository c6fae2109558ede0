package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/bench"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/daemon/serve"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/invariant"
	"github.com/berthd/berth/worker"
)

// siteOptions of a whole Berth within the test. Zero fields mean the defaults.
type siteOptions struct {
	daemons int           // default 1; all on one store
	workers int           // hollow ones of 10 cores and 20 GB
	runFor  time.Duration // of a container; default 1 ms
	quota   int64         // of the store; default 2 GiB
	now     func() time.Time
	watch   bool // check every revision, not the last one only
	edit    func(*worker.HollowOptions)
}

// site is daemons on one embedded etcd, which syncs every write, with hollow
// workers. Its end checks the invariants.
type site struct {
	tb      testing.TB
	etcd    *embed.Server
	store   *etcdstore.Store
	daemons []*daemon.Daemon
	stops   []func() // of the daemons
	workers int
	now     func() time.Time
}

const prefix = "/berth/"

func newSite(tb testing.TB, opts siteOptions) *site {
	tb.Helper()
	s := &site{tb: tb, now: opts.now}
	var err error
	if s.etcd, err = embed.Start(tb.Context(), embed.Options{Dir: tb.TempDir(), Listen: "127.0.0.1:0", QuotaBytes: opts.quota}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.etcd.Close(); err != nil {
			tb.Error(err)
		}
	})
	if s.store, err = etcdstore.New(s.etcd.Client(), etcdstore.Options{}); err != nil {
		tb.Fatal(err)
	}
	if err := s.store.Init(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if opts.watch {
		s.watch()
	}
	tb.Cleanup(s.fsck)
	for i := range max(opts.daemons, 1) {
		s.startDaemon(fmt.Sprintf("d%d", i+1))
	}
	if opts.workers > 0 {
		s.startHollow(opts)
	}
	return s
}

// background runs fn until the test's end, or until the function it returns is
// called; fn's error is the test's.
func background(tb testing.TB, fn func(context.Context) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fn(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

func (s *site) startDaemon(id string) *daemon.Daemon {
	s.tb.Helper()
	store, err := etcdstore.New(s.etcd.Client(), etcdstore.Options{})
	if err != nil {
		s.tb.Fatal(err)
	}
	d, err := daemon.New(store, daemon.Options{ID: berth.DaemonID(id), TTL: 2 * time.Second, Now: s.now})
	if err != nil {
		s.tb.Fatal(err)
	}
	s.stops = append(s.stops, background(s.tb, d.Run))
	select {
	case <-d.Ready():
	case <-time.After(time.Minute):
		s.tb.Fatal("the daemon does not get ready")
	}
	s.daemons = append(s.daemons, d)
	return d
}

func (s *site) startHollow(opts siteOptions) {
	s.tb.Helper()
	shape := worker.Shape{Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 10_000, MemoryBytes: 20 << 30}}}
	if opts.runFor == 0 {
		opts.runFor = time.Millisecond
	}
	h := worker.HollowOptions{Store: s.store, Name: "w", Count: opts.workers, Shapes: []worker.Shape{shape}, RunFor: opts.runFor}
	if opts.edit != nil {
		opts.edit(&h)
	}
	hollow, err := worker.NewHollow(h)
	if err != nil {
		s.tb.Fatal(err)
	}
	background(s.tb, hollow.Run)
	s.workers += len(hollow.IDs())
	for _, d := range s.daemons {
		ready(s.tb, d, s.workers)
	}
}

func ready(tb testing.TB, d *daemon.Daemon, workers int) {
	tb.Helper()
	if err := bench.Ready(tb.Context(), d, workers); err != nil {
		tb.Fatal(err)
	}
}

// fsck checks the store at its end.
func (s *site) fsck() {
	r, err := invariant.CheckStore(context.Background(), s.etcd.Client(), prefix, invariant.Options{})
	if err != nil {
		s.tb.Errorf("fsck: %v", err)
	}
	for _, v := range r.Violations {
		s.tb.Errorf("fsck: %s", v)
	}
}

// watch checks every revision until the test's end.
func (s *site) watch() {
	s.tb.Helper()
	background(s.tb, func(ctx context.Context) error {
		return invariant.WatchStore(ctx, s.etcd.Client(), prefix, invariant.Options{}, func(r invariant.Report) error {
			for _, v := range r.Violations {
				s.tb.Errorf("fsck --watch: %s", v)
			}
			if r.Unseen > 0 {
				s.tb.Errorf("fsck --watch: %d revisions before %d were compacted unseen", r.Unseen, r.Revision)
			}
			return nil
		})
	})
}

// api serves a daemon on a socket, and returns a client of it.
func (s *site) api(d *daemon.Daemon) *client.Client {
	s.tb.Helper()
	handler, err := serve.New(d, serve.Options{})
	if err != nil {
		s.tb.Fatal(err)
	}
	return serveSocket(s.tb, handler)
}

func serveSocket(tb testing.TB, handler http.Handler) *client.Client {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "s")
	listener, err := mtls.ListenUnix(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	background(tb, func(ctx context.Context) error { return mtls.Serve(ctx, listener, handler, zap.NewNop()) })
	c, err := client.New(client.Options{Address: path})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func idle(tb testing.TB, d *daemon.Daemon) {
	tb.Helper()
	if err := bench.Idle(tb.Context(), d); err != nil {
		tb.Fatal(err)
	}
}

// small is a request of a tenth of a core.
func small(id string) berth.Request {
	return berth.Request{
		ID: berth.RequestID(id), Command: []string{"true"},
		Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 256 << 20}},
	}
}
