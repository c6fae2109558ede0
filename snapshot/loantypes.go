package snapshot

import (
	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What its quota has some types of devices for, and fits nowhere with these, may fit with others that a loan would give. As daemons
// do it, that is tried behind the types that there is quota for; and before others have to make room for those.

// lendsTypes says whether others lend types of devices that so many like a request may have, and that its quota has too little of for them.
func (c *course) lendsTypes(r *berth.Request, n int64) bool {
	of := accountOf(r)
	b := c.quotas[of]
	if b == nil || len(b.quota.Guaranteed) == 0 {
		return false
	}
	c.loans = true
	defer func() { c.loans = false }()
	wants := int64(0)
	for i := range r.Resources.Devices {
		wants += n * r.Resources.Devices[i].Count * r.Resources.Devices[i].Milli
	}
	for i := range r.Resources.Devices {
		for _, kind := range c.kindsOf(&r.Resources.Devices[i], r.Pool) {
			d := berth.DeviceDimension(kind)
			if _, more := c.sources(of, d); more > 0 && b.room(d) < wants {
				return true
			}
		}
	}
	return false
}

// fitsWithLoan says whether a request that waits would have a place with such.
func (c *course) fitsWithLoan(a *asked) bool {
	if !c.lendsTypes(&a.Spec, 1) {
		return false
	}
	c.loans = true
	defer func() { c.loans = false }()
	choices := c.choices(&a.Spec)
	as, over := c.allowedChoice(&a.Spec, choices)
	if over != nil {
		return false
	}
	cand := a.Candidate()
	cand.Request, cand.Again = as, true
	d := c.placeAllowed(&cand, choices)
	if d.Verdict != nil {
		return false
	}
	over = c.exceeds(accountOf(&a.Spec), &d.Share, &c.fleet.Worker(d.Worker).Ledger.Capacity)
	c.unplace(d.Worker, &d.Share)
	return over == nil
}

// awaitsLoan has a request wait for such for which others could make room.
func (c *course) awaitsLoan(a *asked) bool {
	awaits := !c.loans && c.fitsWithLoan(a)
	a.loanFirst = a.loanFirst || awaits
	return awaits
}

// groupFitsWithLoan says so of a group.
func (c *course) groupFitsWithLoan(g *askedGroup) bool {
	c.loans = true
	defer func() { c.loans = false }()
	counted, over := c.allowedOf(g)
	if over != nil {
		return false
	}
	d := c.placeWay(g, counted)
	if d.Verdict == nil {
		over = c.exceedsAll(accountOf(g.first()), d.Placed)
	}
	c.fleet.Undo(d)
	return d.Verdict == nil && over == nil
}

// placeTypes places it with types of devices that others lend, where it fits so; where it does not, others make room for a request that
// was to wait for that. False: it waits on, as it was told.
func (u *unit) placeTypes(in map[string]bool) bool {
	c := u.c
	if u.group != nil {
		return c.groupFitsWithLoan(u.group) && u.placeWithLoan()
	}
	a := u.single
	shape := string(a.Spec.Tenant) + " " + scheduler.Shape(&a.Spec)
	fits, known := in[shape]
	if !known || fits { // equal ones fit nowhere either, until one is placed
		fits = c.fitsWithLoan(a)
		in[shape] = fits || a.Spec.Related()
	}
	if fits {
		return u.placeWithLoan()
	}
	if !a.loanFirst || !a.preempts() {
		return false
	}
	blocked := c.blocked
	c.full = make(map[string]Outcome)
	c.place(a)
	c.blocked = blocked
	return a.made
}
