package daemon

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// hold keeps everything unplaced after a restore: what the backup does not know
// of may still run. The zero hold holds nothing.
type hold struct {
	was    berth.Revision // of the schema that asks for it
	until  time.Time      // by our own clock, from when we first saw it
	ending bool           // being taken out of the store
}

func (h *hold) active() bool { return !h.until.IsZero() }

func (h *hold) reason() berth.Reason {
	return berth.Reason{Code: berth.ReasonRestored, Detail: h.until.UTC().Format(time.RFC3339)}
}

var schemaKey = berth.Key{Kind: berth.KindSchema}

// noteSchema begins a hold, or ends it: another daemon may have seen it for long
// enough already.
func (l *loop) noteSchema(f berth.Fact) {
	l.quotas.schemaAt = f.Mod
	s, ok := f.Record.(*berth.Schema)
	if !ok {
		return // commits tell
	}
	if s.Restored == nil {
		if l.hold.active() {
			l.log.Info("the hold after the restore is over: placing again")
			l.hold = hold{}
			l.markLost()
		}
		return
	}
	if l.hold.active() {
		l.hold.was = f.Mod
		return
	}
	l.hold = hold{was: f.Mod, until: l.now().Add(time.Duration(s.Restored.HoldMS) * time.Millisecond)}
	l.timers.set(schemaKey, l.hold.until)
	l.log.Warn("the store was restored from a backup: nothing is placed before what it does not know of has ended",
		zap.Time("restored", s.Restored.At), zap.Time("until", l.hold.until))
}

// markLost makes due what waited for the hold on workers that did not come back.
func (l *loop) markLost() {
	for _, w := range slices.Sorted(maps.Keys(l.lost)) {
		l.markAllocationsOf(w)
	}
}

// lookHold ends the hold in the store when it has passed; each daemon may.
func (l *loop) lookHold() {
	switch {
	case !l.hold.active() || l.hold.ending:
	case l.now().Before(l.hold.until):
		l.timers.set(schemaKey, l.hold.until)
	default:
		l.hold.ending = true
		go l.endHold(l.hold.was)
	}
}

func (l *loop) endHold(was berth.Revision) {
	ctx, cancel := context.WithTimeout(context.Background(), finishIn)
	defer cancel()
	fact, err := l.store.EndRestore(ctx, was)
	// Also when the time is up: nobody else tries again. A loop that has ended needs
	// no answer.
	_ = l.post(context.WithoutCancel(ctx), func() {
		l.hold.ending = false
		if err != nil {
			l.log.Warn("cannot end the hold after the restore; trying again", zap.Error(err))
			l.timers.set(schemaKey, l.now().Add(pause))
			return
		}
		l.takeFact(fact)
		l.due.add(schemaKey) // when it was rewritten meanwhile, and stands still
	})
}

// mayPlace says whether anything may be placed now.
func (l *loop) mayPlace() bool {
	return !l.hold.active() && !l.space.RefusesPlacements() && l.upToSchema()
}

// renew is a loop that knows nothing of the store. What users wait for goes on
// there, but for watches: the history that they tell of is over.
func (l *loop) renew() *loop {
	next := newLoop(l.d)
	next.incoming, next.cancels, next.early.known, next.waiting = l.incoming, l.cancels, l.early.known, l.waiting
	next.incoming.putBack(next.incoming.takeLeft()) // whether they are there now is not known
	next.groupCancels = l.groupCancels
	for _, id := range slices.Sorted(maps.Keys(next.groupCancels)) {
		next.due.add(groupKey(id))
	}
	for _, id := range slices.Sorted(maps.Keys(next.cancels)) {
		next.due.add(requestKey(id))
	}
	l.watchers.end()
	return next
}

// post hands fn to this loop: one that has taken its place does not run it.
func (l *loop) post(ctx context.Context, fn func()) error {
	return l.d.post(ctx, func(now *loop) {
		if now == l {
			fn()
		}
	})
}

// deliver takes the news of the cluster that this loop is on. Of a load's parts, which
// are large, few are on their way at once: what else is asked comes between them.
func (l *loop) deliver(ctx context.Context, delta etcdstore.Delta) error {
	if !delta.More {
		return l.post(ctx, func() { l.take(delta) })
	}
	select {
	case l.parts <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.post(ctx, func() { <-l.parts; l.take(delta) })
}

// raiseSchema raises the store's layout once every daemon knows the next.
func (d *Daemon) raiseSchema(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, finishIn)
	defer cancel()
	raised, err := d.store.RaiseSchema(ctx)
	switch {
	case err != nil:
		d.opts.Log.Debug("the schema is not raised now", zap.Error(err))
	case raised:
		d.opts.Log.Info("the store's layout was raised: every daemon knows it", zap.Int64("layout", d.store.Layout()))
	}
}
