package scheduler

import (
	"maps"

	"github.com/berthd/berth"
)

// What requests are near to each other is told by counts: of each worker, how many
// requests with a label of a value are on it; and of each label that somebody asks
// about, how many in each domain of a topology. Requests without labels leave none.
// A change costs what its labels are, not what there is.

// maxRelations bounds how many a pool keeps. What is asked for beyond that is
// counted anew, from all workers with labelled requests.
const maxRelations = 1024

// relationKey is requests with a label, as they are in the domains of a topology.
type relationKey struct {
	topology string
	label    berth.RequestLabel
}

type relation struct {
	counts  map[string]int64 // by domain; none is 0
	total   int64            // in all domains
	used    uint64
	stamp   uint64           // of the last change: see Counts
	before  uint64           // of the one before it
	last    string           // the domain of the last one
	fewest  *int64           // in one of the domains of a spread, where the fleet has not got all of them: see SetBeside
	claimed map[string]int64 // by domain: see Claim; none is 0
}

func (r *relation) add(domain string, by int64) {
	r.total += by
	if r.counts[domain] += by; r.counts[domain] == 0 {
		delete(r.counts, domain)
	}
}

func (r *relation) change(domain string, by int64, stamp uint64) {
	r.add(domain, by)
	r.before, r.last, r.stamp = r.stamp, domain, stamp
}

// relations are those of one pool.
type relations struct {
	kept  map[relationKey]*relation
	of    map[berth.RequestLabel][]relationKey // those of kept with this label
	clock uint64
}

// holding is the labelled requests on one worker. It outlasts the worker's
// registration: what may still run on one that is lost is where it was.
type holding struct {
	id      berth.WorkerID
	pool    berth.PoolID
	labels  map[string]string
	counts  map[berth.RequestLabel]int64
	claimed map[berth.RequestLabel]int64 // see Claim
}

// domainOf is the domain of a topology that a worker is in; not ok: it is in none.
func domainOf(topology string, id berth.WorkerID, labels map[string]string) (string, bool) {
	if topology == berth.TopologyHost {
		return string(id), true
	}
	d, ok := labels[topology]
	return d, ok
}

// Count notes that a request with these labels has come to a worker, 1, or has
// left it, -1. Place does not: what it proposes may not come to pass.
func (f *Fleet) Count(w berth.WorkerID, labels map[string]string, by int64) {
	if len(labels) == 0 {
		return
	}
	h := f.holdingOf(w)
	for label, value := range labels {
		l := berth.RequestLabel{Label: label, Value: value}
		if h.counts[l] += by; h.counts[l] == 0 {
			delete(h.counts, l)
		}
		f.relate(h, l, by)
	}
	f.noteCount(h, labels, by)
	f.dropEmpty(h)
}

func (f *Fleet) holdingOf(w berth.WorkerID) *holding {
	h := f.holdings[w]
	if h == nil {
		h = &holding{id: w, counts: make(map[berth.RequestLabel]int64), claimed: make(map[berth.RequestLabel]int64)}
		if n := f.nodes[w]; n != nil {
			h.pool, h.labels = n.worker.Pool, n.worker.Labels
		}
		f.holdings[w] = h
	}
	return h
}

// dropEmpty forgets what is nowhere.
func (f *Fleet) dropEmpty(h *holding) {
	if len(h.counts)+len(h.claimed) == 0 && f.nodes[h.id] == nil {
		delete(f.holdings, h.id)
	}
}

// relate brings the relations of a label in line.
func (f *Fleet) relate(h *holding, l berth.RequestLabel, by int64) {
	f.eachRelation(h, l, func(r *relation, domain string) {
		f.stamps++
		r.change(domain, by, f.stamps)
	})
}

// eachRelation goes through those of a label, with the domain that a worker is in.
func (f *Fleet) eachRelation(h *holding, l berth.RequestLabel, do func(*relation, string)) {
	rs := f.relations[h.pool]
	if rs == nil {
		return
	}
	for _, key := range rs.of[l] {
		if d, ok := domainOf(key.topology, h.id, h.labels); ok {
			do(rs.kept[key], d)
		}
	}
}

// settle notes where a worker is: its requests are counted there from now on.
func (f *Fleet) settle(w *Worker) {
	h := f.holdings[w.ID]
	if h == nil || h.pool == w.Pool && maps.Equal(h.labels, w.Labels) {
		return
	}
	for l, n := range h.counts {
		f.relate(h, l, -n)
	}
	for l, n := range h.claimed {
		f.relateClaim(h, l, -n)
	}
	if h.pool != w.Pool {
		f.noteMoved(h.pool, w.Pool)
	}
	h.pool, h.labels = w.Pool, w.Labels
	for l, n := range h.counts {
		f.relate(h, l, n)
	}
	for l, n := range h.claimed {
		f.relateClaim(h, l, n)
	}
}

// relationOf is how the requests with a label are in a pool's domains.
func (f *Fleet) relationOf(pool berth.PoolID, key relationKey) *relation {
	rs := f.relations[pool]
	if rs == nil {
		rs = &relations{kept: make(map[relationKey]*relation), of: make(map[berth.RequestLabel][]relationKey)}
		f.relations[pool] = rs
	}
	rs.clock++
	r := rs.kept[key]
	if r == nil {
		if len(rs.kept) >= maxRelations {
			rs.dropOldest()
		}
		r = f.countAll(pool, key)
		rs.kept[key] = r
		rs.of[key.label] = append(rs.of[key.label], key)
	}
	r.used = rs.clock
	return r
}

// Counts is how many requests with a label are in the domains of a topology of a pool. Counts
// of the same pool, label and topology are equal when their stamps are, and differ in the
// domain Last alone where one's stamp is Before.
type Counts struct {
	Of     map[string]int64 // by domain, none of 0; to be read only, and only until the fleet changes
	Stamp  uint64
	Before uint64
	Last   string
}

// Counts is what a decision that is made now looks at.
func (f *Fleet) Counts(pool berth.PoolID, l berth.RequestLabel, topology string) Counts {
	r := f.relationOf(pool, relationKey{topology, l})
	return Counts{Of: r.counts, Stamp: r.stamp, Before: r.before, Last: r.last}
}

// SetCounts has decisions look at these counts, which the fleet keeps: of a fleet in which a
// decision is made again, and that knows nothing else of who is where.
func (f *Fleet) SetCounts(pool berth.PoolID, l berth.RequestLabel, topology string, counts map[string]int64) {
	r := f.relationOf(pool, relationKey{topology, l})
	f.stamps++
	*r = relation{counts: counts, used: r.used, stamp: f.stamps}
	for _, n := range counts {
		r.total += n
	}
}

func (f *Fleet) countAll(pool berth.PoolID, key relationKey) *relation {
	f.stamps++
	r := &relation{counts: make(map[string]int64), stamp: f.stamps}
	for _, h := range f.holdings {
		n, claimed := h.counts[key.label], h.claimed[key.label]
		if n == 0 && claimed == 0 || h.pool != pool {
			continue
		}
		if d, ok := domainOf(key.topology, h.id, h.labels); ok {
			r.add(d, n)
			if claimed != 0 {
				r.claim(d, claimed)
			}
		}
	}
	return r
}

func (rs *relations) dropOldest() {
	var oldest relationKey
	used := rs.clock + 1
	for key, r := range rs.kept {
		if r.used < used {
			oldest, used = key, r.used
		}
	}
	delete(rs.kept, oldest)
	left := rs.of[oldest.label][:0]
	for _, key := range rs.of[oldest.label] {
		if key != oldest {
			left = append(left, key)
		}
	}
	if rs.of[oldest.label] = left; len(left) == 0 {
		delete(rs.of, oldest.label)
	}
}
