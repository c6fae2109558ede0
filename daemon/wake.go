package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// givers are the workers of a pool that have had more to give since all of its blocked
// classes were looked at. Which class gets it is decided when its turn has come: turns
// change with each placement. What that leaves, the next one may have.
//
// Each time that a worker has more it gets the next number. A class that no giver could
// take has seen the numbers up to the last: what givers have only shrinks until they get
// another number. So it is judged once for each of them that has enough, however often it
// is passed by, and whole branches are passed by that have seen them all.
type givers struct {
	list []giver // by number
	of   map[berth.WorkerID]int
}

type giver struct {
	worker berth.WorkerID
	number int64
	free   need // no less than it has
	labels map[string]string
}

// wake notes that a worker has more to give.
func (q *queue) wake(pool berth.PoolID, w berth.WorkerID) {
	if q.blocked[pool] == nil {
		return
	}
	free, labels, ok := q.workers.room(w)
	if !ok {
		return
	}
	gs := q.givers.get(pool)
	if gs == nil {
		gs = &givers{of: make(map[berth.WorkerID]int)}
		q.givers.put(pool, gs)
	}
	q.gave++
	gs.put(giver{w, q.gave, free, labels})
}

func (gs *givers) put(g giver) {
	if i, known := gs.of[g.worker]; known {
		gs.list[i].free = nothing
	}
	if len(gs.list) > 2*len(gs.of)+16 {
		gs.compact()
	}
	gs.of[g.worker] = len(gs.list)
	gs.list = append(gs.list, g)
}

// compact drops what workers had before they had more.
func (gs *givers) compact() {
	kept := gs.list[:0]
	for i, g := range gs.list {
		if gs.of[g.worker] == i {
			gs.of[g.worker] = len(kept)
			kept = append(kept, g)
		}
	}
	clear(gs.list[len(kept):])
	gs.list = kept
}

func (gs *givers) last() int64 { return gs.list[len(gs.list)-1].number }

// give opens the class that comes first of the blocked ones that a giver could take, if it
// comes before all that are open.
func (q *queue) give() {
	q.takeTurns()
	var first, until *class
	if len(q.open) > 0 {
		until = q.open[0].open[0]
	}
	for _, g := range slices.Backward(q.givers) { // who has nothing more for anybody is taken out meanwhile
		if c := q.couldGive(g.key, g.of, until); c != nil {
			first, until = c, c
		}
	}
	if first != nil {
		q.reopen(first)
	}
}

// couldGive is the class that comes first of the blocked ones of a pool that a giver could
// take, of those before until; nil: all.
//
// Each group is looked at as far as what was found in those before it, and what is passed over
// in one has seen the givers as they are now. Where requests depend on each other that is not as
// they are later: what the plan has placed since may be what somebody waits for, who is opened
// by its answer, and is found at once if nobody has looked. So the groups have an order.
func (q *queue) couldGive(pool berth.PoolID, gs *givers, until *class) (first *class) {
	whole, blocked := until == nil, q.blocked[pool]
	if blocked == nil {
		q.givers.remove(pool)
		return nil
	}
	for _, e := range blocked.groups {
		e.of.follow(gs)
		of := search{q.workers, gs, gs.last(), e.of, until}
		if c := of.find(); c != nil {
			first, until = c, c
		}
	}
	if first == nil && whole { // nobody wants what they have
		q.givers.remove(pool)
		for _, e := range blocked.groups {
			e.of.free = nothing
		}
	}
	return first
}

// follow takes up givers that are new.
func (g *blockedGroup) follow(gs *givers) {
	for i := len(gs.list) - 1; i >= 0 && gs.list[i].number > g.upTo; i-- {
		if one := &gs.list[i]; g.constraints.Allows(one.labels) {
			g.free = g.free.most(one.free)
		}
	}
	g.upTo = gs.last()
}

// search is for a class of a group that a giver could take.
type search struct {
	workers workers
	givers  *givers
	last    int64 // of their numbers
	group   *blockedGroup
	until   *class // those that come before it; nil: all
}

func (of *search) find() *class {
	return firstUnseen(of.group.rows.root, of, func(r *row) bool {
		return of.until != nil && r.line != of.until.line && !r.line.before(of.until.line)
	}, of.inRow)
}

func (of *search) inRow(n *node[*row, asks]) *class {
	r := n.of
	c := firstUnseen(r.classes.root, of, func(c *class) bool { return of.until != nil && !c.before(of.until) }, of.judge)
	r.sum()
	return c
}

// firstUnseen is the class that find finds first in the things of a branch, in their order
// and not behind a limit; or nil. It passes over branches that need more than is free, or have
// seen all givers.
func firstUnseen[T any](n *node[T, asks], of *search, behind func(T) bool, find func(*node[T, asks]) *class) *class {
	if n == nil || n.all[seen] >= of.last {
		return nil
	}
	if !n.all.within(&of.group.free) {
		n.all[seen] = of.last
		return nil
	}
	c := firstUnseen(n.left, of, behind, find)
	if c == nil && !behind(n.of) {
		if n.own[seen] < of.last {
			c = find(n)
		}
		if c == nil {
			c = firstUnseen(n.right, of, behind, find)
		}
	}
	n.refresh()
	return c
}

// judge asks whether a giver could take a class that has not seen it.
func (of *search) judge(n *node[*class, asks]) *class {
	if !n.own.within(&of.group.free) {
		n.own[seen] = of.last
		return nil
	}
	list := of.givers.list
	for i := len(list) - 1; i >= 0 && list[i].number > n.own[seen]; i-- {
		one := &list[i]
		if !n.own.within(&one.free) || !of.group.constraints.Allows(one.labels) {
			continue
		}
		if one.refresh(of.workers); n.own.within(&one.free) && of.workers.fits(n.of.members[0], one.worker) {
			return n.of
		}
	}
	n.own[seen] = of.last
	of.group.tighten(of.givers)
	return nil
}

// refresh takes off what others have got of it since.
func (g *giver) refresh(of workers) {
	free, _, ok := of.room(g.worker)
	if !ok {
		free = nothing
	}
	g.free = free
}

// tighten has the bound on what is free follow what givers have less. In most cases one of
// the newest still has as much as any had.
func (g *blockedGroup) tighten(gs *givers) {
	free := nothing
	for i := len(gs.list) - 1; i >= 0 && free != g.free; i-- {
		if one := &gs.list[i]; !one.free.within(free) && g.constraints.Allows(one.labels) {
			free = free.most(one.free)
		}
	}
	g.free = free
}

func (q *queue) reopen(c *class) {
	q.unblock(c)
	c.verdict = nil
	q.openUp(c)
}
