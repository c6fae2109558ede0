package snapshot

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// claimant waits for others to end on a worker, where its place is.
type claimant struct {
	*asked
	on    berth.WorkerID
	claim *berth.Claim
}

// preempts says whether others may have to make room for a request: not by one that had to
// make room itself.
func (a *asked) preempts() bool {
	return a.Spec.Preemption == berth.PreemptionLower && a.Spec.Group == nil && a.claim == nil && a.room == "" && !a.made && !a.last.MadeRoom()
}

// makeRoom has others end for a request; false: nobody who may would suffice.
func (c *course) makeRoom(a *asked, cand scheduler.Candidate, choices []*berth.Request) bool {
	cand.Patience = c.patienceOf(a)
	all := []scheduler.Candidate{cand}
	for _, as := range choices {
		if one := cand; !scheduler.Includes(cand.Request, as) {
			one.Request = as
			all = append(all, one)
		}
	}
	p, chosen := c.fleet.PreemptFor(all, c.occupants)
	if chosen < 0 {
		return false
	}
	w := *c.fleet.Worker(p.Worker)
	if v := c.exceeds(accountOf(&a.Spec), &p.Share, &w.Ledger.Capacity); v != nil {
		c.waits(a, Outcome{Verdict: v})
		return true
	}
	a.made = true
	ends := c.endWith(p.Victims)
	claim := &berth.Claim{Request: a.Spec.ID, Attempt: 1, Wants: p.Share}
	for _, id := range p.Victims {
		switch r := c.resides[id]; {
		case r == nil: // it has gone with others of its group
		case r.started || r.leaving:
			claim.Victims = append(claim.Victims, id)
			c.ordered(r, a.Spec.ID)
		default: // it has not started, and ends at once
			c.stopped(r, a.Spec.ID)
		}
	}
	w = *c.fleet.Worker(p.Worker)
	ledger, err := w.Ledger.WithClaim(*claim, c.has)
	if err != nil {
		return false
	}
	w.Ledger = ledger
	c.fleet.Put(w)
	c.holdClaim(&a.Spec, p.Worker, &p.Share, &w.Ledger.Capacity, 1)
	c.tell(a, Outcome{Worker: p.Worker, Share: &p.Share, Victims: ends})
	k := &claimant{a, p.Worker, claim}
	if len(claim.Victims) == 0 {
		c.takeClaim(k)
	} else {
		c.claims = append(c.claims, k)
	}
	return true
}

// has is what a request has that has a place; of others nothing.
func (c *course) has(id berth.RequestID) (share berth.Share) {
	if r := c.resides[id]; r != nil {
		share = r.share
	}
	return share
}

// endWith are victims, and who ends with them: a group goes whole, wherever its members are.
func (c *course) endWith(victims []berth.RequestID) (all []berth.RequestID) {
	told := map[berth.GroupID]bool{}
	for _, id := range victims {
		r := c.resides[id]
		if r == nil || r.group == "" || r.leaving { // one that leaves already takes nobody with it
			all = append(all, id)
			continue
		}
		if told[r.group] {
			continue
		}
		told[r.group] = true
		for _, m := range c.residentsOf(r.group) {
			all = append(all, m.Spec.ID)
		}
	}
	return all
}

// patienceOf is for how many ms of the snapshot's moment a request waits yet; 0: for ever.
func (c *course) patienceOf(a *asked) int64 {
	limit := a.Spec.PendingLimitMS
	if limit == 0 || a.SubmittedAt.IsZero() || c.s.TakenAt.IsZero() {
		return limit
	}
	return max(limit-c.s.TakenAt.Sub(a.SubmittedAt).Milliseconds(), 1)
}

// occupants are those on a worker who may have to go.
func (c *course) occupants(on berth.WorkerID) (all []scheduler.Occupant) {
	for _, r := range c.on[on] {
		if c.isFresh(r) || c.waitedFor(r) {
			continue
		}
		o := scheduler.Occupant{
			Request: r.Spec.ID, Priority: r.Candidate().Priority, Placed: r.placed, Share: r.share, Labels: r.Spec.Labels, Leaving: r.leaving,
		}
		if r.leaving {
			o.Left = r.left
		} else if r.started {
			o.Grace = r.Spec.StopTimeoutMS // who has not started ends at once
		}
		if r.group != "" && !r.leaving {
			o.Group, o.Members = r.group, len(c.residentsOf(r.group))
		}
		all = append(all, o)
	}
	return all
}

// waitedFor says whether a claim waits for a resident's end.
func (c *course) waitedFor(r *resident) bool {
	w := c.fleet.Worker(r.worker)
	return w != nil && slices.ContainsFunc(w.Ledger.Claims, func(claim berth.Claim) bool { return slices.Contains(claim.Victims, r.Spec.ID) })
}

// ordered tells a victim to stop; one that leaves already is told nothing.
func (c *course) ordered(r *resident, by berth.RequestID) {
	if r.leaving {
		return
	}
	r.returns, r.room = true, by
	c.toldToStop(r)
	if r.group != "" {
		c.regroup(r.group, by)
	}
}

// stopped takes one off its worker that makes room: it waits again, of a group all of it.
func (c *course) stopped(r *resident, by berth.RequestID) {
	if r.group != "" {
		c.regroup(r.group, by)
		c.away(r)
		return
	}
	c.leaves(r)
	next := *r.asked
	next.kind, next.from, next.room, next.claim = KindStopped, r.worker, by, nil
	c.singles, c.again = append(c.singles, &next), true
}

// settle has all end that are waited for, and places those who wait for them, groups but in the
// next pass; it says whether there were any.
func (c *course) settle() bool {
	claims, stopping, rooms := c.claims, c.stopping, slices.Concat(c.rooms, c.vain)
	c.claims, c.stopping, c.rooms, c.vain = nil, nil, nil, nil
	for _, g := range c.groups {
		g.leaving = false
	}
	for _, k := range claims {
		for _, id := range k.claim.Victims {
			c.end(c.resides[id])
		}
		c.takeClaim(k)
	}
	for _, r := range rooms {
		if c.resides[r.Spec.ID] == r {
			c.end(r)
		}
	}
	for _, r := range stopping {
		c.away(r)
	}
	return len(claims)+len(stopping)+len(rooms) > 0
}

// end has a resident end who leaves, if it is still there.
func (c *course) end(r *resident) {
	switch {
	case r == nil:
	case r.returns:
		c.stopped(r, r.room)
	default:
		c.leaves(r)
	}
}

// takeClaim gives a request the place that its claim has kept for it.
func (c *course) takeClaim(k *claimant) {
	victims := k.claim.Victims
	if ending := c.ending[k.Spec.ID]; ending != nil {
		victims = ending
	}
	if i, told := c.index[k.Spec.ID]; told && len(c.outcomes[i].Victims) > 0 {
		victims = c.outcomes[i].Victims
	}
	c.unclaim(&k.Spec, k.on, k.claim)
	k.asked.claim = nil
	cand := k.Candidate()
	d, ok := c.fleet.PlaceOn(cand, k.on)
	if !ok { // it is given up, and its request waits as any other
		c.singles, c.again = append(c.singles, k.asked), true
		return
	}
	c.settled(k.asked, k.on, d.Share)
	c.tell(k.asked, Outcome{Worker: k.on, Share: &d.Share, Victims: victims})
}

// unclaim takes a request's claim off its ledger, and what it counts off the quota.
func (c *course) unclaim(r *berth.Request, on berth.WorkerID, claim *berth.Claim) {
	w := *c.fleet.Worker(on)
	ledger, err := w.Ledger.WithoutClaim(r.ID)
	if err != nil {
		return
	}
	w.Ledger = ledger
	c.fleet.Put(w)
	c.holdClaim(r, on, &claim.Wants, &w.Ledger.Capacity, -1)
}

// holdClaim counts what a request has claimed on a worker: in the quota, and for who is to be apart from it.
func (c *course) holdClaim(r *berth.Request, on berth.WorkerID, share *berth.Share, capacity *berth.Capacity, by int64) {
	c.spend(accountOf(r), share, capacity, by)
	c.fleet.Claim(on, r.Labels, by)
}

// dropClaim gives up the claim of a request that has found a place elsewhere.
func (c *course) dropClaim(a *asked) {
	if a.claim != nil {
		c.unclaim(&a.Spec, a.on, a.claim)
		a.claim = nil
	}
}

// tellEnding notes who ends for the claims of the snapshot: their victims, and with one that was
// told to make room all of its group, wherever they are. Each makes room for one, the first.
func (c *course) tellEnding() {
	for _, id := range slices.Sorted(maps.Keys(c.standing)) {
		all := []berth.RequestID{}
		ends := func(r *resident) {
			if r.room == "" {
				r.room = id
			}
			if r.room == id && !slices.Contains(all, r.Spec.ID) {
				all = append(all, r.Spec.ID)
			}
		}
		for _, victim := range c.standing[id].Victims {
			r := c.resides[victim]
			switch {
			case r == nil || !r.evicted: // it ends anyway
				all = append(all, victim)
			case r.group == "":
				ends(r)
			default:
				for _, m := range c.residentsOf(r.group) {
					if m.leaving {
						ends(m)
					}
				}
			}
		}
		c.ending[id] = all
	}
}

// claimStands notes a claim of the snapshot, or gives it up where it counts no more, or will
// not be met there.
func (c *course) claimStands(w *scheduler.Worker, claim *berth.Claim) {
	q := c.s.requests[claim.Request]
	stands := q != nil && q.State != nil && q.State.State == berth.StatePending && q.State.Attempt == claim.Attempt && q.State.ClaimOn == w.ID
	if q != nil {
		c.holdClaim(&q.Spec, w.ID, &claim.Wants, &w.Ledger.Capacity, 1)
	}
	if stands && w.Ready && !w.Cordoned && !w.Draining && !w.Removing {
		c.standing[claim.Request] = claim
		return
	}
	if q != nil {
		c.unclaim(&q.Spec, w.ID, claim)
		return
	}
	next := *c.fleet.Worker(w.ID)
	if ledger, err := next.Ledger.WithoutClaim(claim.Request); err == nil {
		next.Ledger = ledger
		c.fleet.Put(next)
	}
}
