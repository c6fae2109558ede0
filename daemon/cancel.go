package daemon

import (
	"context"
	"fmt"

	"github.com/berthd/berth"
)

// cancelOrder is a user's wish that a request ends, until it is durable: as its
// archive record, or as a stop order in its allocation.
type cancelOrder struct {
	message string
	done    []chan struct{}
}

// Cancel ends a request: at once when it is not started, else by a stop order.
// It returns when that is durable. A request that has ended stays as it is.
func (d *Daemon) Cancel(ctx context.Context, id berth.RequestID, message string) (Status, error) {
	if err := berth.CheckID("id", string(id)); err != nil {
		return Status{}, err
	}
	if err := berth.CheckMessage("message", message); err != nil {
		return Status{}, err
	}
	done := make(chan struct{})
	found, corrupt := false, false
	err := d.call(ctx, func(l *loop) {
		if corrupt = l.broken(id); !corrupt {
			found = l.orderCancel(id, message, done)
		}
	})
	if corrupt {
		return Status{}, fmt.Errorf("cancel %s: %w", id, ErrCorrupt)
	}
	if err != nil {
		return Status{}, fmt.Errorf("cancel %s: %w", id, err)
	}
	if found {
		select {
		case <-done:
		case <-ctx.Done():
			return Status{}, fmt.Errorf("cancel %s: not confirmed yet: %w", id, ctx.Err())
		case <-d.done:
			return Status{}, fmt.Errorf("cancel %s: %w", id, ErrNotReady)
		}
	}
	return d.Get(ctx, id)
}

func (l *loop) orderCancel(id berth.RequestID, message string, done chan struct{}) bool {
	if sub, _ := l.view.submission(id); sub == nil {
		return false
	}
	c := l.cancels[id]
	if c == nil {
		c = &cancelOrder{message: message}
		l.cancels[id] = c
	}
	c.done = append(c.done, done)
	keys := []berth.Key{requestKey(id)}
	if w, a, _ := l.view.allocationOf(id); a != nil {
		keys = append(keys, allocationKey(w, id))
	}
	for _, k := range keys {
		l.aside.hurry(k, l.now())
		l.due.add(k)
	}
	return true
}

// cancelOrdered: the stop order is in the store.
func (l *loop) cancelOrdered(id berth.RequestID) {
	w, a, _ := l.view.allocationOf(id)
	if c := l.cancels[id]; c != nil && w != "" && a.Stop != nil && a.Stop.Reason == berth.StopCancel {
		l.settleCancel(id)
	}
}

// cancelEnded: the request is over.
func (l *loop) cancelEnded(id berth.RequestID) { l.settleCancel(id) }

func (l *loop) settleCancel(id berth.RequestID) {
	c := l.cancels[id]
	if c == nil {
		return
	}
	delete(l.cancels, id)
	for _, done := range c.done {
		close(done)
	}
}
