package scheduler

// Spread is rendezvous hashing with bounded load (Mirrokni, Thorup and
// Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016): of the workers
// under the bound, the one with the highest hash of key and worker. Plain
// rendezvous hashing leaves the fullest of 20 workers with twice its share of 100
// requests; least loaded first lets every daemon pick the same worker at once.
//
// The bound is slack/4 times the average load there would be with the candidate
// placed. A candidate that names no affinity key gains nothing from a warm worker,
// so its bound is the average itself, and equal requests come out even; one that
// does may find its worker a quarter above the average.
const (
	slackWithoutKey = 4
	slackWithKey    = 5
)

// bound is what a worker's load must be under, for the candidate of a query.
type bound struct {
	counted  bool // the candidate has no amounts: load is the number of allocations
	ceilings [amounts]ceiling
	loose    [amounts]ceiling // a quarter of the average higher: above it, a daemon's own worker is no better than another's
	n        int
}

func (q *query) bound(t *tier) bound {
	sums := &t.open
	if len(q.request.Constraints) > 0 {
		sums = q.allowedTotals(t)
	}
	slack := uint64(slackWithoutKey)
	if q.request.AffinityKey != "" {
		slack = slackWithKey
	}
	b := bound{counted: q.want == vector{}}
	if b.counted {
		b.add(sums.count.plus(1), sums.workers, slack)
		return b
	}
	for r := range amounts {
		b.add(sums.used[r].plus(uint64(max(q.want[r], 0))), sums.capacity[r], slack)
	}
	return b
}

// allowedTotals sums over the workers that the constraints leave: a crowded half
// of the pool must not make the other half look empty.
func (q *query) allowedTotals(t *tier) *totals {
	var sums totals
	for _, n := range t.nodes {
		if n.open && q.labelsAllow(n) {
			sums.add(n)
		}
	}
	return &sums
}

func (b *bound) add(used, capacity wide, slack uint64) {
	if capacity.isZero() {
		return
	}
	b.ceilings[b.n] = ceiling{num: used.times(slack), den: capacity.times(4)}
	b.loose[b.n] = ceiling{num: used.times(slack + 1), den: capacity.times(4)}
	b.n++
}

// under says whether a load is under the highest of some ceilings: the pool's
// dominant share.
func (b *bound) under(ceilings *[amounts]ceiling, load fraction) bool {
	for i := range b.n {
		if ceilings[i].above(load) {
			return true
		}
	}
	return false
}

// spread scores n: under the bound by its hash, above it by the least load. Well
// above it, a daemon's own worker yields like another's: what is submitted to one
// daemon only would all go to its share of the workers, with the others empty.
func (b *bound) spread(n *node, s *score) {
	load := n.load
	if b.counted {
		load = fraction{n.count, 1}
	}
	if b.under(&b.ceilings, load) {
		return
	}
	s.over, s.first = true, load.inverse()
	s.yields = s.yields || !b.under(&b.loose, load)
}
