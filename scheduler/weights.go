package scheduler

import (
	"cmp"
	"math/bits"

	"github.com/berthd/berth"
)

// A pool with weights adds up what the scorers that it names say of a worker, each in
// points, from 0, the best there may be, to 1,000, times its weight. The sum stands
// where the first of those stood; all others keep their places. So a pool that names
// none is compared as ever, and pays for a look whether it does.
//
// Points are monotone in what they are made of: so the sum of the best that a subtree
// may hold is a bound of all in it, and searches are cut short as without weights.

// points of what is as bad as it may be.
const points = 1000

// weighing is the weights of a pool.
type weighing struct {
	weights [scores]int64
	named   [scores]bool
	first   int // of the named ones
}

// newWeighing is nil where nothing is named.
func newWeighing(w berth.Weights) *weighing {
	v := &weighing{first: scores}
	for i, name := range berth.Scorers() {
		v.weights[i], v.named[i] = w[name], has(w, name)
		if v.named[i] {
			v.first = min(v.first, i)
		}
	}
	if v.first == scores {
		return nil
	}
	return v
}

func has(w berth.Weights, name berth.Scorer) bool { _, ok := w[name]; return ok }

// SetWeights says how pool weighs its scorers; none: the first that tells two workers
// apart decides.
func (f *Fleet) SetWeights(pool berth.PoolID, w berth.Weights) {
	v := newWeighing(w)
	if v == nil {
		delete(f.weighings, pool)
	} else {
		f.weighings[pool] = v
	}
	if p := f.pools[pool]; p != nil {
		p.weigh(v)
	}
}

// weigh forgets who loses least: that is by the former weights.
func (p *pool) weigh(v *weighing) {
	switch {
	case p.weighing == nil && v == nil:
		return
	case p.weighing != nil && v != nil && *p.weighing == *v:
		return
	}
	p.weighing = v
	clear(p.dealer.rows)
}

// compare is negative when a is better for the query's pool.
func (q *query) compare(a, b *score) int {
	if q.weighing == nil {
		return a.compare(b)
	}
	return q.weighing.compare(a, b)
}

func (v *weighing) compare(a, b *score) int {
	for i := range scores {
		c := 0
		if i == v.first {
			c = cmp.Compare(a.sum, b.sum)
		} else if !v.named[i] {
			c = a.compareIn(i, b)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// add adds up what the query's pool weighs of a worker's score. load is the worker's
// own, or the best that those may have for which s is a bound; devices how many it has.
func (q *query) add(s *score, load fraction, devices int) {
	v := q.weighing
	if v == nil {
		return
	}
	s.sum = 0
	for i := range scores {
		if v.weights[i] != 0 {
			s.sum += v.weights[i] * q.points(i, s, load, devices)
		}
	}
}

// points is what one scorer says, from 0, the best, to 1,000.
func (q *query) points(scorer int, s *score, load fraction, devices int) int64 {
	switch scorer {
	case scoreAvoided:
		return share(int64(s.avoided), int64(len(q.avoid)))
	case scoreRank:
		most := 0
		for i := range q.request.Resources.Devices {
			d := &q.request.Resources.Devices[i]
			most += max(rankOf(d, len(d.Types)-1), 0)
		}
		return share(int64(s.rank), int64(most))
	case scoreDislike:
		return min(s.dislike, points)
	case scoreYields:
		return allIf(s.yields)
	case scoreOver:
		return allIf(s.over)
	case scoreLoad:
		if q.pool.binpack {
			return points - load.points()
		}
		return load.points()
	case scoreCold:
		return allIf(s.cold)
	case scoreLoss:
		asked := int64(0)
		for i := range q.request.Resources.Devices {
			asked += q.request.Resources.Devices[i].Count
		}
		return min(max(s.loss, 0)/(lossUnit*max(asked, 1)), points)
	case scorePulls:
		return allIf(s.pulls)
	}
	return min(s.free/max(int64(devices), 1), points) // thousandths of a device, on average
}

// share is n of so many, in points.
func share(n, of int64) int64 {
	if of <= 0 {
		return 0
	}
	return min(n*points/of, points)
}

func allIf(is bool) int64 {
	if is {
		return points
	}
	return 0
}

// points is a load in thousandths, rounded down.
func (a fraction) points() int64 {
	if a.num >= a.den {
		return points
	}
	high, low := bits.Mul64(a.num, points)
	n, _ := bits.Div64(high, low, a.den)
	return int64(n)
}
