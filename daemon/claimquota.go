package daemon

import (
	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What a claim wants counts in its tenant's quota as if it were placed: so others end
// only for what the tenant may run, and nothing else of the tenant's takes the room
// that it is to have. Whoever places the request takes the count over, without touching
// the block that it is in, whosesoever that is; whoever gives the claim up gives it back.

// allotment is what a claim has counted for its request.
type allotment struct {
	block   blockRef
	amounts berth.Amounts
}

func allotted(c *berth.Claim, of *berth.Capacity) *allotment {
	if c.Counted == nil {
		return nil
	}
	return &allotment{blockRef{c.Counted.Tenant, c.Counted.Block}, berth.AmountsOf(&c.Wants, of)}
}

// allotmentOf is that of a request that waits, with what the plan being built (or nil)
// does; nil: there is none.
func (l *loop) allotmentOf(w *waiting, b *builder) *allotment {
	if w.claimOn == "" {
		return nil
	}
	ledger, _ := l.view.ledger(w.claimOn)
	if b != nil {
		ledger, _ = l.ledgerNow(w.claimOn, b)
	}
	if ledger == nil {
		return nil
	}
	c := ledger.ClaimOf(w.id)
	if c == nil || !l.claimStands(w.claimOn, c) {
		return nil
	}
	return allotted(c, &ledger.Capacity)
}

// covers says whether an allotment is all that a placement needs of the quota. Where the
// limits have been set below what is counted, it is not: nothing is placed then.
func (l *loop) covers(a *allotment, r *berth.Request, amounts berth.Amounts) bool {
	if a == nil || !a.amounts.Equal(amounts) {
		return false
	}
	st := l.limited(r)
	if st == nil {
		return true
	}
	if st.limits == nil {
		return false // its record cannot be read
	}
	t, _ := l.view.tenant(r.Tenant)
	q := t.Pools[r.Pool]
	allowed := q.Allowed() // also what is wanted back: it is counted already
	for d := range amounts {
		if most, limited := st.limits[d]; limited && l.free(accountOf(r), st, d)+allowed[d]-most < 0 {
			return false
		}
	}
	return true
}

// countClaim counts what a claim wants in this daemon's block. False: there is no room.
func (b *builder) countClaim(w *waiting, on berth.WorkerID, c *berth.Claim) bool {
	block, ok := b.charge(w, on, &c.Wants)
	if block != "" {
		c.Counted = &berth.Counted{Tenant: w.request.Tenant, Pool: w.request.Pool, Block: block}
	}
	return ok
}

// discountClaim gives back what a claim has counted. False: the block is of another moment than
// the ledger, and what is due is due again.
func (b *builder) discountClaim(c *berth.Claim, of *berth.Capacity, again berth.Key) bool {
	a := allotted(c, of)
	if a == nil {
		return true
	}
	err := b.giveBack(a.block, c.Counted.Pool, a.amounts)
	if err != nil && !b.l.behind(again, again, blockKey(a.block)) {
		b.l.log.Error("cannot give back what a claim counts in its tenant's block: run berth fsck",
			zap.String("request", string(c.Request)), zap.String("tenant", string(a.block.tenant)), zap.Error(err))
	}
	return err == nil
}

// defersClaim says whether a claim is left alone for now, for a plan is in flight that
// rewrites a block which it would be counted in, or given back to.
func (l *loop) defersClaim(c *berth.Claim, again berth.Key) bool {
	if of := c.Counted; of != nil {
		return l.flights.defersBlock(blockRef{of.Tenant, of.Block}, again)
	}
	sub, _ := l.view.submission(c.Request)
	return sub != nil && l.limited(&sub.Spec) != nil && l.flights.defersBlock(blockRef{sub.Spec.Tenant, l.d.opts.ID}, again)
}

// placeClaimed places a request on the worker of its claim, and tells with which types of devices: with those that the claim counts, or
// is to count, whatever others are free there meanwhile, for with those it would exceed its quota, and others would have ended for nothing.
func (l *loop) placeClaimed(w *waiting, c *berth.Claim, on berth.WorkerID) (as *berth.Request, d scheduler.Decision, ok bool) {
	one := w.candidate()
	if c.Counted == nil && !c.Lent || !severalTypes(w.request) {
		d, ok = l.fleet.PlaceOn(one, on)
		return w.request, d, ok
	}
	for _, one.Request = range l.choicesThatAre(w.request, berth.AmountsOf(&c.Wants, &l.fleet.Worker(on).Ledger.Capacity)) {
		if d, ok = l.fleet.PlaceOn(one, on); ok {
			return one.Request, d, true
		}
	}
	return nil, d, false
}

// payClaim says whether the quota allows that a request is placed by its claim: what that
// has counted is taken over; what it has not, for there were no limits, has to find room.
func (b *builder) payClaim(w *waiting, on berth.WorkerID, c *berth.Claim, s *berth.Share) bool {
	capacity := &b.l.fleet.Worker(on).Ledger.Capacity
	amounts := berth.AmountsOf(s, capacity)
	if a := allotted(c, capacity); a != nil {
		w.counted = a.block.daemon
		return b.l.covers(a, w.request, amounts)
	}
	st := b.l.limited(w.request)
	if st == nil {
		return true
	}
	has := b.l.balance(accountOf(w.request), st, b)
	return b.l.flights.blocks[blockRef{w.request.Tenant, b.l.d.opts.ID}] == nil && has.of(askedBy(w)).allows(amounts)
}

// leaveClaim takes off the claim of a request that the plan places elsewhere.
func (b *builder) leaveClaim(w *waiting) {
	now, _ := b.l.ledgerNow(w.claimOn, b)
	if now == nil || now.ClaimOf(w.id) == nil {
		return // it is of before, and forgotten by who looks at its worker
	}
	c, capacity := *now.ClaimOf(w.id), now.Capacity
	next, err := now.WithoutClaim(w.id)
	if err != nil || w.counted == "" && (b.l.defersClaim(&c, workerKey(w.claimOn)) || !b.discountClaim(&c, &capacity, workerKey(w.claimOn))) {
		b.l.due.add(workerKey(w.claimOn)) // the same
		return
	}
	b.ledger(w.claimOn).Ledger = next
	b.changed[w.claimOn] = struct{}{}
	b.freed(w.claimOn, next)
}
