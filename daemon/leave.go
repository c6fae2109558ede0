package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// What is placed on a worker is decided by the daemon that owns it: two that place on
// one meet in its ledger. So for a new request that another's worker would take best,
// the daemon that was asked puts the request alone, and says in it who owns that
// worker. That one places it as soon as its watch tells, on whichever of its own
// workers is best then; and the submitter is answered when this daemon's watch tells
// of the placement.
//
// Like all of share this is a preference. When the planner is gone, silent, or without
// a worker of the pool, the request is another's, as any other that waits.

// leave submits a request unplaced, to the owner of the worker that would take it.
func (l *loop) leave(s *submission, w berth.WorkerID, b *builder) {
	s.record.Planner = l.share.ofWorker(w)
	b.submit(s)
	b.after = append(b.after, workerKey(w)) // the fleet has reserved what the owner decides
}

// awaitPlanner keeps a submission that was left to another daemon, and is durable now,
// until that one has had its time.
func (l *loop) awaitPlanner(s *submission) {
	s.until = l.now().Add(stepInAfter)
	l.incoming.left[s.record.Spec.ID] = s
	l.timers.set(requestKey(s.record.Spec.ID), s.until)
}

// tellLeft answers a submission that was left to another daemon, when that has done
// something about it, or has had its time.
func (l *loop) tellLeft(id berth.RequestID, now time.Time) {
	s := l.incoming.left[id]
	if s == nil || l.view.waits(id) && now.Before(s.until) {
		return
	}
	delete(l.incoming.left, id)
	l.accepted(s)
}

// tellAllLeft answers them as they are: they are durable.
func (l *loop) tellAllLeft() {
	for _, s := range l.incoming.takeLeft() {
		l.accepted(s)
	}
}

// takeLeft takes out those that were left to other daemons.
func (s *submissions) takeLeft() (out []*submission) {
	for _, id := range slices.Sorted(maps.Keys(s.left)) {
		out = append(out, s.left[id])
	}
	clear(s.left)
	return out
}
