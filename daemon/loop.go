package daemon

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/scheduler"
)

// loop owns the view and everything derived from it. Every event only marks
// keys as due; step looks at what is due, and at the queue, and gathers one plan.
// So an event that comes twice, or out of order, costs a look and no more.
type loop struct {
	d     *Daemon
	store *etcdstore.Store
	log   *zap.Logger

	view    *view
	fleet   *scheduler.Fleet
	queue   *queue
	timers  *timers
	due     dueKeys
	halves  map[berth.Key]berth.Revision // to look at again when the watch has passed it
	seen    map[berth.Key]sighting       // of states, and of what is not packed
	began   time.Time                    // what a life's seenAt counts from
	waits   map[berth.RequestID]waitFrom // with a pending limit: first seen
	lost    map[berth.WorkerID]*lostEpoch
	brakes  brakes
	aside   aside
	starts  map[berth.WorkerID]*starts
	cancels map[berth.RequestID]*cancelOrder
	share   *share
	peers   peers
	left    map[berth.TenantID]*leftOfTenant     // what is left to peers
	leftOn  map[berth.WorkerID][]berth.RequestID // for which of them the fleet has reserved something
	ending  map[berth.RequestID]placing          // with labels, by plans that are being made or are in flight: not counted any more
	bases   bases
	past    pastClock

	suspicions map[berth.RequestID][]suspicion // of requests that have not ended

	groups       map[berth.GroupID]*groupInfo
	groupCancels map[berth.GroupID]*cancelOrder
	gangs        *gangs
	keeps        map[berth.PoolID]*keepState
	rooms        map[berth.PoolID]struct{} // in which groups may have others make room
	holds        groupHolds
	moving       map[berth.GroupID]berth.PoolID // groups whose members a drain ends yet, whoever plans them
	quotas       quotas
	fair         fairness

	claimants map[berth.RequestID]time.Time // that wait with a claim; since when for their quota alone, or zero
	keptOffs  map[berth.Key]struct{}        // what waits that may be due when one of them has its place: see backoffEnds

	successors map[berth.RequestID]berth.RequestID // original: the successor that has not ended
	tried      map[berth.RequestID]tried           // original: of those that ended before
	asked      map[berth.RequestID]struct{}        // with devices, and not placed, for which the fleet was asked: see noteAsked

	incoming submissions
	early    early // until everything is known
	archive  *archiveIndex
	watchers watchers
	parts    chan struct{} // of a load: one for each part on its way; two, so that one is read while one is taken

	hold      hold // after a restore
	space     etcdstore.Space
	batch     int // most members of a plan; halves when one is too large
	batches   batches
	flights   flights
	answers   answers
	untold    untold
	planID    berth.TxnID    // of the next plan; empty: none yet
	notBefore time.Time      // after an error, when to commit again
	took      time.Duration  // of the last transaction that was answered
	answering berth.Revision // of the transaction whose facts are being taken in; 0: none
	lag       lag
	placing   bool             // mayPlace, as the peers were last judged by
	open      bool             // workers are known: new requests are placed
	loaded    bool             // everything is known
	loadedAt  berth.Revision   // of the first view
	alone     bool             // then no other daemon lived
	waiting   [2][]func(*loop) // calls that need to know more, by what they need
	stopping  bool             // nothing new is taken
	stepIns   int64
	commits   int64
	conflicts int64
	metrics   *metrics
	shadows   map[berth.PoolID]*shadowOf // of pools that have one
	fatal     error
}

// answer is what became of a plan.
type answer struct {
	f   *flight
	res etcdstore.Result
	err error
}

func newLoop(d *Daemon) *loop {
	l := &loop{
		d: d, store: d.store, log: d.opts.Log,
		view: newView(), fleet: scheduler.NewFleet(), timers: newTimers(),
		halves: make(map[berth.Key]berth.Revision),
		seen:   make(map[berth.Key]sighting), waits: make(map[berth.RequestID]waitFrom), lost: make(map[berth.WorkerID]*lostEpoch),
		starts: make(map[berth.WorkerID]*starts), suspicions: make(map[berth.RequestID][]suspicion), cancels: make(map[berth.RequestID]*cancelOrder),
		groups: make(map[berth.GroupID]*groupInfo), groupCancels: make(map[berth.GroupID]*cancelOrder),
		gangs: newGangs(), keeps: make(map[berth.PoolID]*keepState), rooms: make(map[berth.PoolID]struct{}), moving: make(map[berth.GroupID]berth.PoolID), holds: groupHolds{of: make(map[berth.GroupID]*groupHold)}, quotas: newQuotas(), fair: newFairness(),
		claimants: make(map[berth.RequestID]time.Time), keptOffs: make(map[berth.Key]struct{}),
		successors: make(map[berth.RequestID]berth.RequestID), tried: make(map[berth.RequestID]tried), asked: make(map[berth.RequestID]struct{}), share: newShare(d.opts.ID), peers: newPeers(), left: make(map[berth.TenantID]*leftOfTenant), leftOn: make(map[berth.WorkerID][]berth.RequestID), ending: make(map[berth.RequestID]placing), bases: newBases(),
		incoming: newSubmissions(), early: newEarly(), archive: newArchiveIndex(), flights: newFlights(), answers: make(answers), untold: make(untold), watchers: newWatchers(),
		parts: make(chan struct{}, 2),
		batch: fullBatch, metrics: d.metrics, shadows: make(map[berth.PoolID]*shadowOf), brakes: newBrakes(), aside: newAside(),
	}
	l.due = newDueKeys(l.view)
	l.queue = newQueue(l)
	l.view.labelled, l.view.claimed, l.view.occupied = l.labelled, l.claimedOn, l.occupied
	return l
}

// finishIn bounds how long a stopping daemon waits for what is in flight.
const finishIn = 5 * time.Second

func (l *loop) run(ctx context.Context, stopping func() bool) error {
	commitCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for l.fatal == nil {
		l.step(commitCtx)
		l.arm(wake)
		l.judgeShadows()
		select {
		case <-ctx.Done():
			return l.finish(cancel, stopping())
		case fn := <-l.d.calls:
			fn(l)
		case <-wake.C:
		}
		l.drain()
	}
	cancel()
	l.land()
	return l.fatal
}

// land waits for the answers of all that is in flight.
func (l *loop) land() {
	for l.flights.count > 0 {
		fn := <-l.d.calls
		fn(l)
	}
}

// drain takes the calls that wait, so that they share the next plan. Everything
// that reaches the loop comes by this one channel, in its order: which of several
// channels a select would take decides nothing.
func (l *loop) drain() {
	for range cap(l.d.calls) {
		select {
		case fn := <-l.d.calls:
			fn(l)
		default:
			return
		}
	}
}

// finish waits for the transactions in flight: their submitters get their answers.
// When the daemon stops, what it has not sent is refused, so that submitters go on
// with another daemon at once.
func (l *loop) finish(cancel context.CancelFunc, stopping bool) error {
	stop := time.AfterFunc(finishIn, cancel)
	defer stop.Stop()
	l.stopping = stopping
	l.land()
	l.drain()
	if stopping {
		l.tellAllLeft()
		l.refuseAll(ErrStopping)
	}
	return nil
}

// arm sets when the loop looks again though nothing has happened. While step would
// do nothing, a timer that is due must not wake it: it would spin.
func (l *loop) arm(t *time.Timer) {
	if l.flights.count > 0 || !l.open {
		t.Stop() // an answer comes as a call, and so do the workers
		return
	}
	next := l.timers.next()
	if !l.notBefore.IsZero() {
		next = l.notBefore
	}
	wait := time.Hour
	if l.due.sweeping() && l.notBefore.IsZero() {
		next = l.now()
	}
	if !next.IsZero() {
		wait = max(0, next.Sub(l.now()))
	}
	t.Reset(wait)
}

func (l *loop) now() time.Time { return l.d.opts.Now() }

// step gathers what is due into plans and sends them, while that is worth it.
func (l *loop) step(ctx context.Context) {
	for l.mayGather() && l.launch(ctx) {
	}
}

// launch gathers one plan and sends it; false: there was nothing to do.
func (l *loop) launch(ctx context.Context) bool {
	now := l.now()
	l.notBefore, l.gangs.holdOff, l.gangs.spent = time.Time{}, false, 0
	l.timers.due(now, l.due.add)
	l.watchPlacing(now)
	b := newBuilder(l, now)
	if l.loaded {
		l.gatherAll(b)
	} else {
		l.gatherEarly(b)
	}
	if b.plan.Empty() {
		return false
	}
	l.planID = ""
	b.tellBasis()
	f := l.flights.take(b, now)
	f.again = append(f.again, b.after...)
	go func() {
		res, err := l.store.Commit(ctx, b.plan)
		// The loop takes calls until this one has come.
		_ = l.post(context.WithoutCancel(ctx), func() { l.answered(answer{f, res, err}) })
	}()
	return true
}

// gatherAll looks until there is something to commit, or nothing left to look at.
func (l *loop) gatherAll(b *builder) {
	l.gangs.last = false
	if l.aside.turn = !l.aside.turn; l.aside.turn {
		l.tryAside(b)
	}
	for more := true; more && b.plan.Empty() && !l.due.sweeping(); {
		more = l.gather(b) || b.plan.Empty() && l.tryAside(b)
	}
	if b.plan.Empty() && l.due.sweeping() { // a part, so that calls are heard meanwhile
		l.gather(b)
	}
}

// looksMost bounds the keys that are looked at before anything is placed: after a
// reload, or when a silent daemon's backlog comes over, they are very many.
const looksMost = 4096

// gather looks at keys that are due, then places, and says whether anything is left
// to be done. A group gets a plan of its own, every other one at most. What ends, and
// frees capacity, comes before what wants it.
func (l *loop) gather(b *builder) (more bool) {
	if len(l.quotas.todo) > 0 && b.plan.Empty() && l.admitQuota(b) {
		return false
	}
	if len(l.quotas.reclaims)+len(l.rooms) > 0 && b.plan.Empty() {
		l.seatDue(b)
	}
	if len(l.quotas.reclaims) > 0 && b.plan.Empty() && l.admitReclaim(b) {
		return false
	}
	if len(l.rooms) > 0 && b.plan.Empty() && l.admitRoom(b) {
		return false
	}
	if b.plan.Empty() && len(l.gangs.of) > 0 {
		l.wakeDue(b)
	}
	if b.plan.Empty() && l.groupsTurn(b.now) && l.admitGroup(b) {
		l.gangs.turn = b.plan.Empty() // it waits for what is in flight
		return false
	}
	for looks := 0; looks < looksMost && b.room(); looks++ {
		k, ok := l.due.pop()
		if !ok {
			break
		}
		l.look(k, b)
	}
	if len(b.plan.Keeps) > 0 { // the fleet does not know yet what is kept, and places nothing beside that
		return false
	}
	behind := b.room() && l.admit(b)
	switch {
	case !behind: // else what comes before other groups may not have been looked at
		l.gangs.turn, l.gangs.last = true, true
	case !l.moreGangs(b.now): // the first is another tenant's, with an equal turn: nothing would go on
		l.gangs.turn = true
	}
	return !l.due.empty() || len(l.quotas.todo)+len(l.quotas.reclaims)+len(l.rooms) > 0 || l.mayPlace() && l.moreGangs(b.now)
}

// nextPlanID is of the plan that is gathered now. A look that finds nothing to
// commit uses none up: how often the loop woke shows in no id.
func (l *loop) nextPlanID() berth.TxnID {
	if l.planID == "" {
		l.planID = l.store.NewTxnID()
	}
	return l.planID
}

// look finds what a key that is due needs now.
func (l *loop) look(k berth.Key, b *builder) {
	if k.Kind == berth.KindRequest {
		l.tellLeft(berth.RequestID(k.ID), b.now)
	}
	if l.flights.defers(k) {
		return
	}
	if (k.Kind == berth.KindAllocation || k.Kind == berth.KindRequest || k.Kind == berth.KindGroup) && l.held(k, b.now) {
		return
	}
	switch k.Kind {
	case berth.KindWorker, berth.KindIntent:
		l.lookWorker(berth.WorkerID(k.ID), b)
	case berth.KindAllocation:
		l.lookAllocation(k, b)
	case berth.KindRequest:
		l.lookRequest(berth.RequestID(k.ID), b)
	case berth.KindArchive:
		l.purge()
	case berth.KindBrake:
		l.lookBrake(berth.PoolID(k.ID), b.now)
	case berth.KindDaemon:
		l.lookPeer(berth.DaemonID(k.ID), b.now)
	case berth.KindGroup:
		if k == triesKey {
			l.timeTries(b.now)
			return
		}
		l.lookGroup(berth.GroupID(k.ID), b)
	case berth.KindHold:
		l.lookHolds(b.now)
	case berth.KindKeep:
		l.lookKeep(berth.PoolID(k.ID), b.now)
	case berth.KindTenant:
		l.lookTenant(berth.TenantID(k.ID), b)
	case berth.KindSchema:
		l.lookHold()
	}
}

// refusedAlways says whether the same plan would be refused whenever it is sent.
func refusedAlways(err error) bool {
	return errors.Is(err, etcdstore.ErrTooLarge) || errors.Is(err, etcdstore.ErrMalformed)
}

// pause after an error that says nothing about the plan.
const pause = time.Second

func (l *loop) answered(a answer) {
	b := a.f.b
	l.flights.land(a.f)
	l.releaseParked(b.plan)
	l.incoming.putBack(a.f.parked) // behind those of the plan, where that is made again
	l.took = l.now().Sub(a.f.sent)
	if a.err != nil {
		b.uncount(false)
	}
	conflict, isConflict := errors.AsType[*etcdstore.ConflictError](a.err)
	switch {
	case a.err == nil:
		l.commits++
		l.space.InUseBytes += b.bytes // until the next look: the store fills fast
		l.batch = min(fullBatch, l.batch*2)
		l.batches.saw(b.members, l.took)
		l.lag.answered(a.res.Revision, l.view.revision, l.now())
		l.answering = a.res.Revision
		if a.res.Whole && a.res.Revision > l.view.revision {
			l.answers[a.res.Revision] = struct{}{}
		}
		l.takeFacts(a.res.Facts)
		l.answering = 0
		l.notePrices(b.plan, &a.res)
		b.uncount(true)
		b.committed()
	case isConflict:
		l.conflicts++
		l.metrics.conflicts.Inc()
		if l.takeFacts(conflict.Facts) == 0 {
			// Nothing new was learned: planning at once would only repeat it.
			l.notBefore = l.now().Add(10 * time.Millisecond)
		}
		b.again()
	case refusedAlways(a.err) && b.divisible():
		// One bad member must not hold the others up: the halves find it.
		l.batch = max(1, b.members/2)
		b.again()
	case refusedAlways(a.err):
		l.setAside(b, a.err)
	case errors.Is(a.err, etcdstore.ErrNewerSchema), errors.Is(a.err, etcdstore.ErrNoSchema), errors.Is(a.err, etcdstore.ErrClusterChanged):
		l.fatal = a.err
		b.refused(a.err)
	default:
		l.log.Warn("commit failed", zap.String("plan", string(b.plan.ID)), zap.Error(a.err))
		l.notBefore = l.now().Add(pause)
		b.refused(a.err)
	}
	for _, k := range a.f.again {
		l.due.add(k)
	}
}
