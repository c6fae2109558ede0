package worker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// epoch is one life of the worker under one lease. All its fields belong to the
// goroutine of loop, but for over, which checks of running starts read; other
// goroutines send events. It ends when nothing of it runs: given up because its
// lease is lost or near its end (over), or left because the agent is to end
// (leaving).
type epoch struct {
	w      *Worker
	log    *zap.Logger
	reg    *registered
	rec    Records
	number berth.Epoch
	alarm  Alarm

	// events come from the goroutines that loop has started, and from the watch;
	// loop calls each. Unbuffered: a sender waits until it is taken.
	events chan func()
	closed chan struct{} // closed when loop has ended: nothing is taken any more
	// sends are the transactions, one at a time: for one goroutine, for each would grow
	// its stack anew. Written by loop, closed when that has ended; one is enough, for the
	// next follows the answer.
	sends chan func()

	tasks   map[taskKey]*task
	current map[berth.RequestID]*task // the newest attempt of each request
	dirty   dirtySet

	starting, alive   int  // starts at work, containers that run
	sending           bool // a transaction is in flight
	calls             int  // other calls at work
	waiting           int  // pauses before a transaction is tried again
	leaving, stopping bool
	keeping           bool // leaving, and its containers stay for the next agent
	cut               bool // the lease was not kept alive in time; kept containers run on
	killing           bool // the caller will not wait for stops
	over              atomic.Bool
	killAt            time.Duration // by the clock; once over

	uncordoned     chan struct{} // closed when the cordon's taking away has ended; nil: none is at work
	cancelUncordon context.CancelFunc

	fenceCtx, reportCtx       context.Context
	cancelFence, cancelReport context.CancelFunc
}

type taskKey struct {
	id      berth.RequestID
	attempt int64
}

func newEpoch(w *Worker, reg *registered, rec Records) *epoch {
	e := &epoch{
		w: w, reg: reg, rec: rec, number: reg.epoch, alarm: reg.alarm,
		log:     w.log.With(zap.Int64("epoch", int64(reg.epoch))),
		events:  make(chan func()),
		closed:  make(chan struct{}),
		sends:   make(chan func(), 1),
		tasks:   map[taskKey]*task{},
		current: map[berth.RequestID]*task{},
		dirty:   dirtySet{member: map[taskKey]struct{}{}},

		cancelUncordon: func() {},
	}
	// Not of Run's ctx: its end begins the orderly end, which still needs them.
	e.fenceCtx, e.cancelFence = context.WithCancel(context.Background())
	e.reportCtx, e.cancelReport = context.WithCancel(context.Background())
	return e
}

// run returns when nothing of the epoch runs and nothing of it is in flight.
func (e *epoch) run(ctx context.Context) error {
	defer e.cancelFence()
	defer e.cancelReport()
	watchCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var group errgroup.Group
	group.Go(func() error {
		err := e.w.opts.follow(watchCtx, e.w.opts.ID, e.deliver)
		return ignoreCancel(watchCtx, err)
	})
	group.Go(func() error {
		for send := range e.sends {
			send()
		}
		return nil
	})
	if !e.w.opts.hollow {
		// Beside the loop: an answer that does not come must not keep renewals from
		// the containers that were taken up.
		group.Go(func() error { e.watchOwnKeys(watchCtx); return nil })
	}
	if !e.w.opts.hollow || e.w.warm.any() { // hollow ones say what they were given, once
		group.Go(func() error { e.w.tellConditions(watchCtx, e.reg.lease.ID); return nil })
	}
	e.adopt()
	e.loop(ctx)
	close(e.closed)
	close(e.sends)
	cancel()
	return group.Wait()
}

func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (e *epoch) loop(ctx context.Context) {
	s := signals{lost: e.reg.lease.Lost(), end: ctx.Done()}
	e.rearm()
	for !e.finished() {
		switch what, event := e.wait(&s); what {
		case sigEvent:
			event()
			e.drain()
		case sigAlarm:
			e.rearm()
		case sigRenewed:
			e.renewed()
		case sigLost:
			s.lost = nil
			e.giveUp("lease lost", e.soon())
		case sigEnd:
			s.end, s.abort = nil, e.w.opts.Abort
			e.leave()
		case sigAbort:
			s.abort = nil
			e.shorten()
		}
		e.step()
	}
}

// drainMost bounds the events that are taken together: the lease's end waits for them.
const drainMost = 64

// drain takes the events that wait, so that they share the next transaction.
func (e *epoch) drain() {
	for range drainMost {
		select {
		case event := <-e.events:
			event()
		default:
			return
		}
	}
}

// signals are the channels of loop that it stops looking at once they are closed.
type signals struct{ lost, end, abort <-chan struct{} }

// signal is what loop has waited for.
type signal int

const (
	sigEvent signal = iota
	sigAlarm
	sigRenewed
	sigLost
	sigEnd
	sigAbort
)

// wait takes the next signal. Of several that are there it takes them in one
// order, the end of the lease first: a select would choose at random, and no run
// could be repeated.
func (e *epoch) wait(s *signals) (signal, func()) {
	alarm, renewed := e.alarm.C(), e.reg.lease.Renewed()
	switch {
	case received(s.lost):
		return sigLost, nil
	case received(alarm):
		return sigAlarm, nil
	case received(renewed):
		return sigRenewed, nil
	case received(s.end):
		return sigEnd, nil
	case received(s.abort):
		return sigAbort, nil
	}
	select {
	case event := <-e.events:
		return sigEvent, event
	case <-alarm:
		return sigAlarm, nil
	case <-renewed:
		return sigRenewed, nil
	case <-s.lost:
		return sigLost, nil
	case <-s.end:
		return sigEnd, nil
	case <-s.abort:
		return sigAbort, nil
	}
}

func received(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// finished says whether nothing is left of the epoch for this agent to do.
func (e *epoch) finished() bool {
	if e.starting+e.calls > 0 || e.sending {
		return false
	}
	switch {
	case e.over.Load():
		return e.alive == 0
	case e.keeping:
		return !slices.ContainsFunc(e.inOrder(), func(t *task) bool { return t.phase == phaseFenced })
	}
	return e.leaving && e.alive == 0 && e.dirty.empty() && e.waiting == 0
}

// post hands an event to the loop. What is kept for the next agent may end when
// this one's loop has ended.
func (e *epoch) post(event func()) {
	select {
	case e.events <- event:
	case <-e.closed:
	}
}

// deliver is called by the watch.
func (e *epoch) deliver(ctx context.Context, delta etcdstore.Delta) error {
	select {
	case e.events <- func() { e.take(delta) }:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take lays a delta over what is known.
func (e *epoch) take(delta etcdstore.Delta) {
	if delta.Reset {
		e.reset(delta)
	}
	for _, f := range delta.Facts {
		e.learn(f)
	}
}

// reset notes as gone what a reload no longer holds.
func (e *epoch) reset(delta etcdstore.Delta) {
	held := make(map[berth.RequestID]struct{}, len(delta.Facts))
	for _, f := range delta.Facts {
		held[berth.RequestID(f.Key.ID)] = struct{}{}
	}
	for _, t := range e.inOrder() {
		if _, ok := held[t.id]; !ok || e.current[t.id] != t {
			t.learn(delta.Revision, nil)
			e.mark(t)
		}
	}
}

// inOrder are the tasks in one order, so that what follows from them is the same
// whenever the same has happened.
func (e *epoch) inOrder() []*task {
	return slices.SortedFunc(maps.Values(e.tasks), func(a, b *task) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.attempt, b.attempt))
	})
}

// learn notes what an allocation's key holds. A new attempt means that the
// former one's allocation is gone.
func (e *epoch) learn(f berth.Fact) {
	id := berth.RequestID(f.Key.ID)
	old := e.current[id]
	allocation, readable := f.Record.(*berth.Allocation)
	if f.Record != nil && !readable {
		e.log.Error("an allocation cannot be read; it is left alone", zap.String("request", string(id)))
		return
	}
	switch {
	case old != nil && f.Mod <= old.mod:
	case allocation == nil:
		if old != nil {
			old.learn(f.Mod, nil)
			e.mark(old)
		}
	case old != nil && old.attempt == allocation.Attempt:
		old.learn(f.Mod, allocation)
		e.mark(old)
	default:
		t := &task{id: id, attempt: allocation.Attempt, phase: phaseNone, mod: f.Mod, allocation: allocation, former: old}
		if old != nil {
			old.learn(f.Mod, nil)
			e.mark(old)
		}
		e.tasks[t.key()], e.current[id] = t, t
		e.mark(t)
	}
}

func (e *epoch) mark(t *task) { e.dirty.add(t.key()) }

// forget: the allocation is gone, or its epoch is over.
func (e *epoch) forget(t *task) {
	e.w.opts.Runtime.Forget(t.id, t.attempt)
	delete(e.tasks, t.key())
	if e.current[t.id] == t {
		delete(e.current, t.id)
	}
}
