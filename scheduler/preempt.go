package scheduler

import (
	"cmp"
	"math"
	"slices"

	"github.com/berthd/berth"
)

// Preemption is how room is made for a candidate that fits nowhere.
type Preemption struct {
	Worker  berth.WorkerID
	Share   berth.Share       // that the candidate gets there once they have ended
	Victims []berth.RequestID // on the worker, sorted: those that leave anyway, and are needed, too
	Cost    int               // allocations that end for it: the other members of groups, too
}

// The workers that are looked at closely are the most promising by what the levels say: so many, and
// where room can be made on none of these, the next ones until it can on one, up to so many in all. What
// the levels do not tell, above all where other requests are, may keep room from being made on any.
const (
	maxTried       = 64
	maxTriedInVain = 1024
)

// Preempt chooses a worker, and what is to end on it so that it takes a candidate:
// what leaves anyway, and allocations of lower priority than the candidate's. The
// fewest end; of equally many those of the lowest priority, then the youngest; none
// that is not needed, and of a group all or none; nobody who may be there longer than
// the candidate waits. on tells who is on a worker, and is asked about few. Nothing is reserved.
func (f *Fleet) Preempt(c Candidate, on func(berth.WorkerID) []Occupant) (Preemption, bool) {
	p, _ := f.PreemptFor([]Candidate{c}, on)
	return p, len(p.Victims) > 0
}

// PreemptFor is Preempt for one request that may be had as any of several candidates, such as with other types of devices: as
// the one for which the least ends, and of what is equal the first. It says as which; -1: as none.
func (f *Fleet) PreemptFor(as []Candidate, on func(berth.WorkerID) []Occupant) (d Preemption, chosen int) {
	defer f.makesRoom()()
	var best *clearing
	for i := range as {
		if next := f.preempt(best, &as[i], on); next != best {
			best, chosen = next, i
		}
	}
	if best == nil {
		return Preemption{}, -1
	}
	f.ask(as[chosen]) // as which it is tried once more, for what leaves anyway and is not needed
	d, _ = best.decision()
	return d, chosen
}

// preempt is the better of the best so far and what is found for a candidate.
func (f *Fleet) preempt(best *clearing, c *Candidate, on func(berth.WorkerID) []Occupant) *clearing {
	p := f.pools[c.Request.Pool]
	if p == nil || malformed(&c.Request.Resources) {
		return best
	}
	q := f.ask(*c)
	v := vacancy{q: q}
	var most []estimate
	for _, n := range p.nodes {
		if e, ok := f.estimateOf(&v, n.unkept(), c.Priority); ok && q.mayClear(n) {
			e.node = n
			most = append(most, e)
		}
	}
	slices.SortFunc(most, estimate.compare)
	for i, e := range most[:min(len(most), maxTriedInVain)] {
		if i >= maxTried && best != nil {
			break
		}
		best = better(best, f.newTrial(q, e.node, c.Priority, InTime(on(e.node.worker.ID), c.Patience)), c)
	}
	return best
}

// Clear is Preempt of what is given of who may end, whatever its priority; of each worker in that
// order, maxTried of them.
func (f *Fleet) Clear(c Candidate, workers []berth.WorkerID, on func(berth.WorkerID) []Occupant) (Preemption, bool) {
	if malformed(&c.Request.Resources) {
		return Preemption{}, false
	}
	defer f.makesRoom()()
	q := f.ask(c)
	var best *clearing
	for _, w := range workers[:min(len(workers), maxTried)] {
		n := f.nodes[w]
		if n == nil || n.worker.Pool != c.Request.Pool || !q.mayClear(n) {
			continue
		}
		best = better(best, f.newTrial(q, n, math.MaxInt32, on(w)), &c)
	}
	return best.decision()
}

// better is the better of the best so far and what a trial finds, if it does.
func better(best *clearing, t *trial, c *Candidate) *clearing {
	if !t.run() {
		return best
	}
	one := &clearing{trial: t, avoided: slices.Contains(c.Avoid, t.n.worker.ID)}
	for _, i := range t.chosen {
		one.cost += t.units[i].cost
	}
	if best == nil || one.compare(best) < 0 {
		return one
	}
	return best
}

func (a *clearing) decision() (Preemption, bool) {
	if a == nil {
		return Preemption{}, false
	}
	d := Preemption{Worker: a.n.worker.ID, Cost: a.cost}
	for _, i := range a.victims() {
		d.Victims = append(d.Victims, a.occupants[i].Request)
	}
	d.Share = a.share
	return d, len(d.Victims) > 0
}

// CanPreemptOn says whether room can be made for a candidate on worker w.
func (f *Fleet) CanPreemptOn(c Candidate, w berth.WorkerID, on func(berth.WorkerID) []Occupant) bool {
	return f.canPreemptOn(c, f.nodes[w], w, on)
}

// CanPreemptUnkept is CanPreemptOn as if nothing of the worker were kept for a group.
func (f *Fleet) CanPreemptUnkept(c Candidate, w berth.WorkerID, on func(berth.WorkerID) []Occupant) bool {
	n := f.nodes[w]
	return n != nil && f.canPreemptOn(c, n.unkept(), w, on)
}

func (f *Fleet) canPreemptOn(c Candidate, n *node, w berth.WorkerID, on func(berth.WorkerID) []Occupant) bool {
	if n == nil || n.worker.Pool != c.Request.Pool || malformed(&c.Request.Resources) {
		return false
	}
	defer f.makesRoom()()
	q := f.ask(c)
	if _, ok := f.estimateOf(&vacancy{q: q}, n.unkept(), c.Priority); !ok || !q.mayClear(n) {
		return false
	}
	return f.newTrial(q, n, c.Priority, InTime(on(w), c.Patience)).run()
}

// mayClear says whether nothing keeps a request off a worker that no end of another
// would change.
func (q *query) mayClear(n *node) bool {
	return n.open && q.constraints.Allows(n.worker.Labels) && (len(n.repels) == 0 || tolerates(q.request.Tolerations, n)) && q.couldTake(n)
}

// clearing is a trial that has found victims.
type clearing struct {
	*trial
	avoided bool
	cost    int
}

// compare is a total order: the worker that did not fail the candidate, the fewest
// ends, what matters least, the worker's id.
func (a *clearing) compare(b *clearing) int {
	if a.avoided != b.avoided {
		return order(b.avoided)
	}
	if c := cmp.Compare(a.cost, b.cost); c != 0 {
		return c
	}
	x, y := a.ranked(), b.ranked()
	c := slices.CompareFunc(x, y, func(u, v *unit) int { return u.rank(v) })
	return cmp.Or(c, cmp.Compare(a.n.worker.ID, b.n.worker.ID))
}

// ranked are the chosen units, what matters most first.
func (a *clearing) ranked() (of []*unit) {
	sorted := slices.Clone(a.chosen)
	slices.Sort(sorted)
	for _, i := range slices.Backward(sorted) {
		of = append(of, &a.units[i])
	}
	return of
}
