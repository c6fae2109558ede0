package scheduler

import (
	"cmp"
	"math"
	"slices"

	"github.com/berthd/berth"
)

// PriorityLeaving is under which Occupy counts what ends anyway: it is below every
// priority, for whoever makes room takes it first.
const PriorityLeaving int32 = math.MinInt32

// level is what the allocations of one priority hold on a worker. Most workers have
// one or two: who asks where room could be made reads those, and no allocations.
type level struct {
	priority int32
	count    int64
	sum      vector
}

// Occupy notes that an allocation of a priority has come to a worker, 1, or has left
// it, -1. Like Count, it is told of what is, not of what is proposed.
func (f *Fleet) Occupy(w berth.WorkerID, priority int32, s *berth.Share, by int64) {
	levels := f.levels[w]
	i, found := slices.BinarySearchFunc(levels, priority, func(l level, p int32) int { return cmp.Compare(l.priority, p) })
	if !found {
		levels = slices.Insert(levels, i, level{priority: priority})
	}
	l := &levels[i]
	l.count += by
	for r, amount := range vectorOf(&s.Quantities) {
		l.sum[r] += by * amount
	}
	switch {
	case l.count == 0 && len(levels) == 1:
		delete(f.levels, w)
	case l.count == 0:
		f.levels[w] = slices.Delete(levels, i, i+1)
	case !found:
		f.levels[w] = levels
	}
}

// estimate is how promising a worker is for who makes room there, by its levels alone.
type estimate struct {
	node  *node
	count int64 // of victims, if each held as much as those of a level do on the average
	worst int32 // the highest priority that is needed
}

func (a estimate) compare(b estimate) int {
	return cmp.Or(cmp.Compare(a.count, b.count), cmp.Compare(a.worst, b.worst), cmp.Compare(a.node.worker.ID, b.node.worker.ID))
}

// estimateOf says whether what is below a priority on a worker, and what is free
// there, may suffice for the query.
func (f *Fleet) estimateOf(q *query, n *node, priority int32) (e estimate, ok bool) {
	need := q.shortfall(n)
	e = estimate{node: n, worst: PriorityLeaving}
	any := false
	for _, l := range f.levels[n.worker.ID] {
		if l.priority >= priority {
			break
		}
		any = true
		short := false
		for r := range amounts {
			if need[r] <= 0 {
				continue
			}
			if average := l.sum[r] / l.count; l.priority != PriorityLeaving && average > 0 {
				e.count = max(e.count, (min(need[r], l.sum[r])+average-1)/average)
			}
			need[r] -= l.sum[r]
			short = short || need[r] > 0
		}
		e.worst = l.priority
		if !short {
			return e, true
		}
	}
	return e, any && need.met()
}

// shortfall is how much of each amount the query wants beyond what a worker has free.
func (q *query) shortfall(n *node) (v vector) {
	for r := range amounts {
		v[r] = q.want[r] - n.own.free[r]
	}
	return v
}

// met says whether nothing is short.
func (v vector) met() bool {
	for r := range amounts {
		if v[r] > 0 {
			return false
		}
	}
	return true
}
