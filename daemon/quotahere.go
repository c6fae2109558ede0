package daemon

import (
	"math"

	"github.com/berthd/berth"
)

// Quota that comes free is in the block of its daemon at once, and what a request lacks beside that is taken by a plan of its own. So what goes first here
// would have it a moment later than what comes behind that and needs no more than came free, as what was told to stop does that had it until then.

// freed is what a plan gives back of blocks. Who waits for quota hears of it by the answer, so whoever is looked at before, as what has room on a worker that the
// same plan frees is, would have it before who goes first.
type freed map[freedFrom]berth.Amounts

type freedFrom struct {
	account
	daemon berth.DaemonID
}

func (f *freed) add(of account, by berth.DaemonID, amounts berth.Amounts) {
	if *f == nil {
		*f = make(freed, 1)
	}
	k := freedFrom{of, by}
	sum := make(berth.Amounts, len(amounts))
	addTo(sum, (*f)[k])
	addTo(sum, amounts)
	(*f)[k] = sum
}

// leavesHere says whether a request leaves what there is of its tenant's quota, for a moment, to the first that waits here for that and goes before it: where
// its block has not all that this needs now, and the rest is given back by the plan being built, or nobody has taken it, and its own daemon does.
func (l *loop) leavesHere(a asking, s *balance, b *builder) bool {
	of := s.account
	if len(l.queue.over.of[of])+len(l.gangs.over.of[of]) == 0 {
		return false
	}
	held := bounding(func(d berth.Dimension) int64 { return max(s.block.Block[d]-s.block.Used[d]-s.freed[d], 0) })
	free := bounding(func(d berth.Dimension) int64 { return held(d) + s.freed[d] + max(s.left(d), 0) })
	waits := func(need berth.Amounts, roomless bool) bool {
		return !roomless && len(need) > 0 && !held.holds(need, s) && free.holds(need, s)
	}
	if a.Age == 0 { // it is being submitted, and the last of its priority
		a.Age = math.MaxInt64
	}
	at := look{within: s.bound(free), beyond: s.bound(held), before: &gathering{Gathering: a.Gathering}}
	to := leftTo{daemon: l.d.opts.ID, pool: of.pool, quota: true}
	if c := l.queue.firstOver(of, at, func(w *waiting) bool {
		return waits(l.allowsOne(w, s).need, false) && l.fitsEver(w.request, 0, nil)
	}); c != nil {
		to.id = c.members[0].id
	} else if c, found := l.gangs.over.first(of, at, func(c *gangClass) bool {
		g := c.members[0]
		return waits(l.allowsGang(g, s).need, c.roomless) && l.fitsEver(g.request, g.need, nil)
	}); found {
		to.id, to.whole = berth.RequestID(c.members[0].id), true
	}
	if to.id == "" || !l.leaves(to, of.tenant, left{served: l.turn(of).Served}, b.now) {
		return false
	}
	l.due.add(tenantKey(of.tenant))
	return true
}
