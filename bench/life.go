package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// LifeOptions of whole lives: a request is submitted, placed, started by a hollow
// worker, ends, and is archived; as many go on at once as there are callers.
type LifeOptions struct {
	Options
	Callers int           // lives that go on at once; default 512
	RunFor  time.Duration // how long a container runs; default 1 ms
	Daemons int           // on one store; default 1
	Via     Via           // default process
}

func (o *LifeOptions) defaults() {
	o.Options.defaults(100, 5000)
	setDefault(&o.Callers, 512)
	setDefault(&o.RunFor, time.Millisecond)
	setDefault(&o.Daemons, 1)
	setDefault(&o.Via, ViaProcess)
}

// Validate checks every bound.
func (o LifeOptions) Validate() error {
	o.defaults()
	if err := o.validate(); err != nil {
		return err
	}
	if o.RunFor < time.Millisecond || o.RunFor > maxRunFor {
		return &berth.FieldError{Field: "run-for", Value: o.RunFor.String(), Problem: "is not allowed", Bound: "1ms to " + maxRunFor.String()}
	}
	return errors.Join(within(bound{"concurrency", o.Callers, 1, maxCallers}, bound{"daemons", o.Daemons, 1, maxDaemons}), o.Via.check())
}

// Life measures whole lives, and the floor of the same.
func Life(ctx context.Context, opts LifeOptions) (*Report, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.defaults()
	l := &living{opts: &opts}
	c := &contest{opts: &opts.Options, store: l.store, sides: []side{{"scheduler", l.live}}, top: 2, tries: pointTries / 4}
	res, err := c.run(ctx)
	return newReport("life", &opts.Options, opts.setup(), res), err
}

type living struct{ opts *LifeOptions }

func (l *living) capacity() berth.Capacity {
	o := *l.opts
	return o.capacity(o.requests('b', min(o.Requests, o.Callers)).total(), 50)
}

// store is the floor's: workers without agents write nothing of their own.
func (l *living) store(ctx context.Context, _ bool) (*etcd, *fleet, error) {
	e, err := openEtcd(ctx, &l.opts.Options)
	if err != nil {
		return e, nil, err
	}
	f, err := newFleet(ctx, e, l.opts.Workers, l.capacity(), nil)
	return e, f, err
}

func (l *living) live(ctx context.Context, n int, done func(int)) (_ *outcome, err error) {
	e, err := openEtcd(ctx, &l.opts.Options)
	if err != nil {
		return nil, errors.Join(err, closeIf(e))
	}
	defer func() { err = errors.Join(err, e.close()) }()
	store, err := e.store(ctx)
	if err != nil {
		return nil, err
	}
	s, err := openSite(ctx, e, siteOptions{daemons: l.opts.Daemons, sockets: l.opts.Via == ViaSocket})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.hollow(ctx, store, l.opts.Workers, l.capacity(), l.opts.RunFor); err != nil {
		return nil, err
	}
	ends := watchEnds(ctx, e)
	defer ends.stop()
	o := &outcome{}
	if o.templates, err = s.learnAll(ctx, l.opts.Shapes, ends.wait); err != nil {
		return nil, err
	}
	d := &drive{
		site: s, by: s.submitters(l.opts.Via), load: l.opts.requests('b', n), callers: l.opts.Callers, perCall: 1,
		ended:   func(ctx context.Context, i int) error { return ends.wait(ctx, requestID('b', i)) },
		latency: NewLatency(), done: done,
	}
	if err := o.measure(ctx, e, d, &l.opts.Options); err != nil {
		return nil, err
	}
	index := make(map[berth.WorkerID]int)
	for i := range l.opts.Workers {
		index[workerID(i)] = i
	}
	o.units = d.unitsOf(index)
	o.perWorker = perWorker(o.units)
	if ctx.Err() != nil {
		return o, nil
	}
	if o.stages, err = stagesOf(ctx, store); err != nil {
		return nil, err
	}
	o.violations, err = e.check(ctx)
	return o, err
}

// Stages of lives, each from the submission on, by the records' own times.
type Stages struct {
	Placed   Quantiles `json:"placed"`
	Started  Quantiles `json:"started"`
	Exited   Quantiles `json:"exited"`
	Archived Quantiles `json:"archived"`
}

// Quantiles of times, in milliseconds.
type Quantiles struct {
	P50MS  *float64 `json:"p50_ms"`
	P99MS  *float64 `json:"p99_ms"`
	P999MS *float64 `json:"p999_ms"`
}

func quantilesOf(l *Latency) Quantiles { return Quantiles{l.MS(50), l.MS(99), l.MS(99.9)} }

func stagesOf(ctx context.Context, store *etcdstore.Store) (*Stages, error) {
	placed, started, exited, archived := NewLatency(), NewLatency(), NewLatency(), NewLatency()
	_, err := store.Scan(ctx, berth.KindArchive, "", func(f berth.Fact) error {
		a, ok := f.Record.(*berth.Archive)
		if !ok || a.State != berth.StateSucceeded || a.Attempt != 1 || a.Exit == nil {
			return fmt.Errorf("request %s ended otherwise: %+v", f.Key.ID, f.Record)
		}
		placed.Record(a.PlacedAt.Sub(a.SubmittedAt))
		started.Record(a.StartedAt.Sub(a.SubmittedAt))
		exited.Record(a.Exit.At.Sub(a.SubmittedAt))
		archived.Record(a.EndedAt.Sub(a.SubmittedAt))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what ended: %w", err)
	}
	return &Stages{quantilesOf(placed), quantilesOf(started), quantilesOf(exited), quantilesOf(archived)}, nil
}

// ends tells when requests are archived, by a watch of the store's own: to ask the
// daemon of each would be work that no user causes.
type ends struct {
	cancel context.CancelFunc
	over   chan struct{} // closed when the watch has ended

	mu     sync.Mutex // guards all below
	ended  map[berth.RequestID]struct{}
	waits  map[berth.RequestID]chan struct{} // closed at the end of the request
	failed error
}

func watchEnds(ctx context.Context, e *etcd) *ends {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	w := &ends{cancel: cancel, over: make(chan struct{}), ended: map[berth.RequestID]struct{}{}, waits: map[berth.RequestID]chan struct{}{}}
	folder := e.folder(berth.KindArchive)
	ready := make(chan struct{})
	go func() {
		defer close(w.over)
		var once sync.Once
		for resp := range e.client.Watch(ctx, folder, clientv3.WithPrefix(), clientv3.WithFilterDelete(), clientv3.WithCreatedNotify()) {
			once.Do(func() { close(ready) })
			if err := resp.Err(); err != nil {
				w.fail(err)
				return
			}
			w.note(resp.Events, folder)
		}
		once.Do(func() { close(ready) })
		w.fail(ctx.Err())
	}()
	<-ready
	return w
}

func (w *ends) note(events []*clientv3.Event, folder string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ev := range events {
		id := berth.RequestID(strings.TrimPrefix(string(ev.Kv.Key), folder))
		if c := w.waits[id]; c != nil {
			close(c)
			delete(w.waits, id)
			continue
		}
		w.ended[id] = struct{}{}
	}
}

func (w *ends) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = fmt.Errorf("watch the ends: %w", err)
}

// wait returns when the request is archived. Call it once for each.
func (w *ends) wait(ctx context.Context, id berth.RequestID) error {
	w.mu.Lock()
	if _, ok := w.ended[id]; ok {
		delete(w.ended, id)
		w.mu.Unlock()
		return nil
	}
	c := make(chan struct{})
	w.waits[id] = c
	w.mu.Unlock()
	select {
	case <-c:
		return nil
	case <-w.over:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.failed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *ends) stop() {
	w.cancel()
	<-w.over
}
