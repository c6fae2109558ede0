package scheduler

import (
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// Candidate is a request to be placed.
type Candidate struct {
	Request  *berth.Request   // normalized and valid
	Priority int32            // the caller orders by it; it does not change the choice
	Avoid    []berth.WorkerID // where it failed to start, the latest last
	Own      bool             // for workers that are not foreign, however full: another only where none of them fits
	Again    bool             // Place, or of the first of a gang PlaceGang, was asked for it before: it counts once for what is usual
	Sample   bool             // the pool's shadow is asked, too, where it would go
	Patience int64            // for how many ms it waits yet: nobody makes room who may take longer; 0: for ever
}

// Decision is where a candidate goes, or why it goes nowhere.
type Decision struct {
	Worker  berth.WorkerID
	Share   berth.Share
	Verdict *berth.Verdict // nil when placed; its At is for the caller to set
}

// query is a candidate with what is computed of it once.
type query struct {
	request     *berth.Request
	pool        *pool    // nil: it has no worker
	keep        *keeping // in the pool, or nil
	ends        bool     // it may take all that is kept, for it ends before
	passes      bool     // it may take what is kept
	weighing    *weighing
	avoid       []berth.WorkerID
	own         bool
	want        vector
	hash        uint64
	constraints berth.Selector // the request's
	terms       []term         // the request's affinity, anti_affinity and spread
	custom      []amount
	numbers     []int32 // of ports, sorted
	anyPorts    int64
	filters     []filter             // the demandFilters that apply
	details     []string             // of the demands for devices: see demandDetail
	needs       []int                // those demands, in the order in which they are told: see byNeed
	sorted      []berth.DeviceDemand // by needs
	nearest     bool                 // the worker that is told of has been found: see maxNearestSteps
	jointly     int                  // steps that are left before that
	refused     []*node              // passed every filter but the reservation
	devices     deviceSearch
	evenly      bool // it is one of a gang whose devices are dealt so: see dealAgain
	search
}

type amount struct {
	name string
	want int64
}

// Place chooses a worker and reserves the share in the fleet, so that the next
// candidate sees it. Put overrides that, where the store disagrees.
func (f *Fleet) Place(c Candidate) Decision {
	q := f.ask(c)
	f.learn(q, c)
	for !malformed(&c.Request.Resources) {
		n, as := f.pick(q)
		if n == nil {
			break
		}
		ledger, share, err := q.reserve(as)
		if err != nil {
			q.refused = append(q.refused, n)
			continue
		}
		f.noteChoice(c, n)
		f.reserve(n, ledger)
		return Decision{Worker: n.worker.ID, Share: share}
	}
	v := f.explain(q)
	return Decision{Verdict: &v}
}

// learn adds a candidate to what its pool is asked for.
func (f *Fleet) learn(q *query, c Candidate) {
	d := &c.Request.Resources
	if len(d.Devices) == 0 || c.Again || q.pool == nil || malformed(d) {
		return
	}
	q.pool.dealer.ask(d)
	if s := f.shadows[c.Request.Pool]; s != nil {
		s.note(note{learned: d})
	}
	q.devices.prices = q.pool.dealer.prices
}

// Fits says whether worker w would take the candidate now, whether or not it
// would be the choice.
func (f *Fleet) Fits(c Candidate, w berth.WorkerID) bool { return f.fits(&c, w, (*query).seen) }

// FitsUnkept is Fits as if nothing of the worker were kept for a group.
func (f *Fleet) FitsUnkept(c Candidate, w berth.WorkerID) bool {
	return f.fits(&c, w, func(_ *query, n *node) *node { return n.unkept() })
}

func (f *Fleet) fits(c *Candidate, w berth.WorkerID, as func(*query, *node) *node) bool {
	n := f.nodes[w]
	if n == nil || n.worker.Pool != c.Request.Pool || !n.open || malformed(&c.Request.Resources) {
		return false
	}
	q := f.ask(*c)
	n = as(q, n)
	return q.fits(n) && reservation.passes(q, n)
}

// FitsAnywhere says whether some worker seems to take the candidate now: Place may find that none does.
func (f *Fleet) FitsAnywhere(c Candidate) bool {
	if malformed(&c.Request.Resources) {
		return false
	}
	n, _ := f.pick(f.ask(c))
	return n != nil
}

// ask prepares the fleet's query for a candidate.
func (f *Fleet) ask(c Candidate) *query {
	q := &f.query
	q.request, q.avoid, q.own, q.evenly = c.Request, c.Avoid, c.Own, false
	q.pool, q.weighing, q.devices.prices = f.pools[c.Request.Pool], nil, &f.plain
	if q.pool != nil {
		q.weighing, q.devices.prices = q.pool.weighing, q.pool.dealer.prices
	}
	d := &c.Request.Resources
	q.want = vectorOf(&d.Quantities)
	q.hash = Hash(c.Request.Key())
	q.constraints = q.constraints[:0].Add(c.Request.Constraints)
	q.custom, q.numbers, q.anyPorts = q.custom[:0], q.numbers[:0], 0
	for name, v := range d.Custom {
		if v != 0 {
			q.custom = append(q.custom, amount{name, v})
		}
	}
	slices.SortFunc(q.custom, func(a, b amount) int { return strings.Compare(a.name, b.name) })
	for _, p := range d.Ports {
		if p.Number == 0 {
			q.anyPorts++
			continue
		}
		q.numbers = append(q.numbers, p.Number)
	}
	slices.Sort(q.numbers)
	f.askTerms(q)
	f.askKept(q)
	q.filters, q.refused, q.details, q.needs, q.sorted, q.nearest = q.filters[:0], q.refused[:0], q.details[:0], q.needs[:0], q.sorted[:0], false
	q.jointly = maxNearestSteps
	for _, filter := range demandFilters {
		if filter.applies == nil || filter.applies(q) {
			filter.applies = nil
			q.filters = append(q.filters, filter)
		}
	}
	return q
}

// malformed says whether a demand is one that validation refuses. None fits
// anywhere; it is said here so that no filter needs to think of it.
func malformed(d *berth.Demand) bool {
	bad := d.CPUMilli < 0 || d.MemoryBytes < 0 || d.DiskBytes < 0
	for _, v := range d.Custom {
		bad = bad || v < 0
	}
	for i, p := range d.Ports {
		same := func(o berth.PortDemand) bool { return o.Number == p.Number }
		bad = bad || p.Number < 0 || (p.Number != 0 && slices.ContainsFunc(d.Ports[:i], same))
	}
	for _, v := range d.Devices {
		bad = bad || v.Count < 1 || v.Milli < 1 || v.Milli > berth.WholeDevice
	}
	return bad
}

// fits says whether an open worker passes every filter but the reservation.
func (q *query) fits(n *node) bool {
	for i := range q.filters {
		if !q.filters[i].passes(q, n) {
			return false
		}
	}
	return true
}

// reserve picks ports and devices on a worker that fits, and returns its ledger
// with them.
func (q *query) reserve(n *node) (berth.Ledger, berth.Share, error) {
	d := &q.request.Resources
	share := berth.Share{Quantities: d.Quantities, Ports: q.pickPorts(n), Devices: q.devices.take(n, d.Devices, q.evenly)}
	ledger, err := n.worker.Ledger.Reserve(share)
	return ledger, share, err
}

// reserve replaces the ledger of a worker, and counts a start that is probed for.
func (f *Fleet) reserve(n *node, ledger berth.Ledger) {
	p := f.pools[n.worker.Pool]
	p.changing(n)
	n.worker.Ledger = ledger
	if n.worker.Probing {
		n.worker.Starting++
		n.open = isOpen(n)
	}
	n.refresh()
	p.changed(n)
	f.notePut(n)
}

// choose returns the worker that takes the candidate, or nil. Workers without
// devices come before those with, and avoided ones after all others.
func (q *query) choose() *node {
	p := q.pool
	if p == nil {
		return nil
	}
	if len(q.request.Resources.Devices) > 0 {
		best, _ := q.withDevices(p)
		return best
	}
	best, s := q.find(p, &p.plain)
	if best != nil && s.avoided == 0 {
		return best
	}
	other, o := q.withDevices(p)
	if best == nil || (other != nil && o.avoided < s.avoided) {
		return other
	}
	return best
}

// withDevices is the best worker that has devices.
func (q *query) withDevices(p *pool) (*node, score) {
	if q.deals() {
		return q.deal(p)
	}
	return q.find(p, &p.devices)
}
