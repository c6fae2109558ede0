package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// RoomFor bounds how many equal members of a gang a worker could take now. When workers
// have more to give, as many more members fit as they could take, and no more: who waits
// for a place need not be tried before. Of members whose places depend on each other, or
// whose devices are combined, that is not so: their bound is out of reach.
func (f *Fleet) RoomFor(c Candidate, w berth.WorkerID) int {
	n := f.nodes[w]
	switch {
	case n == nil || n.worker.Pool != c.Request.Pool || !n.open || malformed(&c.Request.Resources):
		return 0
	case c.Request.Related() || combined(c.Request.Resources.Devices):
		return maxRoom
	}
	q := f.ask(c)
	n = q.seen(n)
	if !q.fits(n) {
		return 0
	}
	return q.room(n)
}

// combined says whether how devices are combined decides how often a worker takes demands.
func combined(demands []berth.DeviceDemand) bool {
	return len(demands) > 1 || len(demands) == 1 && demands[0].Count > 1 && demands[0].Milli < berth.WholeDevice
}

// fill is the share of as many candidates as a worker takes, so many at most, and how many they
// are. Where others are says nothing here. The worker is changed.
func (q *query) fill(then *node, most int) (sum berth.Share, n int) {
	for ; n < most; n++ {
		if slices.ContainsFunc(q.filters, func(f filter) bool { return !f.passing && !f.passes(q, then) }) {
			break
		}
		ledger, share, err := q.reserve(then)
		if err != nil {
			break
		}
		next, err := sum.Plus(share)
		if err != nil {
			return berth.Share{}, 0
		}
		sum, then.worker.Ledger = next, ledger
		then.refresh()
	}
	return sum, n
}
