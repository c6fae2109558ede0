package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/etcdstore"
)

// RunOptions of the way from a client's call to a process that runs: one request
// after the other, by a client over the unix socket, on one daemon and one real
// agent, with nothing else to do. Of Options it takes StoreDir, Dial, Requests
// (default 200), Progress, Say, Log and Profile.
type RunOptions struct {
	Options
	RunFor    time.Duration // how long a process runs; default 20 ms
	Agent     Via           // how the agent reaches the store; default socket
	NoCgroups bool
	Shim      string // the shims' binary: see process.FindShim; no default
}

func (o *RunOptions) defaults() {
	o.Options.defaults(1, 200)
	setDefault(&o.RunFor, 20*time.Millisecond)
	setDefault(&o.Agent, ViaSocket)
}

// Validate checks every bound.
func (o RunOptions) Validate() error {
	o.defaults()
	if err := o.validate(); err != nil {
		return err
	}
	if o.RunFor < time.Millisecond || o.RunFor > maxRunFor {
		return &berth.FieldError{Field: "run-for", Value: o.RunFor.String(), Problem: "is not allowed", Bound: "1ms to " + maxRunFor.String()}
	}
	if o.Dial != nil && o.Agent == ViaProcess {
		return &berth.FieldError{Field: "agent", Value: string(o.Agent), Problem: "is not possible with an external store", Bound: string(ViaSocket)}
	}
	if err := o.Agent.check(); err != nil {
		return &berth.FieldError{Field: "agent", Value: string(o.Agent), Problem: "is unknown", Bound: "process, socket"}
	}
	return nil
}

// RunReport is what berth bench run tells. docs/performance.md says what each
// field means. What is not known is null.
type RunReport struct {
	Bench string `json:"bench"` // run
	Circumstances
	Interrupted bool     `json:"interrupted"`
	Requests    int      `json:"requests"`
	Incomplete  int      `json:"incomplete"`
	CPUs        int      `json:"cpus"`
	Setup       RunSetup `json:"setup"`
	Quantiles
	Limit      RunLimit `json:"limit"`
	Ratio      *float64 `json:"ratio"`
	Parts      []Part   `json:"parts"`
	Histogram  []Bar    `json:"histogram"`
	Violations []string `json:"violations"`
}

// RunSetup is what was asked for.
type RunSetup struct {
	External bool     `json:"external"`
	Agent    Via      `json:"agent"`
	RunForMS float64  `json:"run_for_ms"`
	Enforces []string `json:"enforces"`
}

// RunLimit is what the same costs with no Berth in the way.
type RunLimit struct {
	Quantiles
	Writes Quantiles `json:"writes"`
	Fork   Quantiles `json:"fork"`
}

// Run measures it.
func Run(ctx context.Context, opts RunOptions) (*RunReport, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.defaults()
	r := &running{opts: &opts, states: make(chan *berthv1.Status, runStates), parts: newBreakdown()}
	err := r.run(ctx)
	if r.limit == nil {
		return nil, err
	}
	return r.report(ctx.Err() != nil), err
}

// runWarmup is how many requests come before the clock runs; runStates is room for
// the states of one, so that the watch is not kept from telling when.
const runWarmup, runStates = 5, 16

const runWorker = "run-1"

type running struct {
	opts    *RunOptions
	etcd    *etcd
	site    *site
	tracer  *tracer
	limit   *limit
	sleep   string
	states  chan *berthv1.Status // written by the client's watch
	parts   *breakdown
	enforce []string
	lost    int // incomplete
	broken  []string
}

func (r *running) run(ctx context.Context) (err error) {
	if r.sleep, err = exec.LookPath("sleep"); err != nil {
		return fmt.Errorf("find what runs: %w", err)
	}
	if r.etcd, err = openEtcd(ctx, &r.opts.Options); err != nil {
		return errors.Join(err, closeIf(r.etcd))
	}
	defer func() { err = errors.Join(err, r.etcd.close()) }()
	r.tracer = &tracer{allocations: r.etcd.folder(berth.KindAllocation) + runWorker + "/"}
	r.tracer.follow(r.etcd.client)
	if r.site, err = openSite(ctx, r.etcd, siteOptions{daemons: 1, sockets: true, around: r.tracer.around}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.site.close()) }()
	dir, err := os.MkdirTemp(r.opts.StoreDir, "berth-bench-agent-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	client, err := r.agent(ctx, dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { err = errors.Join(err, r.endAgent(client, dir)) }()
	if err := r.site.ready(ctx, 1); err != nil {
		return err
	}
	if r.limit, err = newLimit(r.etcd.client, client, r.etcd.prefix[:len(r.etcd.prefix)-1]+"-bare/"); err != nil {
		return err
	}
	if err := r.all(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	found, err := r.etcd.check(ctx)
	for _, v := range found {
		r.broken = append(r.broken, v.String())
	}
	return err
}

// agent starts the one worker, with a client of the store that is its own, unless
// it is to be in the daemon's process as `berth dev` has it.
func (r *running) agent(ctx context.Context, dir string) (*clientv3.Client, error) {
	client := r.etcd.client
	if r.opts.Agent == ViaSocket {
		var err error
		if client, err = r.dial(); err != nil {
			return nil, err
		}
		r.tracer.follow(client)
	}
	fail := func(err error) (*clientv3.Client, error) {
		if client != r.etcd.client {
			err = errors.Join(err, client.Close())
		}
		return nil, err
	}
	store, err := etcdstore.New(client, etcdstore.Options{Prefix: r.etcd.prefix, Log: r.opts.Log.Named("store")})
	if err != nil {
		return fail(err)
	}
	a, err := newRealAgent(agentOptions{
		dir: dir, shim: r.opts.Shim, noCgroups: r.opts.NoCgroups, store: store, log: r.opts.Log, tracer: r.tracer,
		capacity: r.opts.capacity(berth.Quantities{}, 100),
	})
	if err != nil {
		return fail(err)
	}
	r.enforce = a.runtime.Enforces()
	r.site.beside(ctx, a.run)
	return client, nil
}

func (r *running) dial() (*clientv3.Client, error) {
	if r.opts.Dial != nil {
		return r.opts.Dial()
	}
	return etcdstore.Dial(etcdstore.DialOptions{Endpoints: []string{r.etcd.server.Endpoint()}, Log: r.opts.Log})
}

func (r *running) endAgent(client *clientv3.Client, dir string) error {
	err := r.site.endBeside()
	if client != r.etcd.client {
		err = errors.Join(err, client.Close())
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func (r *running) all(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, sweepBare(ctx, r.limit.client, r.limit.prefix)) }()
	watchCtx, stop := context.WithCancel(ctx)
	watched := make(chan error, 1) // its one answer
	go func() { watched <- r.site.clients[0].Watch(watchCtx, nil, r.told(watchCtx)) }()
	defer func() {
		stop()
		if failed := <-watched; err == nil && ctx.Err() == nil && !errors.Is(failed, context.Canceled) {
			err = failed
		}
	}()
	for i := range runWarmup {
		if _, err := r.one(ctx, requestID('u', i)); err != nil {
			return unlessCut(ctx, err)
		}
	}
	done := r.opts.Progress.begin("requests until they run", r.opts.Requests)
	return r.opts.profiled(func() error {
		for i := range r.opts.Requests {
			trace, err := r.one(ctx, requestID('b', i))
			if err != nil {
				return unlessCut(ctx, err)
			}
			if !trace.whole {
				r.lost++
				continue
			}
			r.parts.add(trace.at)
			if err := r.limit.measure(ctx, trace.writes); err != nil {
				return unlessCut(ctx, err)
			}
			done(1)
		}
		return nil
	})
}

// trace is of one request.
type trace struct {
	at     [marks]time.Duration
	writes [transactions]bareWrite
	whole  bool
}

// told is called by the client's watch.
func (r *running) told(ctx context.Context) func(*berthv1.Status) error {
	return func(s *berthv1.Status) error {
		if s.GetState() == string(berth.StateRunning) {
			r.tracer.mark(s.GetId(), markAnswered)
		}
		select {
		case r.states <- s:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// one request, from its call to its end.
func (r *running) one(ctx context.Context, id berth.RequestID) (trace, error) {
	message := wire.FromRequest(&berth.Request{
		ID: id, Command: []string{r.sleep, strconv.FormatFloat(r.opts.RunFor.Seconds(), 'f', -1, 64)}, Resources: r.opts.Shapes[0],
	})
	r.tracer.begin(string(id))
	results, err := r.site.clients[0].Submit(ctx, []*berthv1.Request{message})
	if err != nil {
		return trace{}, err
	}
	if f := results[0].GetRefusal(); f != nil {
		return trace{}, fmt.Errorf("submit %s: %s", id, f.GetMessage())
	}
	for {
		select {
		case s := <-r.states:
			if s.GetId() != string(id) || !berth.State(s.GetState()).Final() {
				continue
			}
			if s.GetState() != string(berth.StateSucceeded) {
				return trace{}, fmt.Errorf("request %s ended as %s: %s", id, s.GetState(), s.GetExit().GetMessage())
			}
			var t trace
			t.at, t.writes, t.whole = r.tracer.end()
			return t, nil
		case <-ctx.Done():
			return trace{}, ctx.Err()
		}
	}
}

func (r *running) report(cut bool) *RunReport {
	out := &RunReport{
		Bench: "run", Circumstances: r.opts.circumstances(), Interrupted: cut, Requests: r.parts.count, Incomplete: r.lost, CPUs: runtime.GOMAXPROCS(0),
		Setup:     RunSetup{External: r.opts.Dial != nil, Agent: r.opts.Agent, RunForMS: r.opts.RunFor.Seconds() * 1000, Enforces: notNil(r.enforce)},
		Quantiles: quantilesOf(r.parts.whole), Parts: r.parts.parts(), Histogram: notNil(r.parts.whole.Bars()), Violations: notNil(r.broken),
		Limit: RunLimit{quantilesOf(r.limit.all), quantilesOf(r.limit.writes), quantilesOf(r.limit.fork)},
	}
	if out.P50MS != nil && out.Limit.P50MS != nil {
		out.Ratio = ptr(*out.Limit.P50MS / *out.P50MS)
	}
	return out
}
