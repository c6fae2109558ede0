package daemon

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A request that fits nowhere may have others make room. One transaction orders them
// to stop, and writes a claim into the ledger of their worker and the worker's name
// into the request's state: so it has one claim, whoever plans it. Who has not started
// ends in that transaction; where that is all, the request is placed by it, too.
//
// From then on the ledger alone says what is waited for, and whoever ends a victim
// takes its share into the claim (see claims.go).

// mayPreempt says whether a pending request may have others make room now. One that
// had to make room itself, or to give back what it used, does not, until it has run again: so one
// preemption never leads to another. Groups do so whole (see grouproom.go): a member that follows
// later does not.
func mayPreempt(r *berth.Request, prog *berth.Progress) bool {
	return r.Group == nil && r.Preemption == berth.PreemptionLower && (prog == nil || prog.ClaimOn == "" && !prog.LastEnd.MadeRoom())
}

// preempt makes room for a request that fits nowhere, or puts that off to when what is
// in flight has its answer; false: there is none to be made.
//
// What its tenant's quota has no room for was told so before; of devices that the
// request names no types of, the quota is asked here.
func (l *loop) preempt(w *waiting, own scheduler.Candidate, b *builder) bool {
	if l.braked(w.request.Pool, b.now) {
		return false
	}
	own.Patience = l.patienceOf(w, b.now)
	p, as := l.roomNow(w, own, b)
	if as == nil {
		return false
	}
	if l.exceeds(w, scheduler.Decision{Worker: p.Worker, Share: p.Share}, b) {
		return true
	}
	c, ok := b.clear(w, p)
	if ok && b.opsOf(&c).most() > b.maxOps {
		return false
	}
	l.queue.remove(w.id)
	switch f := l.inTheWay(p.Worker, &c); {
	case f != nil:
		l.flights.parkKey(f, requestKey(w.id))
	case !ok: // what differs is there to be looked at, or another daemon's to take off: no spinning on it
		l.due.add(workerKey(p.Worker))
		l.timers.set(requestKey(w.id), b.now.Add(shortly))
	case l.unsure(w, p.Worker): // it is looked at again when the watch has told
	case b.members > 0 && b.ops.plus(b.opsOf(&c)).most() > b.maxOps || b.changesJoined(&c) || !b.claim(w.id, requestKey(w.id)):
		b.after = append(b.after, requestKey(w.id)) // by itself
	default:
		b.preempt(w, as, p, &c)
	}
	return true
}

// shortly is when a preemption is tried again for which the view's ledger is not as the fleet's.
const shortly = 10 * time.Millisecond

// inTheWay is a plan in flight that changes what a preemption does, or nil.
func (l *loop) inTheWay(on berth.WorkerID, c *clearance) *flight {
	if f := l.flights.workers[on]; f != nil {
		return f
	}
	for i := range c.blocks {
		if f := l.flights.blocks[c.blocks[i].of]; f != nil {
			return f
		}
	}
	return nil
}

// braked says whether many of a pool's workers are lost: what still runs is left alone.
func (l *loop) braked(pool berth.PoolID, now time.Time) bool {
	if l.due.has(brakeKey(pool)) {
		l.lookBrake(pool, now)
	}
	b := l.brakes.pools[pool]
	return b != nil && b.step.holds()
}

// clearance is what a preemption does to each of those that are on the worker.
type clearance struct {
	ends   []*life // have not started
	orders []*life
	leaves []*life     // already: they are told nothing
	claim  berth.Claim // on those who are waited for; without victims: nobody is
	blocks []givenBack // by those that end
}

// givenBack is what is used of a block, of a pool, once some have ended.
type givenBack struct {
	of   blockRef
	pool berth.PoolID
	used berth.Amounts
}

// opsOf is what a preemption adds to the plan, at most.
func (b *builder) opsOf(c *clearance) ops {
	blocks := len(c.blocks)
	if len(b.l.quotas.of) > 0 {
		blocks++ // the claimant's
	}
	return opsPreempt.plus(opsEnd.times(len(c.ends))).plus(opsStop.times(len(c.orders))).plus(opsGuard.times(len(c.leaves))).plus(opsBlock.times(blocks))
}

// preempt commits the fleet's decision to the plan.
func (b *builder) preempt(w *waiting, as *berth.Request, p scheduler.Preemption, c *clearance) {
	prog, progMod := b.l.view.progress(w.id)
	if len(c.claim.Victims) > 0 && !b.countClaim(w, p.Worker, &c.claim) {
		b.l.timers.set(requestKey(w.id), b.now.Add(pause)) // its quota is of another moment: see exceeds
		return
	}
	who := b.among(&p, b.l.patienceOf(w, b.now))
	b.l.tellRelations(b.basis, w.request)
	b.changed[p.Worker] = struct{}{}
	for _, x := range c.ends {
		b.evict(p.Worker, x, c.victimsEndFor(w.request, x, b.now))
	}
	for _, x := range c.orders {
		b.orderAway(x, berth.StopPreempt, makesRoomFor(w.id))
	}
	for _, x := range c.leaves { // the ledger may be of after its end, and the view not yet
		k := allocationKey(p.Worker, x.id)
		b.guard(berth.Guard{Key: k, Was: b.l.view.mod(k)})
	}
	b.l.log.Info("requests make room", zap.String("request", string(w.id)), zap.Int32("priority", w.priority),
		zap.String("worker", string(p.Worker)), zap.Int("stopped", len(c.orders)), zap.Int("taken_back", len(c.ends)), zap.Int("cost", p.Cost))
	b.l.metrics.preempted.Add(float64(len(c.ends) + len(c.orders)))
	if len(c.claim.Victims) > 0 {
		b.writeClaim(prog, progMod, p.Worker, c.claim)
		b.claimRoom(w, as, p.Worker, who)
	} else if b.makeRoom(w, as, p.Worker, who); !b.place(w, prog, progMod, scheduler.Decision{Worker: p.Worker, Share: p.Share}, false) {
		b.unmake(w)
		b.after = append(b.after, requestKey(w.id)) // there is room when they have ended
	}
	b.reseat(p.Worker)
}

// clear finds what is to be done to whom, and what the ledger is then; not ok: the
// view's is another than the fleet's. Who has not started ends at once, unless another
// daemon's block counts it: nobody else rewrites that. It is told to stop, too.
func (b *builder) clear(w *waiting, p scheduler.Preemption) (c clearance, ok bool) {
	prog, _ := b.l.view.progress(w.id)
	now, _ := b.l.ledgerNow(p.Worker, b)
	fw := b.l.fleet.Worker(p.Worker)
	if now == nil || fw == nil || now.Epoch != fw.Epoch {
		return c, false
	}
	c.claim = berth.Claim{Request: w.id, Attempt: 1, Wants: p.Share}
	if prog != nil {
		c.claim.Attempt = prog.Attempt
	}
	ledger := *now
	var err error
	for _, id := range p.Victims {
		x := b.l.view.lives[id]
		switch {
		case x.runs.state() == berth.StatePlaced && !x.leaving() && b.mayEvict(p.Worker, x, &now.Capacity, &c):
			c.ends = append(c.ends, x)
			if ledger, err = ledger.Release(x.terms.share); err != nil {
				return c, false
			}
			continue
		case !x.leaving():
			c.orders = append(c.orders, x)
		default:
			c.leaves = append(c.leaves, x)
		}
		c.claim.Victims = append(c.claim.Victims, id)
	}
	if len(c.claim.Victims) == 0 {
		_, err = ledger.Reserve(p.Share)
	} else {
		_, err = ledger.WithClaim(c.claim, b.l.hasOn(p.Worker))
	}
	return c, err == nil
}

// mayEvict says whether this daemon may end a victim now, and notes what that gives back: not
// where another daemon's block counts it, and not where the view has the block of another
// moment than the allocation.
func (b *builder) mayEvict(w berth.WorkerID, x *life, of *berth.Capacity, c *clearance) bool {
	a, _ := b.l.view.allocation(w, x.id)
	if a.QuotaBlock == "" {
		return true
	}
	give := givenBack{of: blockRef{a.Tenant, a.QuotaBlock}, pool: x.spec.request.Pool}
	if b.l.keeperOf(give.of) != b.l.d.opts.ID {
		return false
	}
	at := slices.IndexFunc(c.blocks, func(o givenBack) bool { return o.of == give.of && o.pool == give.pool })
	has := b.blockNow(give.of).Pools[give.pool].Used
	if at >= 0 {
		has = c.blocks[at].used
	}
	var err error
	if give.used, err = has.Minus(berth.AmountsOf(&a.Share, of)); err != nil {
		return false
	}
	if at < 0 {
		c.blocks = append(c.blocks, give)
	} else {
		c.blocks[at] = give
	}
	return true
}

// evict ends a victim that has not started, which is not placed again before some time.
func (b *builder) evict(w berth.WorkerID, x *life, comesBack time.Time) {
	k := allocationKey(w, x.id)
	if !b.claim(x.id, k) {
		return
	}
	sub, _ := b.l.view.submission(x.id)
	prog, progMod := b.l.view.progress(x.id)
	a, mod := b.l.view.allocation(w, x.id)
	b.end(ending{id: x.id, worker: w, submission: sub, progress: prog, allocation: a, cause: causePreempted, now: b.now, comesBack: comesBack}, mod, progMod, false)
}

// orderAway tells a victim that runs to stop. A group that one is of is placed anew: its
// other members stop for that.
func (b *builder) orderAway(x *life, why berth.StopReason, message string) {
	w := x.worker.Value()
	k := allocationKey(w, x.id)
	if !b.claim(x.id, k) {
		return
	}
	a, mod := b.l.view.allocation(w, x.id)
	if b.endsGroup(a) {
		end := berth.EndPreempted
		if why == berth.StopReclaim {
			end = berth.EndReclaimed
		}
		b.anew(a.Group, end)
		b.group(a.Group).Excused++
	}
	grace := time.Duration(x.spec.request.StopTimeoutMS) * time.Millisecond
	b.stop(k, a, mod, &berth.StopOrder{Reason: why, Deadline: b.now.Add(grace), Message: message})
}

func makesRoomFor(id berth.RequestID) string { return "makes room for " + string(id) }

// writeClaim puts a claim into a ledger, and its worker into the state of whom it is for.
func (b *builder) writeClaim(prog *berth.Progress, progMod berth.Revision, on berth.WorkerID, c berth.Claim) {
	lw := b.ledger(on)
	ledger, err := lw.Ledger.WithClaim(c, b.l.hasOn(on))
	if err != nil {
		panic("invariant 2: a claim that fitted does not: " + err.Error()) // clear has tried the same
	}
	lw.Ledger, lw.Alive = ledger, b.l.fleet.Worker(on).Epoch
	next := berth.Progress{State: berth.StatePending, Attempt: 1}
	if prog != nil {
		next = *prog
	}
	next.ClaimOn = on
	if sub, _ := b.l.view.submission(c.Request); sub != nil {
		b.countClaimed(&sub.Spec, on)
	}
	b.putClaim(c.Request, progMod, next)
}

// putClaim puts the state of a request that gets a claim, or loses it.
func (b *builder) putClaim(id berth.RequestID, was berth.Revision, next berth.Progress) {
	next.Header = berth.Header{}
	b.plan.Claims = append(b.plan.Claims, berth.ClaimWrite{Request: id, RequestWas: b.requestWas(id), StateWas: was, State: next})
	b.add(opsClaim, bytesStop, requestKey(id))
}

// reseat shows the fleet what the plan makes of a worker's ledger.
func (b *builder) reseat(w berth.WorkerID) {
	fw, lw := b.l.fleet.Worker(w), b.ledgerWrite(w)
	if fw == nil || lw == nil || fw.Epoch != lw.Ledger.Epoch {
		return
	}
	next := *fw
	next.Ledger = lw.Ledger
	b.l.fleet.Put(next)
	b.changed[w] = struct{}{}
	b.l.noteLedger(w, b)
}

// wakePreemptors opens the blocked classes that could have room made on a worker now.
// Who is woken finds victims, so it is not woken again and again.
func (l *loop) wakePreemptors(w berth.WorkerID, pool berth.PoolID) {
	if b := l.brakes.pools[pool]; b != nil && b.step.holds() {
		return // all are woken when it lets go
	}
	can := func(first *waiting) bool { return l.fleet.CanPreemptOn(l.patient(first), w, l.occupants(nil)) }
	l.eachQueue(func(q *queue) { q.wakePreemptors(pool, can) })
}

// wakeAllPreemptors opens all of a pool: its brake has let go.
func (l *loop) wakeAllPreemptors(pool berth.PoolID) {
	l.eachQueue(func(q *queue) { q.wakePreemptors(pool, func(*waiting) bool { return true }) })
}

// anyPreempts says whether any such class is blocked, of whichever daemon.
func (l *loop) anyPreempts() bool {
	return len(l.queue.preemptors) > 0 || slices.ContainsFunc(l.peers.sorted, func(p *peer) bool { return len(p.queue.preemptors) > 0 })
}

// eachQueue changes the queues, of all daemons, in which such classes are blocked.
func (l *loop) eachQueue(do func(*queue)) {
	if len(l.queue.preemptors) > 0 {
		do(l.queue)
	}
	for _, p := range l.peers.sorted {
		if len(p.queue.preemptors) > 0 {
			l.owing(p, func() { do(p.queue) })
		}
	}
}

func (q *queue) wakePreemptors(pool berth.PoolID, can func(first *waiting) bool) {
	for _, c := range q.preemptors[pool].sorted() {
		if can(c.members[0]) {
			q.reopen(c)
		}
	}
}

// whyNotEver is whyNot, unless room can be made.
func (l *loop) whyNotEver(by berth.DaemonID) whyNot {
	why := l.whyNot(by)
	return func(w *waiting) *berth.Verdict {
		v := why(w)
		if v != nil && !isQuota(v) && w.preempts && !l.braked(w.request.Pool, l.now()) && l.couldHaveRoom(w, by) {
			return nil
		}
		return v
	}
}
