package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// wake opens the class that comes first of the blocked ones of a pool that a worker
// could take now.
func (q *queue) wake(pool berth.PoolID, w berth.WorkerID) { q.wakeBehind(pool, w, &search{}) }

func (q *queue) wakeBehind(pool berth.PoolID, w berth.WorkerID, of *search) {
	q.settled(w)
	if c := q.couldTake(pool, w, of); c != nil {
		q.wakes(w, c)
	}
}

// couldTake is the class that comes first of the blocked ones that a worker could take.
func (q *queue) couldTake(pool berth.PoolID, w berth.WorkerID, of *search) *class {
	blocked := q.blocked[pool]
	if len(blocked) == 0 {
		return nil
	}
	free, labels, ok := q.workers.room(w)
	if !ok {
		return nil
	}
	of.free, of.labels, of.fits = free, labels, func(first *waiting) bool { return q.workers.fits(first, w) }
	return blocked.first(of)
}

// wakes opens a class for a worker, whatever else that had woken.
func (q *queue) wakes(w berth.WorkerID, c *class) {
	q.settled(w)
	q.reopen(c)
	c.wokenBy = append(c.wokenBy, w)
	q.woke[w] = c
}

func (q *queue) settled(w berth.WorkerID) {
	if was := q.woke[w]; was != nil {
		was.wokenBy = slices.DeleteFunc(was.wokenBy, func(o berth.WorkerID) bool { return o == w })
		delete(q.woke, w)
	}
}

func (q *queue) reopen(c *class) {
	q.unblock(c)
	c.verdict = nil
	q.openUp(c)
}

// wakeNext lets those that woke a class wake one behind it: its first is gone, or it
// is blocked again. What comes before it of its tenant did not fit then, and fits less
// now; other tenants' turns may have come.
func (q *queue) wakeNext(c *class, first *waiting) {
	for _, w := range slices.Clone(c.wokenBy) {
		q.wakeBehind(c.pool, w, &search{line: c.line, after: first})
	}
}

// overtaken says whether a blocked class comes before c that a worker could take which woke
// another; that is open then. Of one tenant none does: its own order does not change.
func (q *queue) overtaken(c *class) bool {
	if len(q.lines) < 2 || !q.blocked[c.pool].anyBefore(c) {
		return false
	}
	var first *class
	var by berth.WorkerID
	for w, woken := range q.woke {
		if woken.pool != c.pool {
			continue
		}
		o := q.couldTake(c.pool, w, &search{until: c})
		if o != nil && (first == nil || o.before(first) || o == first && w < by) {
			first, by = o, w
		}
	}
	if first == nil {
		return false
	}
	q.wakes(by, first)
	return true
}
