package scheduler

import "slices"

// search is the state of one search through a tier: for the best score, and the
// first of those.
type search struct {
	selection uint64 // the bit of the query's selection
	binpack   bool
	bound     bound // spread
	scope     []sector
	dealt     bool    // it is one of deal
	key       wish    // that the key is warm
	image     wish    // that the image is there
	early     bool    // who has either is looked at, before all others
	ahead     bool    // the best is one of those, looked at before its turn
	cold      bool    // they have been looked at: whoever comes now is cold
	pulls     bool    // and the same of the image
	at        *sector // the one being searched
	past      *node   // the last of its workers that was looked at
	best      *node
	away      uint64 // spread: how far the best stands from where the search began
	top       score
}

// sector is a group that may serve a request.
type sector struct {
	*group
	rank int    // of the types that it has, at best
	from uint64 // spread: where on the ring the search begins
}

// find returns the best of a tier's workers that fit, or nil.
func (q *query) find(p *pool, t *tier) (*node, score) {
	number := p.selectionOf(q)
	q.restart(search{scope: q.scope[:0], selection: 1 << number, binpack: p.binpack})
	for _, g := range t.groups {
		if q.selection&g.root.all.selections == 0 {
			continue // else a wanted type that is out of reach would leave an affinity key without a home
		}
		if rank, ok := q.rankIn(g); ok {
			q.scope = append(q.scope, sector{group: g, rank: rank})
		}
	}
	if !q.binpack {
		q.bound = q.boundOf(&t.sums[number])
		if n := q.begin(); n != nil {
			return n, score{}
		}
	} else {
		q.wish(Mix(q.hash))
		q.lookAhead()
	}
	for i := range q.scope {
		q.at, q.past = &q.scope[i], nil
		if q.binpack {
			q.walk(q.at.root)
		} else {
			q.walkFrom(q.at.root)
			q.walkUntil(q.at.root)
		}
	}
	return q.best, q.top
}

// judgeAlone has workers judged one by one as a search of those without devices does: the last
// one may have been of those that are dealt, which knows no bound.
func (q *query) judgeAlone() {
	if q.pool == nil || !q.deals() {
		return
	}
	number := q.pool.selectionOf(q)
	q.restart(search{selection: 1 << number, binpack: q.pool.binpack})
	if !q.binpack {
		q.bound = q.boundOf(&q.pool.plain.sums[number])
	}
	q.wish(Mix(q.hash))
}

// restart begins a search; who has what is wished for is yet to be found.
func (q *query) restart(s search) {
	s.key.holders, s.image.holders = q.key.holders[:0], q.image.holders[:0]
	q.search = s
}

// rankIn is the best rank that a worker of g can have; false: none fits, for
// there is a demand for which its devices are of no wanted type.
func (q *query) rankIn(g *group) (rank int, ok bool) {
	for i := range q.request.Resources.Devices {
		d := &q.request.Resources.Devices[i]
		if len(d.Types) == 0 {
			continue
		}
		k := slices.IndexFunc(d.Types, func(kind string) bool { return slices.Contains(g.kinds, kind) })
		if k < 0 {
			return 0, false
		}
		rank += rankOf(d, k)
	}
	return rank, true
}

// walk looks at a subtree in its order.
func (q *query) walk(n *node) {
	if n != nil && q.may(&n.all) {
		q.walk(n.left)
		q.look(n)
		q.walk(n.right)
	}
}

// walkFrom looks at the workers of a subtree from q.at.from on.
func (q *query) walkFrom(n *node) {
	switch {
	case n == nil || !q.may(&n.all):
	case n.position < q.at.from:
		q.walkFrom(n.right)
	default:
		q.walkFrom(n.left)
		q.look(n)
		q.walk(n.right)
	}
}

// walkUntil looks at the workers of a subtree that stand before q.at.from.
func (q *query) walkUntil(n *node) {
	switch {
	case n == nil || !q.may(&n.all):
	case n.position >= q.at.from:
		q.walkUntil(n.left)
	default:
		q.walk(n.left)
		q.look(n)
		q.walkUntil(n.right)
	}
}

func (q *query) look(n *node) {
	q.past = n
	if !q.may(&n.own) {
		return
	}
	s, ok := q.judge(n)
	if !ok {
		return
	}
	q.add(&s, n.own.load, len(n.devices))
	if q.best != nil {
		if c := q.compare(&s, &q.top); c > 0 || c == 0 && !q.earlier(n) {
			return
		}
	}
	q.best, q.top, q.ahead = n, s, q.early
	q.away = n.position - q.at.from
}

// may says whether workers with this summary may fit and be better than the best so far.
func (q *query) may(s *summary) bool {
	if !q.allows(s) {
		return false
	}
	if q.best == nil {
		return true
	}
	hope := score{rank: q.at.rank, cold: q.cold, pulls: q.pulls}
	q.weigh(s, q.at.foreign, &hope)
	q.addHope(&hope, s)
	switch c := q.compare(&hope, &q.top); {
	case c != 0:
		return c < 0
	case q.early:
		return q.earlier(q.past) // who is looked at, alone
	case q.ahead:
		return true // as good a one may stand before it
	case q.best.group == q.at.group:
		return false // it came first
	}
	return q.past == nil || q.earlier(q.past)
}

// addHope adds up the least that workers with this summary may weigh. Under binpack
// they come fullest first: none is fuller than the last that was looked at.
func (q *query) addHope(hope *score, s *summary) {
	if q.weighing == nil {
		return
	}
	load := s.load
	if q.binpack {
		load = fraction{1, 1}
		if q.past != nil {
			load = q.past.own.load
		}
	}
	q.add(hope, load, 0)
}

// earlier says whether n, of the group being searched, is meant before the best
// so far if its score is equal.
func (q *query) earlier(n *node) bool {
	if q.binpack {
		return fuller(n, q.best)
	}
	if away := n.position - q.at.from; away != q.away {
		return away < q.away
	}
	return n.worker.ID < q.best.worker.ID
}
