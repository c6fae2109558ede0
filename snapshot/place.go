package snapshot

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// place finds a place for a request, has others make room for it, or says why it waits.
func (c *course) place(a *asked) {
	if c.waitsWhole(a) {
		return
	}
	defer c.askedBy(a.asking())()
	choices := c.choices(&a.Spec)
	as, over := c.allowedChoice(&a.Spec, choices)
	if over != nil && (a.claim == nil || over.NeverFits) { // what a claim counts is counted
		c.dropClaim(a)
		c.waitsForQuota(a, over)
		return
	}
	shape := scheduler.Shape(as)
	if a.preempts() {
		shape += " preempts " + string(a.Spec.Tenant) // of one tenant, whom most may make room for comes first
	}
	if o, known := c.full[shape]; known && len(choices) == 0 {
		c.waitsAs(a, as, o)
		return
	}
	cand := a.Candidate()
	cand.Request, cand.Again, a.known = as, a.known, true
	d := c.placeAllowed(&cand, choices)
	switch {
	case d.Verdict == nil && c.takes(a, d.Worker, &d.Share):
		c.dropClaim(a)
		c.settled(a, d.Worker, d.Share)
		c.tell(a, Outcome{Worker: d.Worker, Share: &d.Share})
	case d.Verdict == nil:
	case a.claim != nil:
		c.claims = append(c.claims, &claimant{a, a.on, a.claim})
	case !d.Verdict.NeverFits && a.preempts() && !c.awaitsLoan(a) && c.makeRoom(a, cand, choices):
	default:
		why := c.fleet.DiagnoseBut(cand, c.out)
		o := Outcome{Verdict: d.Verdict, Nearest: why.Nearest}
		if len(c.out.Gone) > 0 {
			o.Verdict = &why.Verdict
		}
		if !a.Spec.Related() && len(choices) == 0 { // where others are may help what waits for them; which choices there are says its quota
			c.full[shape] = o
		}
		c.waitsAs(a, as, o)
	}
}

// waitsAs has a request wait as what it was asked for: with fewer types of devices than it names, where its quota has left it no more.
func (c *course) waitsAs(a *asked, as *berth.Request, o Outcome) {
	if as != &a.Spec {
		v := *o.Verdict
		v.Reasons = slices.Clone(v.Reasons)
		c.tellTypesShort(&a.Spec, 0, &v)
		o.Verdict = &v
	}
	c.waits(a, o)
}

func (c *course) waits(a *asked, o Outcome) {
	c.blocked = append(c.blocked, a)
	c.tell(a, o)
}

// takes says whether what a request has got in the fleet is within its tenant's quota: of
// devices of any type that is known only then. Else it waits, and has nothing.
func (c *course) takes(a *asked, on berth.WorkerID, share *berth.Share) bool {
	w := *c.fleet.Worker(on)
	v := c.exceeds(accountOf(&a.Spec), share, &w.Ledger.Capacity)
	if v == nil || a.claim != nil {
		return true
	}
	c.unplace(on, share)
	c.waits(a, Outcome{Verdict: v})
	return false
}

// unplace takes back in the fleet what it has reserved.
func (c *course) unplace(on berth.WorkerID, share *berth.Share) {
	w := *c.fleet.Worker(on)
	if ledger, err := w.Ledger.Release(*share); err == nil {
		w.Ledger = ledger
		c.fleet.Put(w)
	}
}

// settled notes that a request has its place, which the fleet has reserved.
func (c *course) settled(a *asked, on berth.WorkerID, share berth.Share) {
	c.placed, c.placedIn[a.Spec.Pool] = true, true
	a.known = false // if it waits again, it is asked for anew
	c.hold(&a.Spec, on, &share, 1)
	c.shares.Serve(a.Spec.Tenant, a.Spec.Pool, 0)
	r := &resident{asked: a, worker: on, share: share, placed: lastPlaced + c.plans}
	if a.Spec.RunLimitMS > 0 {
		r.left = scheduler.LastsAtMost(&a.Spec)
	}
	c.comes(r)
}

// lastPlaced is later than any clock of a store tells: the year 2200.
const lastPlaced = 7_258_118_400_000_000_000

// isFresh says whether a resident was placed by a plan that is not done yet.
func (c *course) isFresh(r *resident) bool { return r.placed == lastPlaced+c.plans }
