package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/serve"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

// Via is the way that requests take to the daemon.
type Via string

// The ways. Process is the default.
const (
	ViaProcess Via = "process" // calls within the process
	ViaSocket  Via = "socket"  // calls of a client, over a unix socket
)

func (v Via) check() error {
	if v != ViaProcess && v != ViaSocket {
		return &berth.FieldError{Field: "via", Value: string(v), Problem: "is unknown", Bound: "process, socket"}
	}
	return nil
}

// site is daemons that run on one store, and what else lives beside them.
type site struct {
	etcd    *etcd
	daemons []*daemon.Daemon
	clients []*client.Client // of their sockets, where asked for
	dir     string           // of the sockets
	around  func(http.Handler) http.Handler
	cancel  context.CancelFunc
	group   *errgroup.Group

	cancelBeside context.CancelFunc // of the workers
	besides      errgroup.Group
}

// siteOptions of a site.
type siteOptions struct {
	daemons int
	sockets bool                            // each daemon serves one, and there is a client of it
	around  func(http.Handler) http.Handler // of what they serve; nil: nothing
}

// openSite starts the daemons. Close it.
func openSite(ctx context.Context, e *etcd, opts siteOptions) (_ *site, err error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &site{etcd: e, around: opts.around, cancel: cancel, group: new(errgroup.Group), cancelBeside: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for i := range opts.daemons {
		store, err := e.store(ctx)
		if err != nil {
			return nil, err
		}
		d, err := daemon.New(store, daemon.Options{ID: berth.DaemonID(fmt.Sprintf("bench-%d", i+1)), Version: "bench", Log: e.opts.Log})
		if err != nil {
			return nil, err
		}
		s.daemons = append(s.daemons, d)
		s.group.Go(func() error { return d.Run(own) })
		if opts.sockets {
			if err := s.serve(own, d); err != nil {
				return nil, err
			}
		}
	}
	for _, d := range s.daemons {
		select {
		case <-d.Ready():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s, nil
}

func (s *site) serve(ctx context.Context, d *daemon.Daemon) (err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "berth-bench-"); err != nil { // not the store's: a socket's path is short
			return fmt.Errorf("make a temporary directory: %w", err)
		}
	}
	handler, err := serve.New(d, serve.Options{})
	if err != nil {
		return err
	}
	if s.around != nil {
		handler = s.around(handler)
	}
	path := filepath.Join(s.dir, fmt.Sprintf("s%d", len(s.clients)))
	listener, err := mtls.ListenUnix(ctx, path)
	if err != nil {
		return err
	}
	s.group.Go(func() error { return mtls.Serve(ctx, listener, handler, zap.NewNop()) })
	c, err := client.New(client.Options{Address: path})
	if err != nil {
		return err
	}
	s.clients = append(s.clients, c)
	_, err = c.Info(ctx) // a connection, as a client that runs has
	return err
}

// hollow adds workers that pretend to run containers, until the site is closed.
func (s *site) hollow(ctx context.Context, store *etcdstore.Store, n int, capacity berth.Capacity, runFor time.Duration) error {
	h, err := worker.NewHollow(worker.HollowOptions{
		Store: store, Name: workerName, Count: n, Shapes: []worker.Shape{{Capacity: capacity}}, RunFor: runFor, Log: s.etcd.opts.Log,
	})
	if err != nil {
		return err
	}
	s.beside(ctx, h.Run)
	return s.ready(ctx, n)
}

// beside runs workers, until the site is closed or endBeside is called. Daemons
// outlive them: they report what ends, and revoke their leases.
func (s *site) beside(ctx context.Context, run func(context.Context) error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancelBeside = cancel
	s.besides.Go(func() error { return run(own) })
}

func (s *site) endBeside() error {
	s.cancelBeside()
	return s.besides.Wait()
}

func (s *site) ready(ctx context.Context, workers int) error {
	for _, d := range s.daemons {
		if err := Ready(ctx, d, workers); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) close() error {
	for _, c := range s.clients {
		c.Close()
	}
	err := s.endBeside()
	s.cancel()
	err = errors.Join(err, s.group.Wait())
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// submitter hands requests to a daemon, and says where each was placed in the same
// transaction; no worker: not yet.
type submitter func(ctx context.Context, requests []berth.Request) ([]berth.WorkerID, error)

// submitters are one for each daemon.
func (s *site) submitters(via Via) []submitter {
	var out []submitter
	for i, d := range s.daemons {
		if via == ViaSocket {
			out = append(out, bySocket(s.clients[i]))
		} else {
			out = append(out, byCall(d))
		}
	}
	return out
}

func byCall(d *daemon.Daemon) submitter {
	return func(ctx context.Context, requests []berth.Request) ([]berth.WorkerID, error) {
		results, err := d.Submit(ctx, requests)
		if err != nil {
			return nil, err
		}
		out := make([]berth.WorkerID, len(results))
		for i := range results {
			if results[i].Err != nil {
				return nil, fmt.Errorf("submit %s: %w", results[i].ID, results[i].Err)
			}
			out[i] = results[i].Status.Worker
		}
		return out, nil
	}
}

func bySocket(c *client.Client) submitter {
	return func(ctx context.Context, requests []berth.Request) ([]berth.WorkerID, error) {
		messages := make([]*berthv1.Request, len(requests))
		for i := range requests {
			messages[i] = wire.FromRequest(&requests[i])
		}
		results, err := c.Submit(ctx, messages)
		if err != nil {
			return nil, err
		}
		out := make([]berth.WorkerID, len(results))
		for i, r := range results {
			if f := r.GetRefusal(); f != nil {
				return nil, fmt.Errorf("submit %s: %s", r.GetId(), f.GetMessage())
			}
			out[i] = berth.WorkerID(r.GetStatus().GetWorker())
		}
		return out, nil
	}
}

// Ready waits until so many workers, no more and no fewer, can be placed on. Their ledgers are opened in
// few transactions, so that a look costs about as much as the wait.
func Ready(ctx context.Context, d *daemon.Daemon, workers int) error {
	return until(ctx, func() (bool, error) {
		all, err := d.Workers(ctx)
		n := 0
		for i := range all {
			if all[i].State == "ready" {
				n++
			}
		}
		return n == workers, err
	})
}

// Idle waits until every request has ended.
func Idle(ctx context.Context, d *daemon.Daemon) error {
	return until(ctx, func() (bool, error) {
		in, err := d.Info(ctx)
		return in.Requests == 0, err
	})
}

func until(ctx context.Context, there func() (bool, error)) error {
	for {
		ok, err := there()
		if ok || err != nil {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Placed waits until a request is placed, and says where.
func Placed(ctx context.Context, d *daemon.Daemon, id berth.RequestID) (berth.WorkerID, error) {
	var w berth.WorkerID
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := d.Watch(ctx, daemon.Filter{IDs: []berth.RequestID{id}}, func(st daemon.Status) error {
		if w = st.Worker; w != "" {
			stop()
		}
		return nil
	})
	if w != "" {
		err = nil
	}
	return w, err
}

// requests of a round: their shapes are drawn anew for each seed.
type requests struct {
	shapes []berth.Demand
	kind   byte
	drawn  []uint16 // shape of each
}

func (o *Options) requests(kind byte, n int) *requests {
	r := &requests{shapes: o.Shapes, kind: kind, drawn: make([]uint16, n)}
	random := rand.New(rand.NewPCG(o.Seed, uint64(kind)))
	for i := range r.drawn {
		r.drawn[i] = uint16(random.IntN(len(o.Shapes)))
	}
	return r
}

// longStart keeps what no agent starts from being taken back.
const longStart = time.Hour

func (r *requests) at(i int) berth.Request {
	return berth.Request{
		ID: requestID(r.kind, i), Command: []string{"true"}, Resources: r.shapes[r.drawn[i]], StartTimeoutMS: longStart.Milliseconds(),
	}
}

func (r *requests) total() (sum berth.Quantities) {
	for _, s := range r.drawn {
		sum.CPUMilli += r.shapes[s].CPUMilli
		sum.MemoryBytes += r.shapes[s].MemoryBytes
	}
	return sum
}

// count of them; none: 0.
func (r *requests) count() int {
	if r == nil {
		return 0
	}
	return len(r.drawn)
}
