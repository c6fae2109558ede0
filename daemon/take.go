package daemon

import (
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// take lays a delta of the watch over the view.
func (l *loop) take(delta etcdstore.Delta) {
	if delta.Reset {
		if !l.loaded {
			l.startedBeside(delta)
		}
		l.reset(delta)
	}
	l.takeFacts(delta.Facts)
	l.view.passed(delta.Revision)
	if delta.Reset && !l.peers.self {
		l.tellOwn(ownKey{mod: delta.Revision}) // the view may never have held it
	}
	l.complete()
	if delta.Reset && !l.loaded {
		l.loaded = true
		l.findLost()
		l.tellReady()
		l.log.Info("view loaded", zap.Int64("revision", int64(delta.Revision)), zap.Int("keys", len(delta.Facts)))
	}
}

// reset marks what a reload no longer holds as deleted.
func (l *loop) reset(delta etcdstore.Delta) {
	fresh := make(map[berth.Key]struct{}, len(delta.Facts))
	for _, f := range delta.Facts {
		fresh[f.Key] = struct{}{}
	}
	for _, k := range l.view.vanished(fresh, delta.Revision) {
		l.takeFact(berth.Fact{Key: k, Mod: delta.Revision})
	}
}

// takeFacts returns how many facts were news.
func (l *loop) takeFacts(facts []berth.Fact) int {
	news := 0
	for _, f := range facts {
		if l.takeFact(f) {
			news++
		}
	}
	return news
}

func (l *loop) takeFact(f berth.Fact) bool {
	txn := etcdstore.TxnOf(f.Record)
	if a, ok := f.Record.(*berth.Archive); ok {
		l.archive.remember(berth.RequestID(f.Key.ID), a)
		f.Record = &archived{digest: a.Digest, submittedAt: a.SubmittedAt, endedAt: a.EndedAt, replacedBy: a.ReplacedBy}
	}
	old, changed := l.view.apply(f)
	if !changed {
		return false
	}
	l.noteTxn(txn)
	if bad, ok := f.Record.(*etcdstore.Undecodable); ok {
		l.log.Error("a record cannot be read; what it concerns is left alone: run berth fsck",
			zap.String("kind", string(f.Key.Kind)), zap.String("owner", f.Key.Owner), zap.String("id", f.Key.ID), zap.Error(bad.Err))
	}
	l.mark(f, old)
	return true
}

// mark makes due what a changed fact may concern.
func (l *loop) mark(f, old berth.Fact) {
	switch f.Key.Kind {
	case berth.KindRequest, berth.KindState, berth.KindAllocation, berth.KindArchive:
		l.noteKin(f, old)
	}
	switch f.Key.Kind {
	case berth.KindRequest, berth.KindState:
		l.due.add(requestKey(berth.RequestID(f.Key.ID)))
		l.touched(berth.RequestID(f.Key.ID))
	case berth.KindAllocation:
		l.markAllocation(f, old)
	case berth.KindWorker:
		l.markWorker(f, old)
	case berth.KindLedger, berth.KindConditions:
		l.due.add(workerKey(berth.WorkerID(f.Key.ID)))
	case berth.KindIntent:
		l.markIntent(f, old)
	case berth.KindArchive:
		l.markArchive(f)
	case berth.KindPool:
		l.markPool(f)
	case berth.KindBrake:
		l.markBrake(f)
	case berth.KindDaemon:
		l.markDaemon(f)
	case berth.KindSchema:
		l.noteSchema(f)
	}
}

func (l *loop) markAllocation(f, old berth.Fact) {
	l.due.add(f.Key)
	id, w := berth.RequestID(f.Key.ID), berth.WorkerID(f.Key.Owner)
	l.touched(id)
	if e := l.lost[w]; e != nil {
		l.due.add(brakeKey(e.pool))
	}
	a, _ := f.Record.(*berth.Allocation)
	if a == nil {
		delete(l.seen, f.Key)
		l.due.add(requestKey(id))
		return
	}
	was, _ := old.Record.(*berth.Allocation)
	if was == nil || was.State != a.State {
		l.noteStart(w, id, a)
	}
}

func (l *loop) markWorker(f, old berth.Fact) {
	w := berth.WorkerID(f.Key.ID)
	l.due.add(f.Key)
	l.markPresence(f, old)
	if f.Record == nil || f.Create != old.Create {
		delete(l.starts, w) // another life
		l.markAllocationsOf(w)
	}
	moved := false
	if r, ok := f.Record.(*berth.Worker); ok {
		moved = l.share.put(w, r.Pool)
	} else if f.Record == nil {
		moved = l.share.remove(w)
	}
	if moved {
		l.rehome()
	}
}

func (l *loop) markAllocationsOf(w berth.WorkerID) {
	for _, id := range slices.Sorted(maps.Keys(l.view.allocs[w])) {
		l.due.add(allocationKey(w, id))
		if by := l.successors[id]; by != "" {
			l.markKin(by)
		}
	}
}

func (l *loop) markPool(f berth.Fact) {
	strategy := berth.StrategySpread
	if p, ok := f.Record.(*berth.Pool); ok {
		strategy = p.Strategy
	}
	l.fleet.SetStrategy(berth.PoolID(f.Key.ID), strategy)
	l.due.add(brakeKey(berth.PoolID(f.Key.ID)))
}

func poolKey(p berth.PoolID) berth.Key {
	return berth.Key{Kind: berth.KindPool, ID: string(p)}
}

func workerKey(w berth.WorkerID) berth.Key {
	return berth.Key{Kind: berth.KindWorker, ID: string(w)}
}
