package scheduler

// A row keeps its cells in a tournament: a tree over the indices of the pool's workers,
// in which each place knows who below it loses least. A search descends to the best,
// judges it with every filter, and then looks only where somebody could be better yet.
// What has changed is judged when the row is used next, and its place brought up to
// date; so a placement costs O(log n), and the judging of who has changed since the
// shape was asked for last.
//
// The root is place 1; under place k are 2k and 2k+1; the leaves stand in the second
// half, in the order of the indices.

// row is the losses of one shape on each worker of a pool, by the worker's index.
type row struct {
	prices  *prices
	cells   []cell
	judged  []judged           // of states, by the last bits of their numbers: with these prices
	wins    []int32            // by place: the index of who loses least there, or nobody
	lacking []lacking          // why who does not take it does not; made when it is first asked for
	said    [len(whys)]measure // what is told of all who lack one thing: how much is wanted, and its detail
	seen    uint64             // of the changes
	used    uint64             // when last
}

const nobody = -1

// cell is what one worker loses.
type cell struct {
	loss   int64
	free   int32 // of its devices, beforehand
	rank   int16
	yields bool
	fits   bool // cpu, memory and devices; another filter may reject it
}

// priced says whether it has a loss: what does not fit, or has no room to lose, has none.
func (c *cell) priced() bool { return c.fits && c.free > 0 }

// judgedPart is the part of its leaves that a row has of judged: the states that are judged
// soon after each other are few, and a number that meets another costs a look at the worker.
const judgedPart = 4

// judged is what a worker loses that is in a state: see judgeState.
type judged struct {
	state uint64 // its number; 0: of none
	cell  cell
}

// hope is the best that the score of the worker can be: what else speaks against it is
// not known yet.
func (q *query) hope(n *node, c *cell) score {
	s := score{rank: int(c.rank), yields: c.yields, loss: c.loss, free: int64(c.free), cold: q.cold, pulls: q.pulls}
	q.add(&s, n.own.load, len(n.devices))
	return s
}

// changes is the indices of workers that have changed, in their order, as far back as
// it reaches.
type changes struct {
	kept    []int32
	dropped uint64 // so many stood before them
}

// add keeps as many as most, and half as many at least.
func (c *changes) add(at, most int) {
	if len(c.kept) >= max(most, 16) {
		half := len(c.kept) / 2
		c.kept = append(c.kept[:0], c.kept[half:]...)
		c.dropped += uint64(half)
	}
	c.kept = append(c.kept, int32(at))
}

// leaves is how many a tree over the dealer's workers has.
func (d *dealer) leaves() int { return len(d.takes) / 2 }

// take notes the selections of who has an index.
func (d *dealer) take(at int, selections uint64) {
	for at >= d.leaves() {
		d.widen()
	}
	k := d.leaves() + at
	for d.takes[k] = selections; k > 1; k /= 2 {
		sum := d.takes[k] | d.takes[k^1]
		if d.takes[k/2] == sum {
			return
		}
		d.takes[k/2] = sum
	}
}

// widen doubles the leaves.
func (d *dealer) widen() {
	old := d.takes[d.leaves():]
	d.takes = make([]uint64, max(4*len(old), 2))
	copy(d.takes[d.leaves():], old)
	d.takeAll()
}

func (d *dealer) takeAll() {
	for k := d.leaves() - 1; k > 0; k-- {
		d.takes[k] = d.takes[2*k] | d.takes[2*k+1]
	}
}

// reselect is take for all workers.
func (p *pool) reselect() {
	d := &p.dealer
	for i, n := range p.nodes {
		if d.seats[i].deals {
			d.takes[d.leaves()+i] = n.own.selections
		}
	}
	d.takeAll()
}

// settle judges who is to be judged in a row: who has changed, and with new prices all
// who fit, for what does not fit has no price.
func (q *query) settle(p *pool, r *row) {
	d := &p.dealer
	if len(d.queue.has) != len(d.takes) {
		d.queue.has = make([]bool, len(d.takes))
	}
	switch {
	case len(r.wins) != len(d.takes):
		*r = row{
			prices: d.prices, used: r.used, lacking: r.lacking, said: r.said,
			cells: make([]cell, d.leaves()), judged: make([]judged, max(d.leaves()/judgedPart, 1)), wins: make([]int32, len(d.takes)),
		}
		fallthrough
	case r.seen < d.changes.dropped:
		for at := range d.leaves() {
			d.queue.add(d.leaves() + at)
		}
	default:
		for _, at := range d.changes.kept[r.seen-d.changes.dropped:] {
			d.queue.add(d.leaves() + int(at))
		}
	}
	if r.prices != d.prices {
		r.prices = d.prices
		clear(r.judged)
		for at, w := range r.wins[d.leaves():] {
			if w != nobody {
				d.queue.add(d.leaves() + at)
			}
		}
	}
	r.seen = d.changes.dropped + uint64(len(d.changes.kept))
	q.settleQueue(p, r)
}

// queue are the places of a row that are to be looked at, while it is settled; between two
// rows there are none.
type queue struct {
	places []int32
	has    []bool // by place
}

func (u *queue) add(k int) {
	if !u.has[k] {
		u.has[k] = true
		u.places = append(u.places, int32(k))
	}
}

// settleQueue looks at the places in the queue, and then above them, as far up as it makes a
// difference: the leaves come first, so that each place finds those below it settled.
func (q *query) settleQueue(p *pool, r *row) {
	u, leaves := &p.dealer.queue, len(r.cells)
	for i := 0; i < len(u.places); i++ {
		k := int(u.places[i])
		was := r.wins[k]
		if k >= leaves {
			r.wins[k] = q.settleAt(p, r, k-leaves)
		} else {
			r.wins[k] = q.winner(p, r, r.wins[2*k], r.wins[2*k+1])
		}
		if k > 1 && (r.wins[k] != was || was != nobody && u.has[leaves+int(was)]) {
			u.add(k / 2)
		}
	}
	for _, k := range u.places {
		u.has[k] = false
	}
	u.places = u.places[:0]
}

// settleAt judges who has an index; it wins there, if it fits.
func (q *query) settleAt(p *pool, r *row, at int) int32 {
	if at >= len(p.nodes) || !p.dealer.seats[at].deals {
		return nobody
	}
	s := &p.dealer.seats[at]
	known := &r.judged[s.state&uint64(len(r.judged)-1)] // there are 1, 2, 4...
	if known.state != s.state {
		*known = judged{s.state, q.judgeState(p, p.nodes[at])}
	}
	c := &r.cells[at]
	if *c = known.cell; !c.fits {
		return nobody
	}
	c.yields = s.foreign
	if c.priced() && p.dealer.prices.whole.device > 0 {
		c.loss += p.dealer.prices.whole.counts(p.nodes[at])
	}
	return int32(at)
}

// winner is who of two may be better for the query.
func (q *query) winner(p *pool, r *row, a, b int32) int32 {
	if q.weighing == nil || a == nobody || b == nobody {
		return r.better(p, a, b)
	}
	m, n := p.nodes[a], p.nodes[b]
	x, y := q.hope(m, &r.cells[a]), q.hope(n, &r.cells[b])
	c := q.compare(&x, &y)
	return pick32(c < 0 || c == 0 && ringOrder(m, n), a, b)
}

// better is who of two loses less.
func (r *row) better(p *pool, a, b int32) int32 {
	switch {
	case a == nobody:
		return b
	case b == nobody:
		return a
	}
	x, y := &r.cells[a], &r.cells[b]
	switch {
	case x.rank != y.rank:
		return pick32(x.rank < y.rank, a, b)
	case x.yields != y.yields:
		return pick32(y.yields, a, b)
	case x.loss != y.loss:
		return pick32(x.loss < y.loss, a, b)
	case x.free != y.free:
		return pick32(x.free < y.free, a, b)
	case p.dealer.seats[a].position != p.dealer.seats[b].position:
		return pick32(p.dealer.seats[a].position < p.dealer.seats[b].position, a, b)
	}
	return pick32(p.nodes[a].worker.ID < p.nodes[b].worker.ID, a, b)
}

func pick32(first bool, a, b int32) int32 {
	if first {
		return a
	}
	return b
}

// deal returns the worker with devices that loses least, or nil.
func (q *query) deal(p *pool) (*node, score) {
	q.restart(search{selection: 1 << p.selectionOf(q), binpack: true, dealt: true})
	q.wish(Mix(q.hash))
	among := p.nodes
	if link := q.link(); link != "" {
		among = p.links[link]
	} else if r := p.dealer.row(q, len(p.nodes)); r != nil {
		q.settle(p, r)
		q.dealAhead(p, r)
		q.dealAt(p, r, 1)
		return q.best, q.top
	}
	for _, n := range among {
		if p.dealer.seats[n.at].deals && q.selection&n.own.selections != 0 {
			if c := q.judgeLoss(p, n); c.fits {
				q.dealTo(n, &c)
			}
		}
	}
	return q.best, q.top
}

// dealAhead looks at those who hold the image, before all others: see lookAhead.
func (q *query) dealAhead(p *pool, r *row) {
	for _, n := range q.image.holders {
		if r.wins[p.dealer.leaves()+n.at] != nobody && q.selection&n.own.selections != 0 {
			q.dealTo(n, &r.cells[n.at])
		}
	}
	q.cold, q.pulls = len(q.key.holders) > 0, len(q.image.holders) > 0
}

// dealAt looks for a better worker than the best so far, the best at a place first.
func (q *query) dealAt(p *pool, r *row, k int) {
	w := r.wins[k]
	if w == nobody || q.selection&p.dealer.takes[k] == 0 || !q.couldBe(p.nodes[w], &r.cells[w]) {
		return
	}
	if k >= p.dealer.leaves() {
		q.dealTo(p.nodes[w], &r.cells[w])
		return
	}
	first, second := 2*k, 2*k+1
	if r.wins[first] != w {
		first, second = second, first
	}
	q.dealAt(p, r, first)
	q.dealAt(p, r, second)
}

// couldBe says whether n could be better than the best so far.
func (q *query) couldBe(n *node, c *cell) bool {
	if q.best == nil {
		return true
	}
	hope := q.hope(n, c)
	k := q.compare(&hope, &q.top)
	return k < 0 || k == 0 && ringOrder(n, q.best)
}

// dealTo takes n for the best, if it fits and is.
func (q *query) dealTo(n *node, c *cell) {
	if !q.couldBe(n, c) {
		return
	}
	s, ok := q.judge(n)
	if !ok {
		return
	}
	s.loss, s.free = c.loss, int64(c.free)
	q.add(&s, n.own.load, len(n.devices))
	if q.best == nil || q.compare(&s, &q.top) < 0 || q.compare(&s, &q.top) == 0 && ringOrder(n, q.best) {
		q.best, q.top = n, s
	}
}
