package robustness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// client submits and cancels as a user's program does: it records what was
// acknowledged, and repeats what was not, through any daemon.
type client struct {
	w    *world
	jobs []*job
	byID map[berth.RequestID]*job
	free int // wishes that still stand, and quotas that are being set for the last time

	limited map[berth.TenantID]bool // its quotas have all been set
	freed   []berth.TenantID        // for the last time

	finishing bool // what never fits is cancelled
}

// job is what the client knows of a request.
type job struct {
	Job
	acked       bool
	cancelling  bool
	cancelAcked bool
}

// answerTimeout is how long the client waits for a daemon.
const answerTimeout = 8 * time.Second

// clientCall is one call of a daemon that has no answer yet.
type clientCall struct {
	of     *process
	closed bool
	again  func()
}

// broken: the daemon has gone, and whether it did anything is not known.
func (c *clientCall) broken() {
	if !c.closed {
		c.closed = true
		c.again()
	}
}

func newClient(w *world) *client {
	c := &client{w: w, byID: map[berth.RequestID]*job{}, limited: map[berth.TenantID]bool{}}
	for _, j := range w.plan.Jobs {
		one := &job{Job: j}
		c.jobs = append(c.jobs, one)
		c.byID[j.Request.ID] = one
	}
	return c
}

// begin puts all that the client will do.
func (c *client) begin() {
	c.limits()
	c.settings(c.w.plan.Settings)
	for i := 0; i < len(c.jobs); {
		batch := []*job{c.jobs[i]}
		for i++; i < len(c.jobs) && c.jobs[i].At == batch[0].At && len(batch) < 8; i++ {
			batch = append(batch, c.jobs[i])
		}
		c.w.at(batch[0].At, nil, func() { c.submit(batch) })
	}
	for _, wish := range c.w.plan.Wishes {
		c.free++
		lift := func() { c.intend(wish, daemon.Wish{}, func() { c.free-- }) }
		c.w.at(wish.At, nil, func() {
			// It is lifted once it was acknowledged: of two that are under way at once,
			// either may come last.
			c.intend(wish, daemon.Wish{Cordon: true, Drain: wish.Drain, Parallel: wish.Parallel, PerMinute: wish.PerMinute}, func() {
				c.w.at(wish.At+wish.Lasts, nil, lift)
			})
		})
	}
}

// call has a goroutine ask a daemon that lives, and then do with the answer what
// then says; again when there is none.
func call[T any](c *client, what, detail string, do func(context.Context, *daemon.Daemon) (T, error), then func(T, error), again func()) {
	w := c.w
	a := w.actor(w.plan.Daemons[w.rng.IntN(len(w.plan.Daemons))])
	retry := func() { w.after(between(w.rng, 300*time.Millisecond, 2*time.Second), nil, again) }
	p, d := a.process, a.daemon
	if p.dead || a.done {
		retry()
		return
	}
	one := &clientCall{of: p, again: retry}
	p.asks = append(p.asks, one)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		v, err := do(ctx, d)
		w.arrive(&arrival{of: p, what: what, detail: func() string { return detail }, do: func() {
			w.after(w.soon(), p, func() {
				if one.closed {
					return
				}
				one.closed = true
				then(v, err)
			})
		}})
	}()
}

func (c *client) submit(batch []*job) {
	var requests []berth.Request
	var left []*job
	for _, j := range batch {
		if !j.acked {
			requests, left = append(requests, j.Request), append(left, j)
		}
	}
	if len(left) == 0 {
		return
	}
	again := func() { c.submit(left) }
	call(c, "submit", string(left[0].Request.ID), func(ctx context.Context, d *daemon.Daemon) (submitted, error) {
		results, err := d.Submit(ctx, requests)
		return submitted{results, stillLoading(d)}, err
	}, func(s submitted, err error) {
		for i, r := range s.results {
			if r.Err == nil && err == nil {
				c.acknowledged(left[i])
				if s.early && r.Status.Worker != "" {
					c.w.tally.Early++
				}
			} else if errors.Is(r.Err, daemon.ErrConflictingID) || errors.Is(r.Err, etcdstore.ErrGroupTaken) || errors.Is(r.Err, daemon.ErrCorrupt) {
				c.w.check.fail("client", fmt.Sprintf("request %s: its repeated submission is refused: %v", r.ID, r.Err))
			}
		}
		c.w.after(between(c.w.rng, 300*time.Millisecond, 2*time.Second), nil, again)
	}, again)
}

// submitted is a daemon's answer, and whether it came before that knew everything.
type submitted struct {
	results []daemon.SubmitResult
	early   bool
}

func stillLoading(d *daemon.Daemon) bool {
	select {
	case <-d.Ready():
		return false
	default:
		return true
	}
}

// requests are the ids of those that a job is about.
func (j *job) requests() (ids []berth.RequestID) {
	r := j.Request.Normalize()
	if !r.IsGroup() {
		return []berth.RequestID{r.ID}
	}
	for _, m := range r.Members() {
		ids = append(ids, m.ID)
	}
	return ids
}

func (c *client) acknowledged(j *job) {
	j.acked = true
	c.w.tally.Acked++
	c.w.check.acknowledged(j)
	switch {
	case j.Cancel > 0:
		c.w.after(j.Cancel, nil, func() { c.cancel(j) })
	case c.finishing && !j.Fits:
		c.w.after(c.w.soon(), nil, func() { c.cancel(j) })
	}
}

func (c *client) cancel(j *job) {
	if j.cancelAcked {
		return
	}
	j.cancelling = true
	again := func() { c.cancel(j) }
	id := j.Request.ID
	if j.One {
		id = j.requests()[0]
	}
	call(c, "cancel", string(id), func(ctx context.Context, d *daemon.Daemon) (none struct{}, err error) {
		if j.Request.Group != nil && !j.One {
			_, err = d.CancelGroup(ctx, berth.GroupID(id), "by its user")
			return none, err
		}
		_, err = d.Cancel(ctx, id, "by its user")
		return none, err
	}, func(_ struct{}, err error) {
		gone := errors.Is(err, daemon.ErrNotFound) && c.w.check.hasEnded(j) // it has ended, and was purged
		if err == nil || gone {
			j.cancelAcked = true
			c.w.tally.Cancelled++
			return
		}
		c.w.after(between(c.w.rng, 300*time.Millisecond, 2*time.Second), nil, again)
	}, again)
}

func (c *client) intend(wish Wish, want daemon.Wish, done func()) {
	again := func() { c.intend(wish, want, done) }
	call(c, "intend", wish.Worker, func(ctx context.Context, d *daemon.Daemon) (daemon.WorkerStatus, error) {
		return d.SetIntent(ctx, berth.WorkerID(wish.Worker), want)
	}, func(_ daemon.WorkerStatus, err error) {
		if err == nil {
			done()
			return
		}
		c.w.after(between(c.w.rng, 300*time.Millisecond, 2*time.Second), nil, again)
	}, again)
}

// finish cancels what can never end by itself, and from now on what is accepted
// late; one after the other, so that a daemon hears of them in one order.
func (c *client) finish() {
	c.finishing = true
	for _, t := range tenants {
		c.freeTenant(t)
	}
	for _, j := range c.jobs {
		if !j.Fits && j.acked && !j.cancelling {
			j.cancelling = true
			c.w.after(c.w.soon(), nil, func() { c.cancel(j) })
		}
	}
}
