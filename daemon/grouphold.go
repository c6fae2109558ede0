package daemon

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// A group over many workers on which other daemons place all the time would conflict
// for ever. One that has conflicted twice puts a hold with its workers: for a moment,
// the other daemons place nothing new there. Nothing but the compares of its
// transaction makes it safe: a hold is a request to the others.

// Of holds: how many conflicts in a row a group meets before it puts one, and how long
// one counts, from when a daemon first sees it, whatever becomes of its lease.
const (
	conflictsBeforeHold = 2
	holdFor             = time.Second
)

// groupHolds are the holds that count.
type groupHolds struct{ of map[berth.GroupID]*groupHold }

type groupHold struct {
	since   berth.Revision // the oldest wins
	workers []berth.WorkerID
	until   time.Time
}

// closes says whether a worker takes nothing new, but of the group named.
func (h *groupHolds) closes(w berth.WorkerID, but berth.GroupID) bool {
	mine := h.of[but]
	for id, o := range h.of {
		if id != but && (mine == nil || o.since < mine.since || o.since == mine.since && id < but) && slices.Contains(o.workers, w) {
			return true
		}
	}
	return mine != nil && but == "" && slices.Contains(mine.workers, w)
}

// markHold follows a hold.
func (l *loop) markHold(f berth.Fact) {
	id := berth.GroupID(f.Key.ID)
	if was := l.holds.of[id]; was != nil {
		l.dropHold(id, was)
	}
	r, ok := f.Record.(*berth.Hold)
	if !ok {
		return
	}
	h := &groupHold{since: f.Create, workers: r.Workers, until: l.now().Add(holdFor)}
	l.holds.of[id] = h
	l.timers.set(f.Key, h.until)
	l.due.add(groupKey(id))
	for _, w := range h.workers {
		l.due.add(workerKey(w))
	}
}

func (l *loop) dropHold(id berth.GroupID, h *groupHold) {
	delete(l.holds.of, id)
	l.due.add(groupKey(id))
	for _, w := range h.workers {
		l.oddUntilSeated(w)
	}
}

// lookHolds ends the holds whose time is over.
func (l *loop) lookHolds(now time.Time) {
	for _, id := range slices.Sorted(maps.Keys(l.holds.of)) {
		if h := l.holds.of[id]; !now.Before(h.until) {
			l.dropHold(id, h)
		} else { // an earlier hold of the group has set this timer
			l.timers.set(berth.Key{Kind: berth.KindHold, ID: string(id)}, h.until)
		}
	}
}

// admit opens, for the planning of one group, the workers that holds close to all but
// it; what it returns closes them again.
func (h *groupHolds) admit(l *loop, id berth.GroupID) func() {
	mine := h.of[id]
	if mine == nil {
		return func() {}
	}
	var opened []berth.WorkerID
	for _, w := range mine.workers {
		if now := l.fleet.Worker(w); now != nil && now.Held && !h.closes(w, id) {
			open := *now
			open.Held = false
			l.fleet.Put(open)
			opened = append(opened, w)
		}
	}
	return func() {
		for _, w := range opened {
			if now := l.fleet.Worker(w); now != nil {
				shut := *now
				shut.Held = true
				l.fleet.Put(shut)
			}
		}
	}
}

// groupConflicted puts a hold for a group that has conflicted again.
func (l *loop) groupConflicted(id berth.GroupID) {
	info := l.groups[id]
	if info == nil {
		return
	}
	info.conflicts++
	if info.conflicts < conflictsBeforeHold || info.holding || l.holds.of[id] != nil {
		return
	}
	workers := slices.Compact(slices.Sorted(slices.Values(info.chosen)))
	info.holding = true
	go l.putHold(id, workers)
}

func (l *loop) putHold(id berth.GroupID, workers []berth.WorkerID) {
	ctx, cancel := context.WithTimeout(context.Background(), finishIn)
	defer cancel()
	f, err := l.store.PutHold(ctx, id, workers)
	_ = l.post(context.WithoutCancel(ctx), func() { // also when the time is up: see askLease
		if info := l.groups[id]; info != nil {
			info.holding = false
		}
		l.due.add(groupKey(id)) // with a hold or without one
		if err != nil {
			l.log.Warn("cannot put a group's hold", zap.String("group", string(id)), zap.Error(err))
			return
		}
		l.takeFact(f)
	})
}
