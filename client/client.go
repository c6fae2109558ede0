package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/berth/v1/berthv1connect"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/api/wire"
)

// Where a daemon listens unless told otherwise.
const (
	DefaultSocket  = "/run/berth/berth.sock"
	DefaultAddress = "127.0.0.1:7070"
)

// Options of a Client. Zero fields mean the defaults.
type Options struct {
	// Address is unix:///PATH, HOST:PORT, or a path of a socket; or several of them,
	// with commas between: daemons of one store, of which one that does not answer
	// is left for the next. Default: DefaultSocket if it is there, else DefaultAddress.
	Address string
	// TLS is needed beyond loopback.
	TLS mtls.Files
	// RetryFor is how long a call that could not be answered is repeated.
	// Default 10 s; below zero: not at all.
	RetryFor time.Duration
	// Waiting, where set, is told by a call that has not been answered for a second, and is repeated, of the last error and
	// until when it is. Once for each call; a stream calls again each time it breaks. Calls may do so at the same time.
	Waiting func(err error, until time.Time)
	// TryFor is how long one daemon of several may take to answer a call before the
	// next is asked: one that hangs accepts connections, and answers nothing. It bounds
	// no call to an only daemon; the caller's own deadline bounds all. Default 5 s.
	TryFor time.Duration
}

// Client is safe for concurrent use.
type Client struct {
	address  string // all of them
	daemons  []endpoint
	current  atomic.Int64 // index in daemons, modulo their number
	retryFor time.Duration
	waiting  func(err error, until time.Time)
	tryFor   time.Duration
}

// service is the API of a daemon.
type service = berthv1connect.BerthServiceClient

// endpoint is one daemon.
type endpoint struct {
	address string
	rpc     service
	http    *http.Transport
}

// New connects when it is first used.
func New(opts Options) (*Client, error) {
	if opts.Address == "" {
		opts.Address = defaultAddress()
	}
	if opts.RetryFor == 0 {
		opts.RetryFor = 10 * time.Second
	}
	if opts.TryFor == 0 {
		opts.TryFor = 5 * time.Second
	}
	if opts.TryFor < 0 {
		return nil, &berth.FieldError{Field: "try for", Value: opts.TryFor.String(), Problem: "is negative", Bound: "above 0; 0: 5s"}
	}
	c := &Client{address: opts.Address, retryFor: opts.RetryFor, waiting: opts.Waiting, tryFor: opts.TryFor}
	for address := range strings.SplitSeq(opts.Address, ",") {
		transport, url, err := reach(address, opts.TLS)
		if err != nil {
			return nil, fmt.Errorf("daemon at %s: %w", address, err)
		}
		c.daemons = append(c.daemons, endpoint{address, berthv1connect.NewBerthServiceClient(&http.Client{Transport: knowing{transport, address}}, url), transport})
	}
	return c, nil
}

func defaultAddress() string {
	if _, err := os.Stat(DefaultSocket); err == nil {
		return "unix://" + DefaultSocket
	}
	return DefaultAddress
}

func reach(address string, files mtls.Files) (*http.Transport, string, error) {
	path, unix := strings.CutPrefix(address, "unix://")
	if unix || strings.HasPrefix(path, "/") {
		t, err := mtls.Transport(mtls.Files{})
		if err != nil {
			return nil, "", err
		}
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return t, "http://berth", nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, "", &berth.FieldError{Field: "address", Value: address, Problem: "is no address", Bound: "HOST:PORT, or unix:///PATH"}
	}
	if files.IsZero() && !mtls.Loopback(address) {
		return nil, "", mtls.ErrNotLoopback
	}
	t, err := mtls.Transport(files)
	if err != nil {
		return nil, "", err
	}
	t.DialContext = dialTCP
	if files.IsZero() {
		return t, "http://" + address, nil
	}
	return t, "https://" + address, nil
}

// connectWithin is how long a machine may take to accept a connection: one that is
// gone does not refuse it.
const connectWithin = 3 * time.Second

func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: connectWithin}).DialContext(ctx, network, address)
	if err != nil && ctx.Err() == nil {
		return nil, errors.New(err.Error()) // not as a deadline, which would be the caller's
	}
	return conn, err
}

// Close closes idle connections.
func (c *Client) Close() {
	for _, d := range c.daemons {
		d.http.CloseIdleConnections()
	}
}

// Address is where the daemon is, or the daemons are.
func (c *Client) Address() string { return c.address }

// Submit makes requests durable, and tells of each what became of it. A call
// whose outcome is unknown is repeated: the daemon answers with what is there.
func (c *Client) Submit(ctx context.Context, requests []*berthv1.Request) ([]*berthv1.SubmitResult, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.SubmitResponse, error) {
		return rpc.Submit(ctx, &berthv1.SubmitRequest{Requests: requests})
	})
	if err != nil {
		return nil, err
	}
	if n := len(resp.GetResults()); n != len(requests) {
		return nil, fmt.Errorf("daemon at %s answered %d of %d requests", c.address, n, len(requests))
	}
	return resp.GetResults(), nil
}

// Get is one request, ended or not.
func (c *Client) Get(ctx context.Context, id string) (*berthv1.Status, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.GetResponse, error) {
		return rpc.Get(ctx, &berthv1.GetRequest{Id: id})
	})
	if err != nil {
		return nil, err
	}
	return resp.GetStatus(), nil
}

// List calls fn with each request that matches, by id.
func (c *Client) List(ctx context.Context, f *berthv1.Filter, fn func(*berthv1.Status) error) error {
	for token := ""; ; {
		resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.ListResponse, error) {
			return rpc.List(ctx, &berthv1.ListRequest{Filter: f, PageToken: token})
		})
		if err != nil {
			return err
		}
		for _, s := range resp.GetStatuses() {
			if err := fn(s); err != nil {
				return err
			}
		}
		if token = resp.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

// Cancel orders a request to end; one that has ended stays as it is.
func (c *Client) Cancel(ctx context.Context, id, message string) (*berthv1.Status, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.CancelResponse, error) {
		return rpc.Cancel(ctx, &berthv1.CancelRequest{Id: id, Message: message})
	})
	if err != nil {
		return nil, err
	}
	return resp.GetStatus(), nil
}

// Explain judges now why a request does not run.
func (c *Client) Explain(ctx context.Context, id string) (*berthv1.ExplainResponse, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.ExplainResponse, error) {
		return rpc.Explain(ctx, &berthv1.ExplainRequest{Id: id})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// ExplainAt judges why a request did not run at a moment of the past: at a revision,
// or, where that is 0, at a time.
func (c *Client) ExplainAt(ctx context.Context, req *berthv1.ExplainRequest) (*berthv1.ExplainResponse, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.ExplainResponse, error) {
		return rpc.Explain(ctx, req)
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Replay decides again where an attempt of a request was placed; 0: the last one.
func (c *Client) Replay(ctx context.Context, id string, attempt int64) (*berthv1.ReplayResponse, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.ReplayResponse, error) {
		return rpc.Replay(ctx, &berthv1.ReplayRequest{Id: id, Attempt: attempt})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Workers are all workers, by id.
func (c *Client) Workers(ctx context.Context) ([]*berthv1.Worker, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.WorkersResponse, error) {
		return rpc.Workers(ctx, &berthv1.WorkersRequest{})
	})
	if err != nil {
		return nil, err
	}
	return resp.GetWorkers(), nil
}

// SetTaints lays taints over those of an operator, or takes some back.
func (c *Client) SetTaints(ctx context.Context, req *berthv1.SetTaintsRequest) (*berthv1.Worker, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.SetTaintsResponse, error) {
		return rpc.SetTaints(ctx, req)
	})
	if err != nil {
		return nil, err
	}
	return resp.GetWorker(), nil
}

// SetIntent cordons, drains, removes or, with none of these, frees a worker.
func (c *Client) SetIntent(ctx context.Context, req *berthv1.SetIntentRequest) (*berthv1.Worker, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.SetIntentResponse, error) {
		return rpc.SetIntent(ctx, req)
	})
	if err != nil {
		return nil, err
	}
	return resp.GetWorker(), nil
}

// Info is the daemon's own state.
func (c *Client) Info(ctx context.Context) (*berthv1.InfoResponse, error) {
	resp, err := again(ctx, c, func(ctx context.Context, rpc service) (*berthv1.InfoResponse, error) {
		return rpc.Info(ctx, &berthv1.InfoRequest{})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// explain makes errors of the wire those of this package.
func (c *Client) explain(err error) error {
	ce, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return err
	}
	if other, ok := errors.AsType[*NotDaemonError](err); ok {
		return other
	}
	for _, d := range ce.Details() {
		if m, err := d.Value(); err == nil {
			if v, ok := m.(*berthv1.FieldViolation); ok {
				return wire.FieldError(v)
			}
		}
	}
	if ce.Code() == connect.CodeUnavailable && !connect.IsWireError(err) {
		return &UnreachableError{Address: c.address, Err: err}
	}
	return &CallError{Code: ce.Code().String(), Message: ce.Message(), err: err}
}
