package snapshot

import (
	"slices"

	"github.com/berthd/berth"
)

// What waits for a worker has its quota, and keeps it, as at a daemon (daemon/quotaawaited.go): of an account as much as the first
// request needs that waits so, and all groups that do. So that is lent to nobody.

// noteAwaited notes how much that is of each account of which something is guaranteed.
func (c *course) noteAwaited() {
	c.awaited = make(map[account]berth.Amounts)
	singles, first := slices.Clone(c.singles), make(map[account]bool)
	slices.SortFunc(singles, func(a, b *asked) int { return a.before(b.Request) })
	for _, a := range singles {
		if of := accountOf(&a.Spec); a.claim == nil && c.whole[a.group] == nil && !first[of] {
			first[of] = c.awaits(&unit{single: a}, 1)
		}
	}
	for _, g := range c.groups {
		c.awaits(&unit{group: g}, min(g.needs(), int64(len(g.members))))
	}
}

// awaits notes what so many of something need, and says whether they wait for a worker: their quota has room, and some worker could take them.
func (c *course) awaits(u *unit, n int64) bool {
	of := accountOf(u.request())
	b := c.quotas[of]
	if b == nil || len(b.quota.Guaranteed) == 0 {
		return false
	}
	j := c.judge(u.request(), n, b)
	if j.verdict != nil || !c.mightFit(u) {
		return false
	}
	if c.awaited[of] == nil {
		c.awaited[of] = make(berth.Amounts, len(j.need))
	}
	for d, v := range j.need {
		c.awaited[of][d] += v
	}
	return true
}
