package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/berthd/berth/etcdstore"
)

// submitCall is one call of Submit: what it asks, and the answers, which the loop
// writes where they are wanted. A caller waits once, for the last of them.
type submitCall struct {
	subs    []*submission  // that the loop is to take
	results []SubmitResult // of all requests; the caller's again when done is closed
	left    int            // answers that are not there yet
	done    chan struct{}  // closed by the loop
	taken   atomic.Bool    // by the loop, or by the caller, who has gone
	refused bool           // it did not know enough, and takes nothing
}

// reply is where a submission's answer goes.
type reply struct {
	call *submitCall
	at   int
}

func newSubmitCall(n int) *submitCall {
	return &submitCall{results: make([]SubmitResult, n), done: make(chan struct{})}
}

// add notes a submission that is to be answered as that of the request at.
func (c *submitCall) add(s *submission, at int) {
	s.replies = append(s.replies, reply{c, at})
	c.subs = append(c.subs, s)
	c.left++
}

func (r reply) answer(res *SubmitResult) {
	r.call.results[r.at] = *res
	if r.call.left--; r.call.left == 0 {
		close(r.call.done)
	}
}

// submit hands a call to the loop, once workers are known, and waits for its answers.
func (d *Daemon) submit(ctx context.Context, c *submitCall) error {
	take := func(l *loop) {
		if !c.taken.CompareAndSwap(false, true) {
			return
		}
		if c.refused = !l.knows(needsWorkers); c.refused {
			close(c.done)
			return
		}
		l.receive(c.subs)
	}
	if err := d.post(ctx, func(l *loop) { l.whenKnown(needsWorkers, take) }); err != nil {
		return fmt.Errorf("submit: %w", notReady(err))
	}
	_, err := answerOf(ctx, d, c.done)
	switch {
	case err != nil && c.taken.CompareAndSwap(false, true):
		return fmt.Errorf("submit: %w", notReady(err)) // the loop never takes it
	case err != nil:
		return fmt.Errorf("submit: %w: %w", etcdstore.ErrOutcomeUnknown, err)
	case c.refused:
		return fmt.Errorf("submit: %w: the store was restored or replaced, and is being loaded", ErrNotReady)
	}
	for i := range c.results {
		if r := &c.results[i]; errors.Is(r.Err, ErrStopping) {
			return fmt.Errorf("submit %s: %w", r.ID, r.Err) // the whole call is to be repeated
		}
	}
	return nil
}
