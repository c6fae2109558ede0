package daemon

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// How the store is kept small. History of keepRevisions stays for watchers that
// fall behind; more of it for those who ask about the past: see History.
const (
	lookAtSpace    = 2 * time.Second
	compactEvery   = time.Minute
	keepRevisions  = 10_000
	keepPressed    = 1_000 // above pressedAt of the quota, at every look
	keepFull       = 100   // above fullAt
	keepRefusing   = 0     // while submissions are refused: what was deleted last may be the largest
	pressedAt      = 40
	fullAt         = 60
	defragmentIn   = 30 * time.Second // all members, one after the other
	defragBytesSec = 50 << 20         // slower than what disks do, so that the estimate is safe
)

// keepSpace watches how full the store is, compacts its history, and, when it is
// nearly full and much of it is free pages, defragments it.
func (d *Daemon) keepSpace(ctx context.Context) error {
	select {
	case <-d.accepting:
	case <-ctx.Done():
		return nil
	}
	tick := time.NewTicker(lookAtSpace)
	defer tick.Stop()
	turn := d.opts.Now()
	for ctx.Err() == nil { // asked first: of a tick and the end, both there, a select takes either
		d.raiseSchema(ctx)
		if at := d.opts.Now(); d.tidy(ctx, at.Sub(turn) >= compactEvery) {
			turn = at
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// tidy looks once, and says whether it had its turn to compact.
func (d *Daemon) tidy(run context.Context, turn bool) bool {
	ctx, cancel := context.WithTimeout(run, finishIn)
	defer cancel()
	space, err := d.store.Space(ctx)
	if err != nil {
		d.opts.Log.Debug("cannot read the store's size", zap.Error(err))
		return false
	}
	mine := false
	var told berth.Revision
	noted := d.callEarly(ctx, func(l *loop) {
		l.noteSpace(space)
		mine = l.loaded && l.share.ofTask("compaction") == d.opts.ID // our own load reads history
		told = l.oldestTold()
	})
	if noted != nil {
		return false
	}
	d.checkTold(ctx, told)
	if !mine {
		return false
	}
	keep, now := historyKept(space)
	cut := space.Revision - keep
	if !now {
		cut = d.outgrown(ctx, space, turn)
	}
	if cut > 0 {
		d.compact(ctx, cut)
	}
	if space.RefusesSubmissions() {
		d.defragment(run, space)
	}
	return now || turn
}

// compact forgets the history before a revision. What plans would name of it they tell again from
// now on.
func (d *Daemon) compact(ctx context.Context, before berth.Revision) {
	if err := d.callEarly(ctx, func(l *loop) { l.forgets(before) }); err != nil {
		return
	}
	if err := d.store.Compact(ctx, before); err != nil {
		d.opts.Log.Debug("compaction refused", zap.Error(err))
	}
}

// checkTold looks whether the oldest plan that others name can still be told of: another daemon
// compacts, too, and so does a person.
func (d *Daemon) checkTold(ctx context.Context, told berth.Revision) {
	if told == 0 {
		return
	}
	if tells, err := d.store.Tells(ctx, told); err != nil || tells {
		return
	}
	oldest, err := d.store.Oldest(ctx)
	if err != nil {
		oldest = told + 1 // the next look tells of others
	}
	_ = d.callEarly(ctx, func(l *loop) { l.forgets(oldest) }) // it has ended, or is another that knows nothing yet
}

// historyKept is how many revisions of history stay, and whether the rest is to
// go at once: a full store has better use for the room. Else that many stay at least.
func historyKept(s etcdstore.Space) (keep berth.Revision, now bool) {
	switch {
	case s.RefusesSubmissions():
		return keepRefusing, true
	case s.Above(fullAt):
		return keepFull, true
	case s.Above(pressedAt):
		return keepPressed, true
	}
	return keepRevisions, false
}

// defragment stops a single member while it runs: only when that is well below
// the leases' time to live, and when it frees much: or anything, once etcd
// refuses every put.
func (d *Daemon) defragment(ctx context.Context, s etcdstore.Space) {
	takes := time.Duration(s.InUseBytes/defragBytesSec+1) * time.Second
	worth := s.InUseBytes <= s.SizeBytes*7/10 || s.Alarm && s.InUseBytes <= s.SizeBytes*19/20
	if !worth || takes > d.opts.TTL/2 {
		if s.Alarm {
			d.opts.Log.Error("the store is full and refuses every write: raise its quota, or purge it (docs/runbook.md)", zap.Stringer("space", s))
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defragmentIn)
	defer cancel()
	if err := d.store.Defragment(ctx); err != nil {
		d.opts.Log.Warn("defragmentation failed", zap.Error(err))
		return
	}
	d.opts.Log.Info("store defragmented", zap.Int64("was_bytes", s.SizeBytes), zap.Int64("in_use_bytes", s.InUseBytes))
	if s.Alarm {
		if err := d.store.Disarm(ctx); err != nil {
			d.opts.Log.Warn("cannot disarm the store's space alarm", zap.Error(err))
		}
	}
}

// noteSpace wakes what waited for room in the store.
func (l *loop) noteSpace(s etcdstore.Space) {
	if !slices.Equal(s.Unreached, l.space.Unreached) {
		l.log.Warn("members of the store that do not answer have changed", zap.Strings("unreached", s.Unreached))
	}
	l.metrics.unreached.Set(float64(len(s.Unreached)))
	if s.RefusesPlacements() != l.space.RefusesPlacements() || s.RefusesSubmissions() != l.space.RefusesSubmissions() {
		l.log.Warn("store space", zap.Stringer("space", s),
			zap.Bool("refuses_submissions", s.RefusesSubmissions()), zap.Bool("refuses_placements", s.RefusesPlacements()))
	}
	l.space = s
	l.due.add(berth.Key{Kind: berth.KindArchive}) // its bound depends on the quota
}

// wait returns after a while, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
