package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/daemon/profile"
	"github.com/berthd/berth/daemon/serve"
	"github.com/berthd/berth/etcdstore"
)

// nodeOptions of a daemon with its store and its API in this process.
type nodeOptions struct {
	external *clientv3.Client // nil: etcd is embedded
	embedded embed.Options
	prefix   string
	daemon   daemon.Options
	socket   string // empty: none
	listen   string // empty: none
	tls      mtls.Files
	log      *zap.Logger
}

// listenError is of what the flag says to listen on, if it is of that.
type listenError struct {
	flag string
	err  error
}

func (e *listenError) Error() string { return e.err.Error() }

func (e *listenError) Unwrap() error { return e.err }

// hint is what to do about it.
func (e *listenError) hint() string {
	switch {
	case errors.Is(e.err, syscall.EADDRINUSE) || errors.Is(e.err, mtls.ErrSocketInUse):
		return "another program, or another berth, listens there: stop it, or give --" + e.flag + " another address"
	case e.flag == "socket" && (errors.Is(e.err, fs.ErrNotExist) || errors.Is(e.err, fs.ErrPermission)):
		return "its directory must be there, and open to you: give --socket another path, or --socket '' for none"
	}
	return ""
}

// node is a daemon with its store and its API. Open it, run it, close it.
type node struct {
	opts      nodeOptions
	etcd      *embed.Server // nil with an external store
	client    *clientv3.Client
	store     *etcdstore.Store
	daemon    *daemon.Daemon
	handler   http.Handler
	admin     http.Handler // of the unix socket: what handler answers, and profiles
	listeners []net.Listener
}

// openNode opens the store and all listeners, so that what is wrong with them is
// told at once. Nothing is served until run.
func openNode(ctx context.Context, opts nodeOptions) (_ *node, err error) {
	n := &node{opts: opts, client: opts.external}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	// The API's addresses first: opening a store may take long.
	if opts.socket != "" {
		if err := n.listen(mtls.ListenUnix(ctx, opts.socket)); err != nil {
			return n, &listenError{"socket", err}
		}
	}
	if opts.listen != "" {
		if err := n.listen(mtls.Listen(ctx, opts.listen, opts.tls)); err != nil {
			return n, &listenError{"listen", err}
		}
	}
	if n.client == nil {
		if n.etcd, err = embed.Start(ctx, opts.embedded); err != nil {
			return n, &listenError{"etcd-listen", fmt.Errorf("embedded etcd: %w", err)}
		}
		n.client = n.etcd.Client()
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if n.store, err = etcdstore.New(n.client, etcdstore.Options{Prefix: opts.prefix, Layout: knownLayout(), Log: opts.log.Named("store"), Registerer: registry}); err != nil {
		return n, err
	}
	opts.daemon.Registerer = registry
	if n.daemon, err = daemon.New(n.store, opts.daemon); err != nil {
		return n, err
	}
	api, err := serve.New(n.daemon, serve.Options{Workers: opts.tls, Log: opts.log.Named("api")})
	if err != nil {
		return n, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	n.handler = mux
	admin := http.NewServeMux()
	admin.Handle("/", mux)
	admin.Handle(profile.Path, profile.Handler())
	n.admin = admin
	return n, nil
}

// handlerOf is what a listener answers with: the file of the unix socket says who may
// take profiles; of who connects by TCP nobody knows that.
func (n *node) handlerOf(l net.Listener) http.Handler {
	if l.Addr().Network() == "unix" {
		return n.admin
	}
	return n.handler
}

func (n *node) listen(l net.Listener, err error) error {
	if err == nil {
		n.listeners = append(n.listeners, l)
	}
	return err
}

// run serves until ctx ends, and finishes what is in flight; ready is called when
// requests are accepted: what else is asked waits until everything is known.
func (n *node) run(ctx context.Context, ready func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.daemon.Run(ctx) })
	g.Go(func() error {
		select {
		case <-n.daemon.Accepting():
		case <-ctx.Done():
			return nil
		}
		for _, l := range n.listeners {
			g.Go(func() error { return mtls.Serve(ctx, l, n.handlerOf(l), n.opts.log) })
		}
		ready()
		return nil
	})
	if n.etcd != nil {
		g.Go(func() error {
			select {
			case err := <-n.etcd.Err():
				return fmt.Errorf("embedded etcd: %w", err)
			case <-ctx.Done():
				return nil
			}
		})
	}
	return g.Wait()
}

func (n *node) close() error {
	var errs []error
	for _, l := range n.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if n.etcd != nil {
		errs = append(errs, n.etcd.Close())
	} else if n.client != nil {
		errs = append(errs, n.client.Close())
	}
	return errors.Join(errs...)
}

// endpoint is where workers reach the store.
func (n *node) endpoint() string {
	if n.etcd != nil {
		return n.etcd.Endpoint()
	}
	return n.client.Endpoints()[0]
}
