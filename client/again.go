package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
)

// Pauses between repeated calls.
const (
	retryFirst = 10 * time.Millisecond
	retryMost  = time.Second
	tellAfter  = time.Second // see Options.Waiting
)

// retry is the patience of one call: how long it is repeated, and the pause after
// each round of all daemons.
type retry struct {
	c     *Client
	began time.Time
	end   time.Time
	pause time.Duration
	asked int
	told  bool
}

func (c *Client) retry() *retry {
	now := time.Now()
	return &retry{c: c, began: now, end: now.Add(c.retryFor), pause: retryFirst}
}

// more says whether to ask again after an error: the next daemon at once, and after all of them
// when a pause has been made.
func (r *retry) more(ctx context.Context, err error) bool {
	r.asked++
	if r.asked%len(r.c.daemons) != 0 {
		return true
	}
	if _, other := errors.AsType[*NotDaemonError](err); other && len(r.c.daemons) == 1 {
		return false // another server does not become a daemon by waiting
	}
	if time.Now().Add(r.pause).After(r.end) {
		return false
	}
	if !r.told && r.c.waiting != nil && time.Since(r.began) > tellAfter {
		r.told = true
		r.c.waiting(r.c.explain(err), r.end)
	}
	select {
	case <-time.After(r.pause):
		r.pause = min(2*r.pause, retryMost)
		return true
	case <-ctx.Done():
		return false
	}
}

// again repeats a call while the daemon that is asked cannot be reached, does not
// answer in time, is not ready or is stopping: each call of the API may be repeated.
func again[T any](ctx context.Context, c *Client, call func(context.Context, service) (T, error)) (T, error) {
	for r := c.retry(); ; {
		resp, err := try(ctx, c, call)
		if err == nil || connect.CodeOf(err) != connect.CodeUnavailable || !r.more(ctx, err) {
			return resp, c.explain(err)
		}
	}
}

// try asks the daemon that is asked now, and leaves it for the next where it gives
// no answer. What one of several does not answer in time is Unavailable, unless it
// was the caller's own time that ended.
func try[T any](ctx context.Context, c *Client, call func(context.Context, service) (T, error)) (T, error) {
	at := c.current.Load()
	d := c.daemons[at%int64(len(c.daemons))]
	tryCtx := ctx
	if len(c.daemons) > 1 {
		var cancel context.CancelFunc
		tryCtx, cancel = context.WithTimeout(ctx, c.tryFor)
		defer cancel()
	}
	resp, err := call(tryCtx, d.rpc)
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable:
		c.leave(at)
	case connect.CodeDeadlineExceeded:
		c.leave(at)
		if len(c.daemons) > 1 && ctx.Err() == nil {
			err = connect.NewError(connect.CodeUnavailable, fmt.Errorf("no answer from %s within %s: %w", d.address, c.tryFor, err))
		}
	}
	return resp, err
}

// leave has the next daemon asked from now on, unless another call has moved on.
func (c *Client) leave(at int64) { c.current.CompareAndSwap(at, at+1) }
