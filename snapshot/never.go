package snapshot

import (
	"slices"
	"strconv"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What the workers that are there could never take, were they empty, waits for its quota in vain: so that is not why it waits, and nobody
// is kept from anything by it.

// fitsEver says whether they could take so many members of a request's group together; of none, the request by itself.
func (c *course) fitsEver(r *berth.Request, members int64) bool {
	as, name := berth.Membership{MinCount: members}, scheduler.Shape(r)
	if members > 0 {
		as.Topology, as.Linked = r.Group.Topology, r.Group.Linked
		b := strconv.AppendInt(append([]byte(name), " g"...), members, 10)
		name = string(strconv.AppendBool(strconv.AppendQuote(b, as.Topology), as.Linked))
	}
	fits, known := c.ever[name]
	if !known {
		fits = len(c.fleet.EverOn(scheduler.Candidate{Request: r}, as, nil)) > 0
		c.ever[name] = fits
	}
	return fits
}

// mightFit says so of what waits for its quota, by those types of devices of which that is enough for one.
func (c *course) mightFit(u *unit) bool {
	r, b, members := u.request(), c.quotas[accountOf(u.request())], int64(0)
	if u.group != nil {
		members = u.group.needs()
	}
	return c.fitsEver(c.typed(r, 1, b, func(d berth.Dimension) int64 { return b.quota.Limits[d] }), members)
}

// waitsForQuota has a request wait that its quota has no room for; for that, unless no worker could ever take it. Where its whole quota
// never has, either, both are told.
func (c *course) waitsForQuota(a *asked, over *berth.Verdict) {
	if c.fitsEver(&a.Spec, 0) {
		c.waits(a, Outcome{Verdict: over})
		return
	}
	near := c.fleet.Diagnose(a.Candidate())
	c.waits(a, Outcome{Verdict: neverNor(near.Verdict, over), Nearest: near.Nearest})
}

// groupWaitsForQuota is that for a group.
func (c *course) groupWaitsForQuota(g *askedGroup, over *berth.Verdict) bool {
	if c.fitsEver(g.first(), g.needs()) {
		return c.groupWaits(g, over)
	}
	ask := g.gang(g.members, g.first())
	for i := range ask.Members {
		ask.Members[i].Again = true // it has not been asked for yet, and is not now
	}
	d := c.fleet.PlaceGang(ask)
	c.fleet.Undo(d)
	if d.Verdict == nil {
		return c.groupWaits(g, over)
	}
	return c.groupWaits(g, neverNor(*d.Verdict, over))
}

// neverNor is why no worker could ever take something, and that its quota has no room for it now, either. First comes the quota where
// that never has: as daemons tell it.
func neverNor(v berth.Verdict, over *berth.Verdict) *berth.Verdict {
	if over.NeverFits {
		both := *over
		both.Reasons = slices.Concat(over.Reasons, v.Reasons)
		return &both
	}
	v.Reasons = slices.Concat(v.Reasons, over.Reasons)
	return &v
}
