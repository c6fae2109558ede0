package daemon

import (
	"maps"

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
		l.view.loadBegins()
	}
	l.takeNews(delta.Facts)
	if delta.More {
		l.seated()
		return
	}
	ends := l.view.loading
	if ends {
		for _, k := range l.view.loadEnds(delta.Revision) {
			l.takeFact(berth.Fact{Key: k, Mod: delta.Revision})
		}
	}
	l.view.passed(delta.Revision)
	l.passedForBasis()
	l.passedUntold()
	l.past.passed(delta.Revision, delta.Bytes, l.now())
	if ends && !l.peers.self {
		l.tellOwn(ownKey{mod: delta.Revision}) // the view may never have held it
	}
	l.complete()
	if ends && !l.loaded {
		l.due.rest = l.view.sweep()
		l.findLost()
		l.allKnown()
		tell(l.d.accepting)
		tell(l.d.ready)
		l.answerWaiting(needsWorkers)
		l.answerWaiting(needsAll)
		l.log.Info("view loaded", zap.Int64("revision", int64(delta.Revision)), zap.Int("requests", len(l.view.lives)), zap.Int("archived", len(l.view.archive)))
	}
	l.answers.passed(delta.Revision)
	l.lag.passed(delta.Revision, l.now())
}

// takeNews takes what the watch tells, but for what an answer has told already: all that
// a transaction of ours changed. Of a load, everything is told, for it marks what it tells of.
func (l *loop) takeNews(facts []berth.Fact) {
	for len(facts) > 0 {
		rev, n := facts[0].Mod, 1
		for n < len(facts) && facts[n].Mod == rev {
			n++
		}
		if l.view.loading || !l.answers.told(rev) {
			l.takeFacts(facts[:n])
		}
		facts = facts[n:]
	}
}

// answers are the revisions of which an answer has told all, and which the watch has
// not passed. A fact that is told twice changes nothing; but to see that of each of a
// daemon's own takes as long as to take another's.
type answers map[berth.Revision]struct{}

func (a answers) told(rev berth.Revision) bool {
	_, ok := a[rev]
	return ok
}

func (a answers) passed(rev berth.Revision) {
	maps.DeleteFunc(a, func(of berth.Revision, _ struct{}) bool { return of <= rev })
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
	unread := l.view.unread
	old, changed := l.view.apply(&f)
	if l.view.unread != unread {
		l.metrics.unreadable.Set(float64(l.view.unread))
	}
	if !changed {
		if f.Record == nil {
			l.noteGoneForBasis(&f)
		}
		return false
	}
	l.noteTxn(txn)
	l.noteForBasis(&f, l.answering)
	l.noteUntold(&f)
	if bad, ok := f.Record.(*etcdstore.Undecodable); ok {
		l.log.Error("a record cannot be read; what it concerns is left alone: run berth fsck",
			zap.String("kind", string(f.Key.Kind)), zap.String("owner", f.Key.Owner), zap.String("id", f.Key.ID), zap.Error(bad.Err))
	}
	l.mark(f, old)
	return true
}

// mark makes due what a changed fact may concern.
func (l *loop) mark(f berth.Fact, old former) {
	switch f.Key.Kind {
	case berth.KindRequest, berth.KindState, berth.KindAllocation, berth.KindArchive:
		l.noteKin(f, old)
	}
	switch f.Key.Kind {
	case berth.KindState:
		l.markClaim(f, old)
	case berth.KindRequest:
		l.noteUncountedOf(berth.RequestID(f.Key.ID))
		if f.Record == nil && old.spec != nil {
			l.leavesGathered(berth.RequestID(f.Key.ID), old.spec)
		}
	}
	switch f.Key.Kind {
	case berth.KindRequest, berth.KindState:
		if f.Key.Kind == berth.KindState || !l.keepFresh(old.life) {
			l.dueSoon(old.life, requestKey(berth.RequestID(f.Key.ID)))
		}
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
	case berth.KindGroup:
		l.markGroup(f, old)
	case berth.KindHold:
		l.markHold(f)
	case berth.KindKeep:
		l.markKeep(f, old)
	case berth.KindTenant:
		l.markTenant(f)
	case berth.KindQuotaBlock:
		l.markBlock(f)
	case berth.KindSchema:
		l.noteSchema(f)
	}
}

// dueSoon makes due what concerns the request of a life. What the first load brings is looked
// at behind it, in one sweep.
func (l *loop) dueSoon(x *life, k berth.Key) {
	if l.loaded || !l.view.loading {
		l.due.addOf(x, k)
	}
}

func (l *loop) markAllocation(f berth.Fact, old former) {
	l.dueSoon(old.life, f.Key)
	id, w := berth.RequestID(f.Key.ID), berth.WorkerID(f.Key.Owner)
	l.touched(id)
	if e := l.lost[w]; e != nil {
		l.due.add(brakeKey(e.pool))
	}
	a, _ := f.Record.(*berth.Allocation)
	l.noteUncounted(f.Key, a)
	if a == nil {
		delete(l.seen, f.Key)
		l.due.add(requestKey(id))
		return
	}
	if old.state != a.State {
		l.noteStart(w, id, a)
	}
}

func (l *loop) markWorker(f berth.Fact, old former) {
	w := berth.WorkerID(f.Key.ID)
	l.due.add(f.Key)
	l.markPresence(f, old)
	if f.Record == nil || f.Create != old.create {
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
	for _, x := range l.view.on[w] {
		l.due.add(allocationKey(w, x.id))
		if by := l.successors[x.id]; by != "" {
			l.markKin(by)
		}
	}
}

func (l *loop) markPool(f berth.Fact) {
	settings := &berth.Pool{Strategy: berth.StrategySpread}
	if p, ok := f.Record.(*berth.Pool); ok {
		settings = p
	}
	l.fleet.Set(berth.PoolID(f.Key.ID), settings)
	l.setShadow(berth.PoolID(f.Key.ID), settings)
	l.due.add(brakeKey(berth.PoolID(f.Key.ID)))
}

func poolKey(p berth.PoolID) berth.Key {
	return berth.Key{Kind: berth.KindPool, ID: string(p)}
}

func workerKey(w berth.WorkerID) berth.Key {
	return berth.Key{Kind: berth.KindWorker, ID: string(w)}
}
