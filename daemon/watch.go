package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/berthd/berth"
)

// watcher gathers the ids that changed since its reader last looked, so that a
// slow reader costs no more memory than there are requests.
type watcher struct {
	mu    sync.Mutex
	dirty map[berth.RequestID]struct{}
	only  map[berth.RequestID]struct{} // nil: all
	bell  chan struct{}                // written by the loop, never closed; one is enough to wake
	over  chan struct{}                // closed when the store's history is over
}

func (w *watcher) end() { close(w.over) }

// touched tells the watchers that a request has changed.
func (l *loop) touched(id berth.RequestID) {
	for _, w := range l.watchers {
		if _, ok := w.only[id]; ok || w.only == nil {
			w.mark(id)
		}
	}
}

func (l *loop) unwatch(w *watcher) {
	l.watchers = slices.DeleteFunc(l.watchers, func(o *watcher) bool { return o == w })
}

func (w *watcher) mark(id berth.RequestID) {
	w.mu.Lock()
	w.dirty[id] = struct{}{}
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

func (w *watcher) take() []berth.RequestID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]berth.RequestID, 0, len(w.dirty))
	for id := range w.dirty {
		ids = append(ids, id)
	}
	clear(w.dirty)
	slices.Sort(ids)
	return ids
}

// Watch calls fn with the requests that match as they are now, then with each
// that changes, until ctx ends or fn fails. Changes that follow each other
// quickly may be told as one. An end is always told. ErrReplaced: what was told
// may not be so any more.
func (d *Daemon) Watch(ctx context.Context, f Filter, fn func(Status) error) error {
	w := &watcher{dirty: make(map[berth.RequestID]struct{}), bell: make(chan struct{}, 1), over: make(chan struct{})}
	if len(f.IDs) > 0 {
		w.only = make(map[berth.RequestID]struct{}, len(f.IDs))
		for _, id := range f.IDs {
			w.only[id] = struct{}{}
		}
	}
	if err := d.call(ctx, func(l *loop) { l.watchers = append(l.watchers, w) }); err != nil {
		return err
	}
	defer func() { _ = d.post(context.WithoutCancel(ctx), func(l *loop) { l.unwatch(w) }) }()
	if err := d.tellCurrent(ctx, f, fn); err != nil {
		return err
	}
	f.Ended = true
	for {
		select {
		case <-w.bell:
		case <-w.over:
			return ErrReplaced
		case <-ctx.Done():
			return ctx.Err()
		case <-d.done:
			return ErrNotReady
		}
		for _, id := range w.take() {
			if err := d.tell(ctx, id, f, fn); err != nil {
				return err
			}
		}
	}
}

func (d *Daemon) tellCurrent(ctx context.Context, f Filter, fn func(Status) error) error {
	f.Limit = MaxPage
	for {
		page, err := d.List(ctx, f)
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := fn(s); err != nil {
				return err
			}
		}
		if len(page) < f.Limit {
			return nil
		}
		f.After = page[len(page)-1].ID
	}
}

func (d *Daemon) tell(ctx context.Context, id berth.RequestID, f Filter, fn func(Status) error) error {
	s, err := d.Get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil // purged meanwhile
	}
	if err != nil {
		return err
	}
	if !f.Matches(&s) {
		return nil
	}
	return fn(s)
}
