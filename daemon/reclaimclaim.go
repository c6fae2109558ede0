package daemon

import (
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What borrowers free on a worker for a lender's request is set aside for it by a claim, as where others make room for it. Its quota is lent
// then, and back only when they have ended: so such a claim counts in no block at first, and does as soon as there is quota for
// its request. Until then it is not met, and stands while what was lent is wanted back.

// claimForLender writes the claim of a request for which borrowers make room, and tells these to stop. False: it cannot be now.
func (b *builder) claimForLender(x *reclaimer, p *scheduler.Preemption, r *reclaim) bool {
	l, w := b.l, x.alone
	k := tenantKey(r.of.tenant)
	prog, progMod := l.view.progress(w.id)
	now, _ := l.ledgerNow(p.Worker, b)
	fw := l.fleet.Worker(p.Worker)
	if f := l.flights.workers[p.Worker]; f != nil {
		f.again = append(f.again, k)
		return false
	}
	if now == nil || fw == nil || now.Epoch != fw.Epoch || l.unsure(w, p.Worker) || l.behind(k, ledgerKey(p.Worker), stateKey(w.id), requestKey(w.id)) {
		return false
	}
	claim := berth.Claim{Request: w.id, Attempt: 1, Wants: p.Share, Victims: p.Victims, Lent: len(x.need) > 0}
	if prog != nil {
		claim.Attempt = prog.Attempt
	}
	if _, err := now.WithClaim(claim, l.hasOn(p.Worker)); err != nil || opsPreempt.plus(opsStop.plus(opsGroup).times(len(p.Victims))).most() > b.maxOps || !b.claim(w.id, requestKey(w.id)) {
		return false
	}
	if !claim.Lent && !b.countClaim(w, p.Worker, &claim) {
		return false
	}
	for _, id := range p.Victims {
		if x := l.view.lives[id]; !x.leaving() {
			b.orderAway(x, berth.StopReclaim, givesBackTo(r.of.tenant))
			continue
		}
		key := allocationKey(p.Worker, id) // the ledger may be of after its end, and the view not yet
		b.guard(berth.Guard{Key: key, Was: l.view.mod(key)})
	}
	b.changed[p.Worker] = struct{}{}
	b.writeClaim(prog, progMod, p.Worker, claim)
	b.reseat(p.Worker)
	return true
}

// lentClaim is the claim of a request whose quota is lent, or nil.
func (l *loop) lentClaim(w *waiting, b *builder) *berth.Claim {
	if w.claimOn == "" {
		return nil
	}
	ledger, _ := l.ledgerNow(w.claimOn, b)
	if ledger == nil {
		return nil
	}
	c := ledger.ClaimOf(w.id)
	if c == nil || !c.Lent || !l.claimStands(w.claimOn, c) {
		return nil
	}
	return c
}

// hasQuotaForClaim places a request by its claim, or counts what that wants, where there is quota for it now and was none before. It says
// whether there is nothing else to be done for it now.
func (l *loop) hasQuotaForClaim(w *waiting, b *builder) bool {
	c, on := l.lentClaim(w, b), w.claimOn
	switch {
	case c == nil || !l.keepsClaim(on, w.id) || l.fleet.Worker(on).Held:
		return false
	case l.flights.workers[on] != nil:
		l.queue.remove(w.id)
		l.flights.parkKey(l.flights.workers[on], requestKey(w.id))
		return true
	case l.behind(requestKey(w.id), ledgerKey(on), stateKey(w.id), requestKey(w.id)):
		l.queue.remove(w.id)
		return true
	case len(c.Victims) == 0:
		return b.meetClaim(on, c)
	}
	return b.countStanding(w, *c)
}

// countStanding counts what a claim wants that stands uncounted, in this daemon's block: its request has that quota from now on.
func (b *builder) countStanding(w *waiting, c berth.Claim) bool {
	now, _ := b.l.ledgerNow(w.claimOn, b)
	bare, err := now.WithoutClaim(w.id)
	c.Lent = false
	if err != nil || !b.countClaim(w, w.claimOn, &c) {
		return false
	}
	next, err := bare.WithClaim(c, b.l.hasOn(w.claimOn))
	if err != nil || !b.claim(w.id, requestKey(w.id)) {
		return false
	}
	prog, mod := b.l.view.progress(w.id)
	b.l.queue.remove(w.id) // it is put there again by the answer
	lw := b.ledger(w.claimOn)
	lw.Ledger, lw.Alive = next, b.l.fleet.Worker(w.claimOn).Epoch
	b.putClaim(w.id, mod, *prog)
	b.reseat(w.claimOn)
	return true
}

// How long a claim stands that waits for nothing but its quota: while what was lent is wanted back, until all that is told to stop of the
// borrowers' is to have ended, and within a time; or a moment, in which that may be taken.
const (
	claimQuotaMost = time.Minute
	claimQuotaSoon = time.Second
)

// awaitsQuota says whether a claim waits for its quota, which may be back soon, and looks again then.
func (l *loop) awaitsQuota(on berth.WorkerID, c *berth.Claim, now time.Time) bool {
	sub, _ := l.view.submission(c.Request)
	if sub == nil || !c.WaitsForQuota() {
		return false
	}
	since, known := l.claimants[c.Request]
	if !known {
		return false
	}
	if since.IsZero() {
		since = now
		l.claimants[c.Request] = now
	}
	rec, _ := l.view.tenant(sub.Spec.Tenant)
	ends := since.Add(claimQuotaSoon)
	if q := rec.Pools[sub.Spec.Pool]; len(q.RecalledSince) > 0 {
		ends = latest(since.Add(claimQuotaMost), l.backBy(&q, sub.Spec.Pool))
	}
	l.timers.set(workerKey(on), sooner(ends, now.Add(claimQuotaSoon)))
	return now.Before(ends)
}

// backBy is when all is to have ended that is told to stop of those who have borrowed of a quota; zero: nothing is.
func (l *loop) backBy(q *berth.Quota, p berth.PoolID) (at time.Time) {
	for _, t := range q.Lent.Tenants() {
		for id := range l.quotas.residents[account{t, p}] { // in which order decides nothing
			if x := l.view.lives[id]; x.stop != nil {
				at = latest(at, x.stop.Deadline.Add(claimQuotaSoon))
			}
		}
	}
	return at
}
