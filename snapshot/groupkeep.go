package snapshot

import (
	"cmp"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// keepTries is of how many groups of a pool it is asked, at a time, what could be kept for them: as many as a daemon asks
// for in two seconds.
const keepTries = 8

// keepRooms keeps something for a group of each pool where nothing is: for the first in the order of
// turns for which that can be. Daemons do so as soon as a group does not fit, and nobody makes room
// for one: so before any of those has ended who have their grace, and what these leave is kept, too.
func (c *course) keepRooms(of []*askedGroup) {
	seek := slices.DeleteFunc(slices.Clone(of), func(g *askedGroup) bool { return g.leaving || c.unkept[g.id] || c.hopeless(g) })
	slices.SortFunc(seek, func(a, b *askedGroup) int {
		return cmp.Or(c.turn(a.first()).Compare(c.turn(b.first())), a.before(b))
	})
	tried := make(map[berth.PoolID]int)
	for _, g := range seek {
		if p := g.first().Pool; c.kept[p] == nil && !c.opened[p] && tried[p] < keepTries {
			tried[p]++
			c.keepFor(g)
		}
	}
}

// keepFor keeps for a group what can be.
func (c *course) keepFor(g *askedGroup) {
	if k, ok := c.wantedFor(c.wanting(g)); ok {
		c.keep(g.first().Pool, k)
	}
}

// stays tells who is on a worker, and until when.
func (c *course) stays(on berth.WorkerID) (all []scheduler.Stay) {
	for _, r := range c.on[on] {
		age := c.s.TakenAt.Sub(time.Unix(0, r.placed)).Milliseconds()
		all = append(all, scheduler.Stay{Share: &r.share, Age: max(age, 0), Left: r.left, Ends: r.left > 0})
	}
	return all
}
