package scheduler

import (
	"math"
	"slices"

	"github.com/berthd/berth"
)

// Where devices are, a request without an affinity key goes where the worth of what
// stays free shrinks least (see prices), and what groups need stays whole (see whole). Of workers that lose the same it takes the one
// with the least room on its devices, so that whole machines stay whole; then the first
// on the ring.
//
// What a worker loses depends on the request's shape and on the worker alone, so each
// shape keeps the losses in a row, in a tree (see deal); and after a placement one
// worker's is made anew, when the shape is asked for next.

// Bounds of the rows of a pool.
const (
	maxRows  = 256
	maxCells = 1 << 20 // in all rows
)

// rowKey is what losses depend on, of a request.
type rowKey struct {
	want         vector
	count, milli int64
	memory       int64 // of each device
	linked       bool
	types        string
	anyOrder     bool // of these
}

// seat is what a search needs of a worker before it looks at the worker itself: beside
// each other, for ten thousand of them lie all over the memory.
type seat struct {
	position uint64
	version  uint64
	state    uint64 // its number
	deals    bool   // open, with devices
	foreign  bool
	plain    bool // open, with no taint that keeps off and nothing kept of it: see lacking
}

// dealer deals the workers with devices of a pool to requests.
type dealer struct {
	mix     mix
	prices  *prices
	types   map[string]int // numbers of types of devices
	has     []int64        // devices of each, of all workers
	devices int64          // of all types
	rows    map[rowKey]*row
	clock   uint64 // of the uses of rows, and of workers' changes
	room    room
	states  states
	seats   []seat   // by the worker's index
	takes   []uint64 // by place in a row's tree: the selections that take in who deals there
	changes changes
	queue   queue
}

func newDealer() dealer {
	return dealer{mix: newMix(), prices: noPrices(), types: make(map[string]int), rows: make(map[rowKey]*row), states: newStates()}
}

// number gives the types of n's devices their numbers.
func (d *dealer) number(n *node) {
	n.types = n.types[:0]
	for i := range n.devices {
		n.types = append(n.types, d.typeOf(n.kinds[n.devices[i].kind]))
	}
}

// typeOf is the number of a type of devices; a new one gets the next.
func (d *dealer) typeOf(name string) int {
	t, ok := d.types[name]
	if !ok {
		t = len(d.types)
		d.types[name] = t
		d.has = append(d.has, 0)
	}
	return t
}

// kinds are the types of which there are devices, sorted.
func (d *dealer) kinds() []string {
	out := make([]string, 0, len(d.types))
	for name, t := range d.types {
		if d.has[t] > 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// add counts the devices of a worker, or takes them out of the count.
func (d *dealer) add(n *node, sign int64) {
	for _, t := range n.types {
		d.has[t] += sign
		d.devices += sign
	}
}

// touch says that n has changed.
func (d *dealer) touch(n *node) {
	d.clock++
	n.version = d.clock
	for n.at >= len(d.seats) {
		d.seats = append(d.seats, seat{})
	}
	s := seat{position: n.position, version: n.version, plain: n.open && n.kept == nil && len(n.repels) == 0}
	if n.open && len(n.devices) > 0 {
		s.deals, s.foreign, s.state = true, n.worker.Foreign, d.states.of(n, len(d.seats))
	}
	d.sit(n.at, s, n.own.selections)
}

// sit puts what a search needs to the worker with that index.
func (d *dealer) sit(at int, s seat, selections uint64) {
	if s.deals || d.seats[at].deals {
		d.changes.add(at, 2*len(d.seats))
	}
	d.seats[at] = s
	if !s.deals {
		selections = 0
	}
	d.take(at, selections)
}

// moved says that the last worker has got the index of one that leaves.
func (d *dealer) moved(last *node) {
	end := len(d.seats) - 1
	if last.at < end {
		d.sit(last.at, d.seats[end], last.own.selections)
	}
	d.sit(end, seat{}, 0)
	d.seats = d.seats[:end]
}

// ask remembers a request, and prices anew when enough has been asked for, or the
// workers are others than before.
func (d *dealer) ask(demand *berth.Demand) {
	d.mix.ask(demand)
	if d.due() {
		d.prices = newPrices(&d.mix, d.types, d.has)
	}
}

// due says whether prices are to be made anew.
func (d *dealer) due() bool {
	grown := d.devices - d.prices.devices
	return d.mix.due(d.prices.since) || d.prices.since > 0 && max(grown, -grown)*8 > d.prices.devices
}

// rowKey is what the query's row is known by; false: its shape has none.
func (q *query) rowKey() (key rowKey, ok bool) {
	key.want = q.want
	switch demands := q.request.Resources.Devices; len(demands) {
	case 0:
		return key, true
	case 1:
		d := &demands[0]
		key.count, key.milli, key.types = d.Count, d.Milli, joinTypes(d.Types)
		key.memory, key.linked, key.anyOrder = d.MemoryBytes, d.Linked, d.AnyOrder
		return key, d.Link == ""
	}
	return key, false
}

// row is the row of a query; nil: its shape has none.
func (d *dealer) row(q *query, workers int) *row {
	key, ok := q.rowKey()
	if !ok {
		return nil
	}
	r := d.rows[key]
	if r == nil {
		if len(d.rows) >= max(min(maxRows, maxCells/max(workers, 1)), 1) {
			d.dropRow()
		}
		r = &row{}
		d.rows[key] = r
	}
	d.clock++
	r.used = d.clock
	return r
}

func (d *dealer) dropRow() {
	var oldest rowKey
	least := uint64(math.MaxUint64)
	for k, r := range d.rows {
		if r.used < least { // no two are used at once
			oldest, least = k, r.used
		}
	}
	delete(d.rows, oldest)
}

// judgeLoss is what n would lose to a query.
func (q *query) judgeLoss(p *pool, n *node) cell {
	c := q.judgeState(p, n)
	c.yields = n.worker.Foreign && q.request.AffinityKey == ""
	if c.priced() {
		c.loss += p.dealer.prices.whole.counts(n)
	}
	return c
}

// judgeState is what n would lose by its state, whoever it is: of two that are in one
// state it is the same.
func (q *query) judgeState(p *pool, n *node) cell {
	d := &p.dealer
	c := cell{free: int32(n.idle), fits: q.hasRoom(&n.own)}
	demands := q.request.Resources.Devices
	if c.fits && len(demands) > 0 {
		rank, ok := q.devices.search(n, demands)
		c.rank, c.fits = int16(rank), ok
	}
	if !c.priced() {
		return c
	}
	before := n.worthBy(d.prices, &d.room)
	d.room.cpu -= float64(q.want[cpu])
	d.room.memory -= float64(q.want[memory] >> 20)
	if len(demands) > 0 {
		for _, pick := range q.devices.picked {
			d.prices.cut(&d.room, pick)
		}
	}
	c.loss = lossOf(before, d.prices.worth(&d.room))
	return c
}

// worthBy is the worth of n's room, which is reckoned once for each change of it. r is
// that room then.
func (n *node) worthBy(v *prices, r *room) float64 {
	r.of(n)
	if n.worthVersion != n.version || n.worthPrices != v {
		n.parts = v.partsOf(r, n.parts)
		r.parts = append(r.parts[:0], n.parts...)
		n.worth, n.worthVersion, n.worthPrices = v.worth(r), n.version, v
		return n.worth
	}
	r.parts = append(r.parts[:0], n.parts...)
	return n.worth
}

// deals says whether a query for workers with devices goes by what they lose. One with an
// affinity key goes where that leads, and its devices alone are chosen so; in a link
// domain there are few workers to choose from, and a key leads to none of them.
func (q *query) deals() bool { return q.request.AffinityKey == "" || q.link() != "" }
