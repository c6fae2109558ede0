package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/berthd/berth"
)

// Workers lists the workers, living and lost, by id.
func (d *Daemon) Workers(ctx context.Context) ([]WorkerStatus, error) {
	var out []WorkerStatus
	err := d.call(ctx, func(l *loop) {
		ids := make(map[berth.WorkerID]struct{})
		for _, kind := range []berth.Kind{berth.KindWorker, berth.KindLedger} {
			for k := range l.view.whole[kind] {
				ids[berth.WorkerID(k.ID)] = struct{}{}
			}
		}
		for id := range ids {
			if s, ok := l.workerStatus(id); ok {
				out = append(out, s)
			}
		}
	})
	slices.SortFunc(out, func(a, b WorkerStatus) int { return cmp.Compare(a.ID, b.ID) })
	return out, err
}

// unplacedMost is how many successors without a place are told of a worker.
const unplacedMost = 3

// Worker is one worker, living or lost.
func (d *Daemon) Worker(ctx context.Context, id berth.WorkerID) (WorkerStatus, error) {
	if err := berth.CheckID("worker", string(id)); err != nil {
		return WorkerStatus{}, err
	}
	var s WorkerStatus
	known := false
	if err := d.call(ctx, func(l *loop) { s, known = l.workerStatus(id) }); err != nil {
		return WorkerStatus{}, err
	}
	if !known {
		return WorkerStatus{}, fmt.Errorf("worker %s: %w", id, ErrNotFound)
	}
	return s, nil
}

// workerStatus leaves out workers that are gone and hold nothing.
func (l *loop) workerStatus(id berth.WorkerID) (WorkerStatus, bool) {
	rec, epoch := l.view.worker(id)
	ledger, _ := l.view.ledger(id)
	s := WorkerStatus{ID: id, Epoch: epoch, Intent: l.view.intent(id), Count: len(l.view.on[id])}
	if s.Intent.Empties() {
		c := l.emptyingOf(id, l.now())
		slices.Sort(c.unplaced)
		s.Stopping, s.Replacing, s.Unplaced = c.stopping, c.replacing+c.pausing, c.unplaced[:min(len(c.unplaced), unplacedMost)]
	}
	if ledger != nil {
		s.Ledger = *ledger
	}
	if rec == nil {
		s.State = "lost"
		s.Epoch = s.Ledger.Epoch
		if e := l.lost[id]; e != nil {
			s.LostSince, s.Pool = e.since, e.pool
			if b, ok := l.brakeStatus(e.pool); ok {
				s.BrakedUntil = b.Until
			}
		}
		return s, s.Count > 0
	}
	s.Worker, s.Pool = *rec, rec.Pool
	if c, _ := record[berth.Conditions](l.view, berth.Key{Kind: berth.KindConditions, ID: string(id)}); c != nil {
		s.WarmKeys, s.WarmImages = c.WarmKeys, c.WarmImages
	}
	if st := l.starts[id]; st != nil {
		s.StartFailures, s.SuspendedUntil = st.failures, st.until
	}
	switch {
	case ledger == nil || ledger.Epoch != epoch:
		s.State = "opening"
	case s.Intent.Remove:
		s.State = "removing"
	case s.Intent.Drain:
		s.State = "draining"
	case s.Intent.Cordon:
		s.State = "cordoned"
	case l.starts[id] != nil && l.starts[id].suspended(l.now()):
		s.State = "suspended"
	default:
		s.State = "ready"
	}
	return s, true
}

// Info is the daemon's own state.
func (d *Daemon) Info(ctx context.Context) (Info, error) {
	in := Info{Daemon: d.opts.ID, Version: d.opts.Version}
	err := d.call(ctx, func(l *loop) {
		in.Revision, in.Space, in.Commits, in.Conflicts = l.view.revision, l.space, l.commits, l.conflicts
		in.Layout, in.HoldUntil = d.store.Layout(), l.hold.until
		in.Blocked, in.Archived = l.blocked(), l.archive.count
		in.Requests, in.Pending = l.view.counts.total(""), l.view.counts.total(berth.StatePending)
		in.Unreadable = l.view.unread
		in.Running, in.Workers = l.view.counts.total(berth.StateRunning), len(l.share.workers)
	})
	return in, err
}
