package daemon

import (
	"context"
	"errors"
	"slices"

	"github.com/berthd/berth"
)

// Position is how far a watch has come: every change up to Revision was told, and,
// while After is not empty, of the requests as they were those up to that id.
type Position struct {
	Store    uint64 // the cluster that Revision is of; 0: nowhere yet
	Revision berth.Revision
	After    berth.RequestID
}

// Watch calls fn with the requests that match as they are now, then with each
// that changes, until ctx ends or fn fails. Changes that follow each other
// quickly may be told as one. An end is always told. ErrReplaced: what was told
// may not be so any more.
func (d *Daemon) Watch(ctx context.Context, f Filter, fn func(Status) error) error {
	return d.WatchFrom(ctx, f, Position{}, func(s *Status, _ Position) error {
		if s == nil {
			return nil
		}
		return fn(*s)
	})
}

// WatchFrom is Watch that goes on where another, of this daemon or another of the
// store, has broken: what changed since is told, ended or not. fn is told how far the
// watch has come; without a status when it stands, and when the requests as they are
// have all been told.
func (d *Daemon) WatchFrom(ctx context.Context, f Filter, from Position, fn func(*Status, Position) error) error {
	w := &watcher{
		dirty: make(map[berth.RequestID]struct{}), bell: make(chan struct{}, 1), over: make(chan struct{}),
		only: slices.Compact(slices.Sorted(slices.Values(f.IDs))),
	}
	var at Position
	if err := d.call(ctx, func(l *loop) {
		l.watchers.add(w)
		at = Position{Store: d.store.Cluster(), Revision: max(l.view.revision, from.Revision)}
	}); err != nil {
		return err
	}
	defer func() { _ = d.post(context.WithoutCancel(ctx), func(l *loop) { l.watchers.remove(w) }) }()
	if from.Store != 0 && from.Store != at.Store {
		return ErrReplaced
	}
	if err := fn(nil, from); err != nil {
		return err
	}
	if err := d.catchUp(ctx, f, from, at, fn); err != nil {
		return err
	}
	return d.tellChanges(ctx, w, f, at, fn)
}

// catchUp tells what is to be told before the changes: all that matches as it is, or,
// from where a watch broke, what has changed since, and what it had not come to.
func (d *Daemon) catchUp(ctx context.Context, f Filter, from, at Position, fn func(*Status, Position) error) error {
	if from.Revision > 0 {
		if err := d.tellMissed(ctx, f, from, fn); err != nil {
			return err
		}
	}
	if from.Revision == 0 || from.After != "" {
		f.After = from.After
		if err := d.tellCurrent(ctx, f, at, fn); err != nil {
			return err
		}
	}
	return fn(nil, at)
}

// tellChanges tells each change after at, until ctx ends.
func (d *Daemon) tellChanges(ctx context.Context, w *watcher, f Filter, at Position, fn func(*Status, Position) error) error {
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
		passed := at.Revision // asked for first: what the view has passed is marked
		if err := d.call(ctx, func(l *loop) { passed = max(passed, l.view.revision) }); err != nil {
			return err
		}
		if err := d.tellEach(ctx, w.take(), f, at, fn); err != nil {
			return err
		}
		at.Revision = passed
	}
}

// toldAtOnce is how many requests a watch holds while they are told: one that does not read costs the daemon as much
// for as long as it stands. It is no more than one look at the view finds.
const toldAtOnce = listedAtOnce

// tellCurrent tells of the requests as they are, a page at a time, each as it is when its page is taken: what changes
// behind that is told as a change.
func (d *Daemon) tellCurrent(ctx context.Context, f Filter, at Position, fn func(*Status, Position) error) error {
	f.Limit = toldAtOnce
	for {
		page, err := d.List(ctx, f)
		if err != nil {
			return err
		}
		for i := range page {
			at.After = page[i].ID
			if err := fn(&page[i], at); err != nil {
				return err
			}
		}
		if len(page) < f.Limit {
			return nil
		}
		f.After = page[len(page)-1].ID
	}
}

// tellMissed tells what changed after from, in order.
func (d *Daemon) tellMissed(ctx context.Context, f Filter, from Position, fn func(*Status, Position) error) error {
	all := f
	all.Ended, all.After, all.Worker = true, "", "" // one that has left the worker has changed, too
	for {
		var some, changed []berth.RequestID
		if err := d.call(ctx, func(l *loop) {
			some = l.ids(all, comparedAtOnce)
			changed = l.changedSince(some, f, from)
		}); err != nil || len(some) == 0 {
			return err
		}
		all.After = some[len(some)-1]
		if err := d.tellEach(ctx, changed, f, from, fn); err != nil {
			return err
		}
	}
}

// comparedAtOnce is how many requests one call of the loop compares with where a
// watch has come to.
const comparedAtOnce = 2048

// changedSince are those of ids that changed after from, but for those that
// are told as they are anyway: beyond what a watch had come to there, and not ended
// (or asked for though they have).
func (l *loop) changedSince(ids []berth.RequestID, f Filter, from Position) []berth.RequestID {
	listed := func(id berth.RequestID) bool {
		return from.After != "" && id > from.After && (l.view.submitted(id) || f.Ended)
	}
	changed := make([]berth.RequestID, 0, len(ids))
	for _, id := range ids {
		if l.view.changed(id) > from.Revision && !listed(id) {
			changed = append(changed, id)
		}
	}
	return changed
}

// tellEach tells those that match, ended ones too.
func (d *Daemon) tellEach(ctx context.Context, ids []berth.RequestID, f Filter, at Position, fn func(*Status, Position) error) error {
	f.Ended = true
	for _, id := range ids {
		if err := d.tell(ctx, id, f, func(s Status) error { return fn(&s, at) }); err != nil {
			return err
		}
	}
	return nil
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
