package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// lookWorker brings the fleet in line with what the view knows of a worker, opens
// its ledger when it can be, and wakes what it may help.
func (l *loop) lookWorker(w berth.WorkerID, b *builder) {
	l.settle(workerKey(w))
	rec, epoch := l.view.worker(w)
	if l.view.unreadable(workerKey(w), ledgerKey(w)) {
		l.takeOut(w)
		return
	}
	ledger, was := l.ledgerNow(w, b)
	held := l.held(workerKey(w), b.now)
	if rec == nil {
		l.takeOut(w)
		l.lookLost(w, ledger, b.now)
		if !held {
			l.lookClaims(w, ledger, b)
			l.lookRemoved(w, ledger, was, b)
		}
		return
	}
	if usurped(ledger, rec, epoch) {
		l.lookLost(w, ledger, b.now)
	} else {
		l.forgetLost(w)
	}
	ready := ledger != nil && ledger.Epoch == epoch
	if !held && !ready && (ledger == nil || ledger.Empty()) && l.mayAct(workerKey(w), l.share.ofWorker(w)) {
		b.open(w, rec, epoch, was)
	}
	closed := !takesRequests(l.fleet.Worker(w))
	l.seat(w, b.now, rec, epoch, ledger)
	l.noteSeat(w, b)
	if len(l.moving) > 0 && closed && takesRequests(l.fleet.Worker(w)) {
		l.opensFor(rec.Pool, b)
	}
	if b.ledgerWrite(w) == nil {
		l.seePassed(w, rec.Pool)
	}
	if !held {
		l.lookClaims(w, ledger, b)
		l.lookDrain(w, b)
	}
}

// seatDue brings the fleet in line with the view for the workers that are due, before their turn: who makes room is decided by who is there, as the view
// has that, and by what is free beside them, as the fleet does. Of what has ended meanwhile the one would know, and not the other: others would have
// to end for the same. What this daemon has in flight there is for the fleet to know alone.
func (l *loop) seatDue(b *builder) {
	l.seatThose(b, func(berth.WorkerID) bool { return true })
}

// seatClosed does so for the workers that are to take nobody: what is kept would be of those. The others are looked at in their turn, for who waits for them.
func (l *loop) seatClosed(b *builder) {
	l.seatThose(b, func(w berth.WorkerID) bool { return l.view.intent(w).Cordon && takesRequests(l.fleet.Worker(w)) })
}

func (l *loop) seatThose(b *builder, are func(berth.WorkerID) bool) {
	var due []berth.WorkerID
	for k := range l.due.in { // they are put in order
		if w := berth.WorkerID(k.ID); k.Kind == berth.KindWorker && l.flights.workers[w] == nil && are(w) {
			due = append(due, w)
		}
	}
	slices.Sort(due)
	for _, w := range due {
		rec, epoch := l.view.worker(w)
		if rec == nil || l.view.unreadable(workerKey(w), ledgerKey(w)) {
			continue
		}
		ledger, _ := l.view.ledger(w)
		l.seat(w, b.now, rec, epoch, ledger)
		l.noteSeat(w, b)
	}
}

// usurped says whether a worker's name was taken over by another machine's agent
// while its ledger still holds what an older epoch may run: that one's end is not
// proved by the new registration.
func usurped(ledger *berth.Ledger, rec *berth.Worker, epoch berth.Epoch) bool {
	return ledger != nil && !ledger.Empty() && ledger.Epoch != epoch && !sameAgent(ledger, rec)
}

// sameAgent says whether a registration is of the agent that a ledger was opened for.
func sameAgent(ledger *berth.Ledger, rec *berth.Worker) bool {
	return ledger != nil && rec != nil && ledger.StateID != "" && ledger.StateID == rec.StateID
}

// ledgerNow is the worker's ledger with what the plan being built does to it.
func (l *loop) ledgerNow(w berth.WorkerID, b *builder) (*berth.Ledger, berth.Revision) {
	if lw := b.ledgerWrite(w); lw != nil {
		return &lw.Ledger, lw.Was
	}
	return l.view.ledger(w)
}

// seat puts a worker into the fleet, and wakes the queue when it has more to
// give than the fleet knew.
func (l *loop) seat(w berth.WorkerID, now time.Time, rec *berth.Worker, epoch berth.Epoch, ledger *berth.Ledger) {
	conditions, _ := record[berth.Conditions](l.view, berth.Key{Kind: berth.KindConditions, ID: string(w)})
	fw := scheduler.Seat(w, &scheduler.Records{Worker: rec, Epoch: epoch, Ledger: ledger, Intent: l.view.intent(w), Conditions: conditions})
	fw.Foreign = l.share.ofWorker(w) != l.d.opts.ID
	if s := l.starts[w]; s != nil {
		fw.Suspended = s.suspended(now)
		fw.Probing = s.probing(now)
		if fw.Suspended {
			l.timers.set(workerKey(w), s.until)
		}
	}
	if fw.Probing {
		fw.Starting = l.starting(w)
	}
	fw.Held = len(l.holds.of) > 0 && l.holds.closes(w, "")
	old := l.fleet.Worker(w)
	more := fw.Ready && (old == nil || gives(old, &fw))
	grown := fw.Ready && (old == nil || grows(old, &fw))
	elsewhere := old != nil && moved(old, &fw)
	other, from := old == nil || old.Epoch != fw.Epoch, rec.Pool // what a worker has does not change while it lives
	if old != nil {
		from = old.Pool
	}
	l.fleet.Put(fw)
	delete(l.leftOn, w)
	l.seatCounts(w, rec.Pool, &rec.Capacity)
	if from != rec.Pool {
		l.refit(from, w, false)
	}
	if other {
		l.refit(rec.Pool, w, true)
	}
	if elsewhere {
		l.wakeTerms(rec.Pool)
	}
	if more {
		l.wake(w, rec.Pool)
	}
	if grown {
		l.wakeNever(rec.Pool)
	}
	if fw.Ready && l.anyPreempts() {
		l.wakePreemptors(w, rec.Pool)
	}
}

func (l *loop) takeOut(w berth.WorkerID) {
	l.unseat(w)
	l.noteUnseated(w)
}

// gives says whether now may take something that was could not.
func gives(was, now *scheduler.Worker) bool {
	if closed(was) || was.Probing || was.Epoch != now.Epoch || len(was.Unhealthy) > 0 {
		return true
	}
	if !slices.Equal(was.Ordered, now.Ordered) {
		return true
	}
	return freer(was.Ledger.Reserved, now.Ledger.Reserved) || freer(was.Ledger.Held, now.Ledger.Held)
}

func (l *loop) fits(r *waiting, by berth.WorkerID) bool { return l.fleet.Fits(r.candidate(), by) }

// shape is the scheduler's, and the tenant where that is counted.
func (l *loop) shape(r *berth.Request) string {
	if l.limited(r) != nil {
		return scheduler.Shape(r) + " of " + string(r.Tenant)
	}
	return scheduler.Shape(r)
}

func (l *loop) room(of berth.WorkerID) (need, map[string]string, bool) {
	w := l.fleet.Worker(of)
	if w == nil || closed(w) {
		return need{}, nil, false
	}
	g := &w.Ledger
	left := need{
		g.Capacity.CPUMilli - g.Reserved.CPUMilli - g.Held.CPUMilli,
		g.Capacity.MemoryBytes - g.Reserved.MemoryBytes - g.Held.MemoryBytes,
		g.Capacity.DiskBytes - g.Reserved.DiskBytes - g.Held.DiskBytes,
		int64(len(g.Capacity.Devices)),
	}
	if kept, sure := l.fleet.Kept(of); kept != nil && !sure {
		for i, amount := range [...]int64{kept.CPUMilli, kept.MemoryBytes, kept.DiskBytes} {
			left[i] = min(left[i], max(left[i]-amount, 0))
		}
	}
	return left, w.Labels, true
}

// starting counts what a worker has been given and has not got to run yet.
func (l *loop) starting(w berth.WorkerID) int {
	n := 0
	for _, x := range l.view.on[w] {
		if state, _ := l.view.runState(w, x); state == berth.StatePlaced || state == berth.StateStarting {
			n++
		}
	}
	return n
}

// lookAllocation does the duty on an allocation.
func (l *loop) lookAllocation(k berth.Key, b *builder) {
	l.settle(k)
	if !l.rests(k, b.now) {
		l.doDuty(k, b)
	}
}

func (l *loop) doDuty(k berth.Key, b *builder) {
	w, id := berth.WorkerID(k.Owner), berth.RequestID(k.ID)
	a, mod := l.view.allocation(w, id)
	sub, _ := l.view.submission(id)
	prog, progMod := l.view.progress(id)
	if a == nil {
		return
	}
	if sub == nil || prog == nil || prog.Worker != w || prog.Attempt != a.Attempt {
		l.behind(k, k, requestKey(id), stateKey(id)) // else it is broken, and left alone: see corrupt
		return
	}
	if l.view.unreadable(workerKey(w), ledgerKey(w)) {
		return
	}
	if a.Group != "" && (l.flights.defersGroup(a.Group, k) || b.defersJoined(a.Group, k)) {
		return
	}
	rec, epoch := l.view.worker(w)
	ledger, _ := l.view.ledger(w)
	in := l.view.intent(w)
	order, guards := l.cancelOf(id, sub, b.now)
	seen := l.firstSeen(k, a.State, b.now)
	c := circumstances{
		allocation: a, workerEpoch: epoch, proved: epoch > a.Epoch && sameAgent(ledger, rec),
		firstSeen: seen.at, sawStart: seen.changed, graceEnds: l.graceOf(w, a.Epoch), brake: l.holdOf(w, id, b.now),
		cancel: order, intent: &in, replace: sub.Spec.OnDrain == berth.OnDrainReplace,
		runLimit:    time.Duration(sub.Spec.RunLimitMS) * time.Millisecond,
		stopTimeout: time.Duration(sub.Spec.StopTimeoutMS) * time.Millisecond,
		now:         b.now,
	}
	c.evicted = evicted(rec, &in, sub)
	if a.Group != "" {
		c.fate, c.fateWhy = b.fateOf(a)
	}
	if c.replace && in.Empties() {
		l.findHeir(&c, sub, w)
	}
	d := decide(c)
	owner := l.share.ofWorker(w)
	if d.end != "" && a.QuotaBlock != "" {
		if owner = l.keeper(a, w); l.flights.defersBlock(blockRef{a.Tenant, a.QuotaBlock}, k) {
			return
		}
	}
	switch {
	case !d.at.IsZero():
		l.timers.set(k, d.at)
	case d.idle():
	case l.cancels[id] == nil && !l.mayAct(k, owner):
	case !b.claim(id, k):
	case d.submit:
		l.succeed(k, mod, sub, c.vacant.id, b)
	case d.stop != nil:
		if d.stop.Reason != berth.StopDrain {
			b.stop(k, a, mod, d.stop)
		} else if !b.stopDrained(k, k, a, mod, sub.Spec.Pool, d.stop) {
			return
		}
		b.guard(l.guardsOf(d, guards)...)
	default:
		b.guard(guards...)
		b.end(ending{
			id: id, worker: w, submission: sub, progress: prog, allocation: a,
			cause: d.end, message: d.message, now: b.now,
		}, mod, progMod, d.gone)
	}
	if a.Stop != nil {
		l.cancelOrdered(id)
	}
}

// lookRequest queues a request that is pending, or takes it off the queue.
func (l *loop) lookRequest(id berth.RequestID, b *builder) {
	l.settle(requestKey(id))
	if x := l.view.lives[id]; x != nil && x.placedWhole() && x.spec.request.PendingLimitMS == 0 && !l.view.unreadable(archiveKey(id)) {
		l.placedMeanwhile(id, x.stateWorker.Value())
		return
	}
	sub, seq := l.view.submission(id)
	if sub == nil {
		l.offQueue(id)
		delete(l.seen, stateKey(id))
		delete(l.waits, id)
		delete(l.tried, id)
		delete(l.asked, id)
		l.cancelEnded(id)
		return
	}
	if l.corrupt(id) {
		l.queue.remove(id)
		return
	}
	if sub.Spec.PendingLimitMS > 0 {
		l.waitsSince(id, sub, b.now)
	}
	prog, mod := l.view.progress(id)
	if prog != nil && prog.State != berth.StatePending {
		l.placedMeanwhile(id, prog.Worker)
		return
	}
	if of := sub.Spec.Group; of != nil && (l.flights.defersGroup(of.ID, requestKey(id)) || b.defersJoined(of.ID, requestKey(id))) {
		l.queue.remove(id)
		return
	}
	if l.closing(id, sub, prog, mod, b) {
		return
	}
	if sub.Spec.Group != nil {
		if sub = l.lookMember(id, sub, prog, mod, b); sub == nil {
			return
		}
	}
	if prog != nil && !prog.NotBefore.IsZero() {
		if ends := l.backoffEnds(id, prog, b.now); b.now.Before(ends) {
			l.queue.remove(id)
			l.putOff(requestKey(id), ends)
			l.noteReturn(id, sub, seq, prog, ends, b.now)
			return
		}
	}
	w := waitingOf(id, sub, seq, prog)
	_, w.asked = l.asked[id]
	l.enqueue(w)
}

// corrupt says whether the store holds of a request what no transaction of ours
// leaves: what cannot be read, or an allocation that no state knows of. Placing it
// again could run it twice; fsck says more.
func (l *loop) corrupt(id berth.RequestID) bool {
	return l.unreadable(id) || l.orphaned(id)
}

func (l *loop) unreadable(id berth.RequestID) bool {
	if l.view.unreadable(requestKey(id), stateKey(id), archiveKey(id)) {
		return true
	}
	for w := range l.view.holders(id) {
		if l.view.unreadable(allocationKey(w, id)) {
			return true
		}
	}
	return false
}

func (l *loop) orphaned(id berth.RequestID) bool {
	x := l.view.lives[id]
	if x == nil || x.whole == 0 {
		return x != nil && x.runs != 0 && x.stateIs <= pendingCode
	}
	p, _ := l.view.progress(id)
	return l.view.allocated(id) && (p == nil || p.State == berth.StatePending)
}

// closing ends a pending request that was cancelled or has waited too long.
func (l *loop) closing(id berth.RequestID, sub *berth.Submission, prog *berth.Progress, mod berth.Revision, b *builder) bool {
	orphan := l.isOrphan(sub)
	if c, guards := l.cancelOf(id, sub, b.now); c != nil {
		l.queue.remove(id)
		if !b.claim(id, requestKey(id)) {
			return true
		}
		b.guard(guards...)
		v := verdict{state: berth.StateCancelled, reason: berth.EndCancelled, message: c.message}
		if orphan {
			b.guard(berth.Guard{Key: groupKey(sub.Spec.Group.ID)})
			v.reason = berth.EndIncomplete
		}
		b.cancel(id, sub, prog, mod, v)
		return true
	}
	if by, guards := l.replacement(sub); by != "" {
		l.queue.remove(id)
		if !b.claim(id, requestKey(id)) {
			return true
		}
		b.guard(guards...)
		b.cancel(id, sub, prog, mod, replacedBy(by))
		return true
	}
	if sub.Spec.PendingLimitMS == 0 || orphan { // see lookOrphans
		return false
	}
	limit := time.Duration(sub.Spec.PendingLimitMS) * time.Millisecond
	expires := l.waitsSince(id, sub, b.now).Add(limit)
	if b.now.Before(expires) {
		l.timers.set(requestKey(id), expires)
		return false
	}
	l.queue.remove(id)
	if !l.mayAct(requestKey(id), l.share.ofRequest(&sub.Spec, sub.Planner)) || !b.claim(id, requestKey(id)) {
		return true
	}
	b.cancel(id, sub, prog, mod, verdict{state: berth.StateExpired, reason: berth.EndPendingLimit, message: "not placed within its limit of " + limit.String()})
	return true
}

func (l *loop) enqueue(w *waiting) {
	l.returnsNow(accountOf(w.request), w.id)
	if ledger, _ := l.view.ledger(w.claimOn); w.claimOn != "" && ledger != nil {
		c := ledger.ClaimOf(w.id)
		w.lent = c != nil && c.Lent
	}
	if l.leaveTo(l.share.ofRequest(w.request, w.planner), w) {
		l.queue.remove(w.id)
		return
	}
	l.queue.put(w)
	if l.queue.of[w.id].over != nil {
		l.wantsMore(w.request)
	}
}

func waitingOf(id berth.RequestID, sub *berth.Submission, seq berth.Revision, prog *berth.Progress) *waiting {
	w := &waiting{id: id, request: &sub.Spec, priority: priorityOf(&sub.Spec, prog), seq: seq, planner: sub.Planner, preempts: mayPreempt(&sub.Spec, prog)}
	if prog != nil {
		w.avoid, w.claimOn = prog.Avoid, prog.ClaimOn
	}
	return w
}

// priorityOf is a request's as it waits: what it asks for, or what it was given since.
func priorityOf(r *berth.Request, prog *berth.Progress) int32 {
	if prog != nil && prog.Priority != nil {
		return *prog.Priority
	}
	return r.Priority
}
