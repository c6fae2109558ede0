package daemon

import (
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What is kept for a group is given up for tenants that have less, but not again and again for those that have about as much: see scheduler.Overtaken. The
// daemon that plans the group remembers that; another one begins anew.

// gaveUp notes that what is kept for a group goes to others, and nothing is kept until then.
func (l *loop) gaveUp(g *gang, until time.Time) {
	s := l.keepOf(g.pool)
	s.without, s.gave = until, g.id
	l.groups[g.id].overtaken.Again(l.now().UnixMilli())
}

// lets says whether a request, or the group of such, of another tenant that has less goes before a group for which something is kept: see scheduler.Overtaken.
func (l *loop) lets(g *gang, r *berth.Request) bool {
	o := &l.groups[g.id].overtaken
	if !o.Ever() {
		return true
	}
	sub, _ := l.view.submission(r.ID)
	if sub == nil {
		return false
	}
	now := l.now()
	return o.Lets(r.Tenant, now.Sub(l.waitsSince(r.ID, sub, now)).Milliseconds(), now.UnixMilli())
}

// lookWhoHasLess notes which other tenants have less than that of a group, and would with one more of what waits: where all have as much, one has less by
// that at any moment.
func (l *loop) lookWhoHasLess(g *gang) {
	o := &l.groups[g.id].overtaken
	if !o.Ever() {
		return
	}
	own := l.turn(accountOf(g.request)).Share
	less := make(map[berth.TenantID]bool)
	note := func(r *berth.Request) {
		if r.Tenant != g.request.Tenant && l.fair.shares.With(r.Tenant, r.Pool, scheduler.BulkOfDemand(&r.Resources)) < own {
			less[r.Tenant] = true
		}
	}
	for _, c := range l.waitForRoom(g.pool) {
		note(c.members[0].request)
	}
	for _, gs := range l.allGangs() {
		for _, c := range gs.classes {
			if of := c.members[0]; of.pool == g.pool && !of.hopeless() {
				note(of.request)
			}
		}
	}
	o.Look(less, l.now().UnixMilli())
}

// waitForRoom are the classes that wait for room in a pool, and may have it, in no order.
func (l *loop) waitForRoom(p berth.PoolID) (all []*class) {
	for _, q := range l.queues() {
		for _, c := range q.classes {
			w := c.members[0]
			if (c.verdict == nil || !c.verdict.NeverFits) && c.over == nil && w.claimOn == "" && w.request.Pool == p {
				all = append(all, c)
			}
		}
	}
	return all
}
