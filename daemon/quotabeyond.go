package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// What waits for a worker had its quota when it was tried, and may have it no more: others of its tenant have been placed by that, or other daemons
// have taken it since, for what waits for a worker with them. In the former case it waits for its quota again, as long as something of its tenant's is lent:
// then that comes back for it. In the latter it is enough that it asks those daemons for what they do not use when a worker comes: did it before, what waits there
// would ask for that as well, and they would take it in turns for ever.

// blockedLooks bounds the classes that wait for a worker of which it is asked whether their quota has room for them yet.
const blockedLooks = 64

// wakeBeyond opens the first class that waits for a worker, and the groups that do, that its quota had room for until others of its tenant took that, where
// it is lent: they wait for their quota, too, and want that back. Where something else does, and nothing is reclaimed, they have time until that is placed.
func (l *loop) wakeBeyond(of account, s *balance) {
	if len(s.quota.Lent) == 0 || len(s.quota.RecalledSince) == 0 && l.waitsForOwn(of, s.state) {
		return
	}
	own, _ := l.ownRoom(of, s)
	unused := l.unusedOf(of, s)
	beyond := func(a allowance) bool {
		return a.verdict != nil && slices.ContainsFunc(a.verdict.Reasons, lacking) && own.holds(a.need, s) && !unused.holds(a.need, s)
	}
	for _, c := range l.gangs.classes { // in which order decides nothing
		g := c.members[0]
		if accountOf(g.request) != of || c.open() || g.pastRoom() {
			continue
		}
		if a := s.of(askedByGroup(g)).judgeMembers(g.request, g.need); beyond(a) && l.couldEver(g.request, g.need, s) {
			c.wake()
		}
	}
	l.queue.eachBlocked(of, blockedLooks, func(c *class) (found bool) {
		w := c.members[0]
		a := l.allowsOne(w, s)
		if found = !a.held && beyond(a) && l.couldEver(w.request, 0, s); found {
			l.queue.reopen(c)
		}
		return found
	})
}

// unusedOf is how much of what an account is allowed nothing uses, whichever daemon has taken it.
func (l *loop) unusedOf(of account, s *balance) bounding {
	used := l.usedBy(of)
	return func(d berth.Dimension) int64 { return s.state.limits[d] - used[d] }
}
