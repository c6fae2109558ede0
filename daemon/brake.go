package daemon

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// brakes is what the loop keeps of the pools' brakes beside the store's records:
// all of it can be made anew from those and from who is lost.
type brakes struct {
	alive map[berth.PoolID]int // workers that live
	gone  map[berth.WorkerID]departure
	pools map[berth.PoolID]*poolBrake
}

// departure is a worker's key that this daemon saw go, not longer ago than a
// window can be. It counts for the brake even where nothing ran there.
type departure struct {
	at   time.Time
	pool berth.PoolID
	ttl  time.Duration
}

// poolBrake is a pool's brake as it was judged last.
type poolBrake struct {
	mod     berth.Revision // of the record, 0 for none
	seenAt  time.Time      // this daemon first saw it so
	step    brakeStep
	held    int64
	writing bool
}

func newBrakes() brakes {
	return brakes{
		alive: make(map[berth.PoolID]int), gone: make(map[berth.WorkerID]departure),
		pools: make(map[berth.PoolID]*poolBrake),
	}
}

func brakeKey(p berth.PoolID) berth.Key { return berth.Key{Kind: berth.KindBrake, ID: string(p)} }

func (s *brakes) of(p berth.PoolID) *poolBrake {
	b := s.pools[p]
	if b == nil {
		b = &poolBrake{}
		s.pools[p] = b
	}
	return b
}

// markPresence keeps count of who lives, and notes who goes.
func (l *loop) markPresence(f berth.Fact, old former) {
	w := berth.WorkerID(f.Key.ID)
	if was, ok := old.record.(*berth.Worker); ok {
		l.brakes.alive[was.Pool]--
		l.due.add(brakeKey(was.Pool))
		l.brakes.gone[w] = departure{at: l.now(), pool: was.Pool, ttl: time.Duration(was.TTLSeconds) * time.Second}
	}
	if is, ok := f.Record.(*berth.Worker); ok {
		l.brakes.alive[is.Pool]++
		l.due.add(brakeKey(is.Pool))
		delete(l.brakes.gone, w)
	}
}

// markBrake: a brake in the store is counted from when it is seen.
func (l *loop) markBrake(f berth.Fact) {
	b := l.brakes.of(berth.PoolID(f.Key.ID))
	b.mod, b.seenAt = f.Mod, l.now()
	if f.Record == nil {
		b.mod = 0
	}
	l.due.add(f.Key)
}

// poolOf is the pool of a lost worker: its registration is gone, but what it holds
// was placed there for the pool.
func (l *loop) poolOf(w berth.WorkerID) berth.PoolID {
	for _, x := range l.view.on[w] {
		if p, ok := l.view.poolOf(x); ok {
			return p
		}
	}
	return ""
}

// departed forgets who left on purpose: its ledger is deleted, or it was empty and
// taken out of use.
func (l *loop) departed(w berth.WorkerID, ledger *berth.Ledger) {
	d, ok := l.brakes.gone[w]
	if in := l.view.intent(w); ok && (ledger == nil || in.Cordon || in.Empties()) {
		delete(l.brakes.gone, w)
		l.due.add(brakeKey(d.pool))
	}
}

// brakeCaseOf is what a pool's brake is judged by now.
func (l *loop) brakeCaseOf(p berth.PoolID, now time.Time) brakeCase {
	b := l.brakes.of(p)
	c := brakeCase{policy: l.brakePolicy(p), alive: l.brakes.alive[p], brake: l.brakeOf(p), seenAt: b.seenAt, now: now}
	released := c.brake != nil && c.brake.State == berth.BrakeReleased
	for w, e := range l.lost { // they are counted
		n := int64(0)
		if e.pool == p {
			n = l.mayRunOn(w, e.epoch)
		}
		if n == 0 {
			continue
		}
		c.held += n
		// Of a loss before this daemon's start, the released brake tells.
		covered := released && (!e.seen || !e.since.After(b.seenAt))
		c.lost = append(c.lost, lostWorker{since: e.since, ttl: e.ttl, covered: covered})
	}
	for w, d := range l.brakes.gone {
		if e := l.lost[w]; d.pool != p || e != nil && l.mayRunOn(w, e.epoch) > 0 {
			continue
		}
		c.lost = append(c.lost, lostWorker{since: d.at, ttl: d.ttl, idle: true, covered: released && !d.at.After(b.seenAt)})
	}
	return c
}

func (l *loop) mayRunOn(w berth.WorkerID, epoch berth.Epoch) (n int64) {
	for _, x := range l.view.on[w] {
		if state, of := l.view.runState(w, x); of == epoch && state.MayRun() {
			n++
		}
	}
	return n
}

func (l *loop) brakeOf(p berth.PoolID) *berth.Brake {
	r, _ := record[berth.Brake](l.view, brakeKey(p))
	return r
}

func (l *loop) brakePolicy(p berth.PoolID) berth.BrakePolicy {
	r, _ := record[berth.Pool](l.view, poolKey(p))
	if r == nil {
		return berth.BrakePolicy{}
	}
	return r.BrakePolicy
}

// lookBrake judges a pool's brake, and writes what it becomes.
func (l *loop) lookBrake(p berth.PoolID, now time.Time) {
	if p == "" {
		return
	}
	b, brake := l.brakes.of(p), l.brakeOf(p)
	if l.view.unreadable(brakeKey(p)) {
		b.step = brakeStep{held: true} // nobody knows what it says
		return
	}
	l.lookGone(now)
	l.due.drop(brakeKey(p))
	c, was := l.brakeCaseOf(p, now), b.step
	b.held, b.step = c.held, judgeBrake(c)
	if !b.step.until.IsZero() {
		l.timers.set(brakeKey(p), b.step.until)
	}
	l.metrics.brake.show(p, brake != nil && brake.State == berth.BrakeEngaged, c.held)
	if next, write := c.next(b.step); write && !b.writing {
		b.writing = true
		go l.writeBrake(p, b.mod, next)
	}
	if was.holds() && !b.step.holds() {
		l.markBraked(p)
		l.wakeAllPreemptors(p)
		l.markReclaims(p)
	}
	if c.held == 0 && brake == nil && !b.writing {
		delete(l.brakes.pools, p)
	}
}

// lookGone takes workers that have just gone for lost before a pool is judged: they
// live no more, and would else be missing from its size.
func (l *loop) lookGone(now time.Time) {
	for _, w := range slices.Sorted(maps.Keys(l.brakes.gone)) {
		if now.Sub(l.brakes.gone[w].at) > berth.MaxBrakeWindowMS*time.Millisecond {
			delete(l.brakes.gone, w)
			continue
		}
		if l.due.has(workerKey(w)) && !l.view.unreadable(ledgerKey(w)) {
			ledger, _ := l.view.ledger(w)
			l.lookLost(w, ledger, now)
		}
	}
}

// writeBrake writes, and tells the loop. Of daemons that judge alike one writes,
// and the others learn what.
func (l *loop) writeBrake(p berth.PoolID, was berth.Revision, next *berth.Brake) {
	ctx, cancel := context.WithTimeout(context.Background(), finishIn)
	defer cancel()
	fact, err := l.store.SetBrake(ctx, p, was, next)
	// Also when the time is up: no brake of the pool would ever be written, or released,
	// again. A loop that has ended needs no answer.
	_ = l.post(context.WithoutCancel(ctx), func() { l.brakeWritten(p, next, fact, err) })
}

func (l *loop) brakeWritten(p berth.PoolID, next *berth.Brake, fact berth.Fact, err error) {
	l.brakes.of(p).writing = false
	conflict, isConflict := errors.AsType[*etcdstore.ConflictError](err)
	switch {
	case err == nil:
		l.takeFact(fact)
		l.tellBrake(p, next)
	case isConflict:
		l.takeFacts(conflict.Facts)
	default:
		l.log.Warn("cannot write a pool's brake; nothing is moved meanwhile", zap.String("pool", string(p)), zap.Error(err))
		l.timers.set(brakeKey(p), l.now().Add(pause))
		return
	}
	l.due.add(brakeKey(p))
}

// tellBrake is the event for operators, by the daemon that wrote it.
func (l *loop) tellBrake(p berth.PoolID, b *berth.Brake) {
	if b == nil {
		return
	}
	fields := []zap.Field{
		zap.String("pool", string(p)), zap.Int64("lost", b.Lost), zap.Int64("size", b.Size), zap.Int64("held", b.Held),
	}
	if b.State == berth.BrakeEngaged {
		l.metrics.brake.total.WithLabelValues(string(p)).Inc()
		l.log.Warn("brake engaged: many workers of a pool are lost; what may run on them is not moved (berth brake release, hold)",
			append(fields, zap.Duration("bound", time.Duration(b.BoundMS)*time.Millisecond))...)
		return
	}
	l.log.Warn("brake released: what may run on lost workers is moved at a pace",
		append(fields, zap.String("why", string(b.Why)), zap.Int("per_second", pacePerSecond))...)
}

// markBraked looks again at what is held on a pool's lost workers.
func (l *loop) markBraked(p berth.PoolID) {
	for _, w := range slices.Sorted(maps.Keys(l.lost)) {
		if l.lost[w].pool == p {
			l.markAllocationsOf(w)
		}
	}
}

// holdOf says whether the brake lets what may run on a lost worker be moved, and
// from when. It is judged first where something about it has changed.
func (l *loop) holdOf(w berth.WorkerID, id berth.RequestID, now time.Time) brakeHold {
	e := l.lost[w]
	if e == nil {
		return brakeHold{}
	}
	if l.due.has(brakeKey(e.pool)) {
		l.lookBrake(e.pool, now)
	}
	b := l.brakes.pools[e.pool]
	if b == nil {
		return brakeHold{}
	}
	if b.step.holds() {
		return brakeHold{on: true}
	}
	if r := l.brakeOf(e.pool); r != nil && r.State == berth.BrakeReleased {
		return brakeHold{at: b.seenAt.Add(paceDelay(id, r.Held))}
	}
	return brakeHold{}
}
