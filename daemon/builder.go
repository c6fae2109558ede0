package daemon

import (
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// builder gathers one plan from the loop's view, within the bounds of one
// transaction, and knows what to look at again when it does not apply.
type builder struct {
	l       *loop
	now     time.Time
	plan    *berth.Plan
	writes  map[berth.WorkerID]int // index in plan.Ledgers
	members int
	ops     ops
	bytes   int64
	maxOps  int
	acted   map[berth.RequestID]struct{} // a plan changes a request once
	keys    []berth.Key                  // to look at again
	own     []berth.Key                  // of them, those whose members these are
	after   []berth.Key                  // to look at again when it has its answer, whatever that is
	freedOn map[berth.WorkerID][]berth.Share
	changed map[berth.WorkerID]struct{} // whose ledgers the plan does more to than to free: see tellChanges
	basis   *planBasis                  // of what is being placed; nil: nothing yet
	decided bool                        // something is placed by it
	made    []madeRoom                  // placements where others make room, and claims
	told    int                         // of those who could have made room: see mostOccupants
	batch   int                         // most members
	subs    []*submission
	placed  []placing         // with labels
	claimed []placing         // for which others make room
	ending  []berth.RequestID // with labels: see loop.ending
	charges []charge
	groups  map[berth.GroupID]int      // index in plan.Groups
	joined  map[berth.GroupID]struct{} // in which the plan places
	ended   map[berth.GroupID]*groupEnds
	blocks  map[blockRef]int // index in plan.Blocks
	placing berth.GroupID    // the group that the plan places
	back    freed            // quota that the plan gives back
	lefts   leftsForNew      // while it takes what is new
	drained int              // groups for which it has asked what is kept: see keepDrained

	movedAsked map[berth.GroupID]struct{} // of these, again: see keepAgain
}

// Bytes that members cost at most, beyond the request itself. They only size a batch: a
// transaction that is too large is halved.
const bytesLedger, bytesPlace, bytesEnd, bytesStop, bytesSubmit = 2048, 1024, 1024, 1024, 512

func newBuilder(l *loop, now time.Time) *builder {
	l.fleet.SetClock(now.UnixMilli())
	return &builder{
		l: l, now: now, plan: &berth.Plan{ID: l.nextPlanID(), Schema: l.quotas.schemaAt},
		writes: make(map[berth.WorkerID]int), acted: make(map[berth.RequestID]struct{}), maxOps: l.store.Limits().Ops - spareOps,
		freedOn: make(map[berth.WorkerID][]berth.Share), changed: make(map[berth.WorkerID]struct{}), joined: make(map[berth.GroupID]struct{}), batch: l.fullBatch(),
	}
}

// room says whether another member fits; the first always does.
func (b *builder) room() bool {
	if b.members == 0 {
		return true
	}
	return b.members < b.batch && b.ops.plus(opsMember).most() <= b.maxOps &&
		b.bytes+berth.MaxRequestBytes+bytesEnd+bytesLedger <= int64(b.l.store.Limits().Bytes)*2/3 // values: keys come with them
}

func (b *builder) add(o ops, bytes int64, again berth.Key) {
	b.members++
	b.ops = b.ops.plus(o)
	b.bytes += bytes
	b.keys = append(b.keys, again)
	if again != (berth.Key{}) {
		b.own = append(b.own, again)
	}
}

// divisible says whether the members can be sent in two plans. What one look or one
// submission brings cannot.
func (b *builder) divisible() bool { return b.members > 1 && b.batch > 1 }

// claim says whether the plan leaves a request alone so far; from now on it does
// not. What is refused is looked at again: by what the plan brings when it
// applies, or with the rest when it does not; or when another plan that changes the
// request has its answer.
func (b *builder) claim(id berth.RequestID, again berth.Key) bool {
	if _, taken := b.acted[id]; taken {
		b.keys = append(b.keys, again)
		return false
	}
	if f := b.l.flights.requests[id]; f != nil {
		f.again = append(f.again, again)
		return false
	}
	b.acted[id] = struct{}{}
	return true
}

func (b *builder) ledgerWrite(w berth.WorkerID) *berth.LedgerWrite {
	if i, ok := b.writes[w]; ok {
		return &b.plan.Ledgers[i]
	}
	return nil
}

// ledger is the write of a worker's ledger in this plan, begun from the view.
func (b *builder) ledger(w berth.WorkerID) *berth.LedgerWrite {
	if lw := b.ledgerWrite(w); lw != nil {
		return lw
	}
	lw := berth.LedgerWrite{Worker: w}
	if ledger, was := b.l.view.ledger(w); ledger != nil {
		lw.Ledger, lw.Was = *ledger, was
	}
	b.writes[w] = len(b.plan.Ledgers)
	b.plan.Ledgers = append(b.plan.Ledgers, lw)
	b.ops = b.ops.plus(opsLedger)
	b.bytes += bytesLedger
	b.keys = append(b.keys, workerKey(w))
	return &b.plan.Ledgers[len(b.plan.Ledgers)-1]
}

// open opens a ledger for a new epoch; nothing of an older one is left in it.
func (b *builder) open(w berth.WorkerID, rec *berth.Worker, epoch berth.Epoch, was berth.Revision) {
	if b.ledgerWrite(w) != nil {
		b.keys = append(b.keys, workerKey(w))
		b.l.timers.set(workerKey(w), b.now) // in the next plan
		return
	}
	lw := b.ledger(w)
	lw.Was, lw.Alive = was, epoch
	lw.Ledger = berth.Ledger{
		Epoch: epoch, Capacity: rec.Capacity,
		Lease: rec.Lease, TTLSeconds: rec.TTLSeconds, KillMS: rec.KillMS, StateID: rec.StateID,
	}
	b.members++
	b.own = append(b.own, workerKey(w))
}

// decide asks the fleet for a worker, and notes on what.
func (b *builder) decide(w *waiting, as scheduler.Candidate) scheduler.Decision {
	if b.basis == nil {
		b.basis = b.l.planBasis(b)
	}
	as.Sample = b.l.mayJudge(w.request.Pool, b.now)
	d := b.l.fleet.Place(as)
	if d.Verdict == nil {
		b.l.sampled(w.request.Pool, as.Sample)
		r := reservation{share: d.Share}
		b.l.tellPrices(b.basis, w.request.Pool)
		b.l.tellRelations(b.basis, w.request)
		w.step = b.basis.step(d.Worker, &r)
		if as.Request != w.request {
			b.basis.narrow(w.step, as.Request)
		}
		b.basis.bound()
		b.l.noteReserved(d.Worker, r)
	}
	return d
}

// place commits the fleet's decision d on a request to the plan. submitted: the
// request itself is put by the same plan. The ledger is reckoned from the view and
// from what else is in the plan, never from the fleet's: that may hold reservations
// that were given up, or lack another daemon's, until its worker was looked at.
// False: the worker has no room, and is looked at again.
func (b *builder) place(w *waiting, prog *berth.Progress, progMod berth.Revision, d scheduler.Decision, submitted bool) bool {
	group, groupAttempt, joins := b.joins(w.request.Group)
	if !joins {
		b.l.due.add(workerKey(d.Worker))
		return false
	}
	fw := b.l.fleet.Worker(d.Worker)
	var ledger berth.Ledger
	if now, _ := b.l.ledgerNow(d.Worker, b); now != nil && now.Epoch == fw.Epoch {
		ledger = *now
	}
	ledger, err := ledger.Reserve(d.Share)
	if err != nil {
		b.l.due.add(workerKey(d.Worker))
		return false
	}
	block, ok := b.charge(w, d.Worker, &d.Share)
	if !ok {
		b.l.due.add(workerKey(d.Worker))
		return false
	}
	lw := b.ledger(d.Worker)
	lw.Ledger, lw.Alive = ledger, fw.Epoch
	attempt, used := int64(1), int64(0)
	next := berth.Progress{State: berth.StatePlaced, Worker: d.Worker, Epoch: fw.Epoch, PlanID: b.plan.ID}
	if prog != nil {
		attempt, used = prog.Attempt, prog.Used
		next.Priority, next.Avoid, next.LastEnd = prog.Priority, prog.Avoid, prog.LastEnd
	}
	next.Attempt, next.Used = attempt, used
	b.plan.Places = append(b.plan.Places, berth.Placement{
		Request: w.id, Worker: d.Worker, RequestWas: b.requestWas(w.id), StateWas: progMod, State: next,
		Allocation: berth.Allocation{
			State: berth.StatePlaced, Attempt: attempt, Epoch: fw.Epoch, PlanID: b.plan.ID,
			Tenant: w.request.Tenant, Share: d.Share, QuotaBlock: block, Group: group, GroupAttempt: groupAttempt,
			StartTimeoutMS: w.request.StartTimeoutMS, KeepMS: w.request.KeepMS, PlacedAt: b.now.UTC(),
			Planned: berth.Basis{Revision: b.l.asOf(), Clock: b.now.UTC(), Policy: scheduler.PolicyVersion},
		},
	})
	if group != "" {
		b.joined[group] = struct{}{}
	}
	if !w.hasRoom {
		b.decided = true
		b.basis.placed(w.step, w.id)
	}
	b.changed[d.Worker] = struct{}{}
	again, cost := requestKey(w.id), opsPlace
	if submitted {
		again, cost = berth.Key{}, opsPlaceNew
	}
	b.add(cost, bytesPlace, again)
	b.countPlaced(w.request, d.Worker)
	b.hold(accountOf(w.request), &d.Share, 1)
	return true
}

// placeWaiting is place for a request of the queue: it may have a claim, on that worker or
// another, which the plan takes off then.
func (b *builder) placeWaiting(w *waiting, d scheduler.Decision) bool {
	prog, mod := b.l.view.progress(w.id)
	if w.claimOn == "" {
		return b.place(w, prog, mod, d, false)
	}
	amounts := berth.AmountsOf(&d.Share, &b.l.fleet.Worker(d.Worker).Ledger.Capacity)
	if a := b.l.allotmentOf(w, b); b.l.covers(a, w.request, amounts) {
		w.counted = a.block.daemon
	}
	if !b.place(w, prog, mod, d, false) {
		return false
	}
	b.leaveClaim(w)
	return true
}

// end ends an attempt; what it held is free for the rest of this plan.
func (b *builder) end(e ending, allocMod, progMod berth.Revision, gone bool) {
	k := allocationKey(e.worker, e.id)
	if b.l.view.aheadOfGroup(e.allocation) && b.l.behind(k, k) {
		return // what its group's record is then, no compare of this plan would tell
	}
	if b.keepsLater(e, k) {
		return
	}
	var ledger berth.Ledger
	if now, _ := b.l.ledgerNow(e.worker, b); now != nil {
		ledger = *now
	}
	released, err := ledger.Release(e.allocation.Share)
	if of := e.allocation.QuotaBlock; of != "" && err == nil {
		err = b.giveBack(blockRef{e.allocation.Tenant, of}, e.submission.Spec.Pool, berth.AmountsOf(&e.allocation.Share, &ledger.Capacity))
		if err != nil && b.l.behind(k, k, blockKey(blockRef{e.allocation.Tenant, of})) {
			return
		}
	}
	if err != nil && b.l.behind(k, k, ledgerKey(e.worker)) {
		return // the ledger is of before the allocation was placed, or of after its end
	}
	if err != nil {
		// Invariant 2 is broken in the store: fsck says more. Ending it all the
		// same would hide it, and might hand out capacity twice.
		b.l.log.Error("cannot release an allocation from its ledger, or from its tenant's block: run berth fsck",
			zap.String("request", string(e.id)), zap.String("worker", string(e.worker)), zap.Error(err))
		return
	}
	b.ledger(e.worker).Ledger = released
	claim := b.victimEnded(e.worker, e.id)
	if claim != nil {
		e.comesBack = b.l.victimsEnd(claim, &e)
	} else {
		e.comesBack = latest(e.comesBack, b.l.roomEnds(&e))
	}
	if of := e.allocation.Group; of != "" {
		e.group, _ = b.groupNow(of)
	}
	v := judge(e)
	end := berth.End{Request: e.id, Worker: e.worker, RequestWas: b.requestWas(e.id), AllocationWas: allocMod, StateWas: progMod}
	if gone {
		end.Gone = e.allocation.Epoch
	}
	if v.state == berth.StatePending {
		end.Next = e.next(v)
		_, seq := b.l.view.submission(e.id)
		b.l.noteReturn(e.id, e.submission, seq, end.Next, end.Next.NotBefore, b.now)
	} else {
		end.Archive = e.archive(v)
	}
	b.plan.Ends = append(b.plan.Ends, end)
	b.freedOn[e.worker] = append(b.freedOn[e.worker], e.allocation.Share)
	b.countEnded(e.id, e.worker)
	if of := e.allocation.Group; of != "" {
		b.l.quotas.givesUp(of, berth.AmountsOf(&e.allocation.Share, &ledger.Capacity))
		b.noteEnd(of, e.allocation.GroupAttempt, v)
		b.shareFate(of, e.id, e.allocation.GroupAttempt, v)
	}
	b.add(opsEnd, b.l.view.requestSize(e.id)+bytesEnd, k)
	b.hold(account{e.allocation.Tenant, e.submission.Spec.Pool}, &e.allocation.Share, -1)
	if e.cause == causeStartTimeout {
		b.l.startFailed(e.worker, e.id)
	}
	if claim != nil {
		b.reseat(e.worker)
		b.meetClaim(e.worker, claim)
	}
	b.freed(e.worker, b.ledgerWrite(e.worker).Ledger)
}

// freed offers what an end gives back to the queue, within the same plan.
func (b *builder) freed(w berth.WorkerID, ledger berth.Ledger) {
	now := b.l.fleet.Worker(w)
	if now == nil || !now.Ready {
		return
	}
	fw := *now
	fw.Ledger = ledger
	b.l.fleet.Put(fw)
	b.l.noteLedger(w, b)
	b.l.wake(w, fw.Pool)
}

func (b *builder) stop(k berth.Key, a *berth.Allocation, mod berth.Revision, order *berth.StopOrder) {
	next := *a
	order.Deadline = order.Deadline.UTC()
	next.Stop = order
	b.plan.Stops = append(b.plan.Stops, berth.StopWrite{
		Request: berth.RequestID(k.ID), Worker: berth.WorkerID(k.Owner), AllocationWas: mod, Allocation: next,
	})
	b.add(opsStop, bytesStop, k)
}

// guard makes the plan depend on keys that it does not change.
func (b *builder) guard(guards ...berth.Guard) {
	b.plan.Guards = append(b.plan.Guards, guards...)
	b.ops = b.ops.plus(opsGuard.times(len(guards)))
}

// intent rewrites an intent that is there.
func (b *builder) intent(w berth.WorkerID, next berth.Intent, was berth.Revision) {
	b.plan.Intents = append(b.plan.Intents, berth.IntentWrite{Worker: w, Was: was, Intent: next})
	b.add(opsStop, bytesStop, workerKey(w))
}

// remove forgets a worker.
func (b *builder) remove(r berth.Removal) {
	b.plan.Removes = append(b.plan.Removes, r)
	b.add(opsRemove, 0, workerKey(r.Worker))
}

// cancel archives a request that is pending.
func (b *builder) cancel(id berth.RequestID, sub *berth.Submission, prog *berth.Progress, progMod berth.Revision, v verdict) {
	a := berth.Archive{
		Digest: sub.Digest, Spec: sub.Spec, State: v.state, Reason: v.reason, Message: v.message,
		SubmittedAt: sub.SubmittedAt, EndedAt: b.now.UTC(), ReplacedBy: v.replacedBy,
	}
	if prog != nil {
		a.Attempt = prog.Attempt - 1 // of the last one that there was
	}
	b.plan.Cancels = append(b.plan.Cancels, berth.CancelPending{Request: id, RequestWas: b.requestWas(id), StateWas: progMod, Archive: a})
	b.add(opsCancel, b.l.view.requestSize(id)+bytesEnd, requestKey(id))
	b.l.leavesQuota(&sub.Spec, asked{request: id})
	if sub.Spec.Group != nil {
		b.shareFate(sub.Spec.Group.ID, id, 0, v)
	}
}

// requestWas is the revision of a request as the plan knows it.
func (b *builder) requestWas(id berth.RequestID) berth.Revision {
	return b.l.view.mod(requestKey(id))
}

// submit puts a request, placed by the same plan or not.
func (b *builder) submit(s *submission) {
	b.plan.Submits = append(b.plan.Submits, berth.Submit{Submission: s.record, Content: s.content})
	b.subs = append(b.subs, s)
	b.members++
	b.ops = b.ops.plus(opsSubmit)
	b.bytes += int64(len(s.content)) + bytesSubmit
}

// committed answers the submitters; again gives everything back to be planned
// again; refused tells submitters why, and gives the rest back.
func (b *builder) committed() {
	b.l.metrics.placed.Add(float64(len(b.plan.Places)))
	b.l.metrics.ended.Add(float64(len(b.plan.Ends)))
	b.l.metrics.submitted.Add(float64(len(b.subs)))
	for _, k := range b.own {
		b.l.forgetAside(k)
	}
	for _, s := range b.subs {
		if s.record.Planner != "" && b.l.loaded { // before that, nobody looks at it
			b.l.awaitPlanner(s)
		} else {
			b.l.accepted(s)
		}
	}
}

func (b *builder) again() {
	if b.placing != "" {
		b.l.groupConflicted(b.placing)
	}
	b.lookAgain()
	b.l.incoming.putBack(b.subs)
}

func (b *builder) refused(err error) {
	b.lookAgain()
	for _, s := range b.subs {
		b.l.answer(s, SubmitResult{ID: s.record.Spec.ID, Err: err})
	}
}

func (b *builder) lookAgain() {
	for _, k := range b.keys {
		if k != (berth.Key{}) {
			b.l.due.add(k)
		}
	}
}
