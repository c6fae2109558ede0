package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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

// node is a daemon with its store and its API. Open it, run it, close it.
type node struct {
	opts      nodeOptions
	etcd      *embed.Server // nil with an external store
	client    *clientv3.Client
	store     *etcdstore.Store
	daemon    *daemon.Daemon
	handler   http.Handler
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
			return n, err
		}
	}
	if opts.listen != "" {
		if err := n.listen(mtls.Listen(ctx, opts.listen, opts.tls)); err != nil {
			return n, err
		}
	}
	if n.client == nil {
		if n.etcd, err = embed.Start(ctx, opts.embedded); err != nil {
			return n, fmt.Errorf("embedded etcd: %w", err)
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
	return n, nil
}

func (n *node) listen(l net.Listener, err error) error {
	if err == nil {
		n.listeners = append(n.listeners, l)
	}
	return err
}

// run serves until ctx ends, and finishes what is in flight; ready is called
// when requests are answered.
func (n *node) run(ctx context.Context, ready func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.daemon.Run(ctx) })
	g.Go(func() error {
		select {
		case <-n.daemon.Ready():
		case <-ctx.Done():
			return nil
		}
		for _, l := range n.listeners {
			g.Go(func() error { return mtls.Serve(ctx, l, n.handler, n.opts.log) })
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
