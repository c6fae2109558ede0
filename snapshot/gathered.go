package snapshot

import (
	"slices"

	"github.com/berthd/berth"
)

// A group that a drain moves has its quota kept for it until it is tried, and where others may make room for it until they are asked to; and so has
// a group for which others make room, until that is there. As at a daemon (daemon/quotagatherer.go), what comes after it in its tenant's
// order has what that leaves.

// gather has so much of its quota kept for a group.
func (c *course) gather(g *askedGroup, need berth.Amounts) {
	of := accountOf(g.first())
	if c.quotas[of] == nil {
		return
	}
	c.notGathered(g)
	one := g.asking()
	one.Need = need
	c.gathering[of] = append(c.gathering[of], one)
}

// notGathered is that of a group that is placed.
func (c *course) notGathered(g *askedGroup) {
	of := accountOf(g.first())
	if all := c.gathering[of]; len(all) > 0 {
		c.gathering[of] = slices.DeleteFunc(all, func(o berth.Gathering) bool { return o.Group == g.id })
	}
}

// gathered is how much of a dimension is kept of an account's quota for groups that come before who asks.
func (c *course) gathered(of account, d berth.Dimension) (sum int64) {
	if c.asking.Age == 0 {
		return 0
	}
	for i := range c.gathering[of] {
		if g := &c.gathering[of][i]; g.Compare(&c.asking) < 0 {
			sum += g.Need[d]
		}
	}
	return sum
}

// leaveGathered leaves to others what is kept for groups that have been tried, and for which nobody makes room: that may be so for ever. A daemon does so
// after a minute.
func (c *course) leaveGathered() {
	for of, all := range c.gathering { // in which order decides nothing
		k := c.kept[of.pool]
		left := slices.DeleteFunc(all, func(g berth.Gathering) bool { return k == nil || k.Group != g.Group || !c.roomComes(k) })
		c.again = c.again || len(left) < len(all)
		c.gathering[of] = left
	}
}

// askedBy notes who asks for quota, until done.
func (c *course) askedBy(who berth.Gathering) (done func()) {
	was := c.asking
	c.asking = who
	return func() { c.asking = was }
}

// asking is where a group stands in its tenant's order, and where a request does.
func (g *askedGroup) asking() berth.Gathering {
	return berth.Gathering{Group: g.id, Priority: g.priority(), Age: g.seq}
}

func (a *asked) asking() berth.Gathering {
	return berth.Gathering{Request: a.Spec.ID, Priority: a.Candidate().Priority, Age: a.Seq}
}

// amountsOn adds what a share is on a worker.
func (c *course) amountsOn(sum berth.Amounts, on berth.WorkerID, share *berth.Share) {
	if w := c.fleet.Worker(on); w != nil {
		for d, v := range berth.AmountsOf(share, &w.Ledger.Capacity) {
			sum[d] += v
		}
	}
}

// keptAmounts is what is kept of workers.
func (c *course) keptAmounts(k *berth.Keep) berth.Amounts {
	sum := make(berth.Amounts)
	for i := range k.Workers {
		c.amountsOn(sum, k.Workers[i].Worker, &k.Workers[i].Share)
	}
	return sum
}
