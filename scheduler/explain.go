package scheduler

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
)

// Explain says why no worker takes the candidate now: for each worker of its pool
// the first filter that rejects it. The verdict on one that fits has no reasons.
func (f *Fleet) Explain(c Candidate) berth.Verdict { return f.explain(f.ask(c)) }

func (f *Fleet) explain(q *query) berth.Verdict {
	if v := f.NoWorker(q.request.Pool); v != nil {
		return *v
	}
	return q.explainPool()
}

// NoWorker is why a pool that has no worker takes nothing; nil: it has one.
func (f *Fleet) NoWorker(pool berth.PoolID) *berth.Verdict {
	if f.pools[pool] != nil {
		return nil
	}
	return &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonNoWorker, Detail: string(pool), Pools: f.poolNames()}}}
}

// telling is a verdict in the making.
type telling struct {
	berth.Verdict
	broken  bool // the request is malformed
	apart   bool // see query.apart
	plain   bool // what open workers have too little of is all that is told of them, if anything is
	fits    bool // somebody takes it
	tallies [len(whys)]tally
}

// explain says so of some workers of the pool.
func (q *query) explain(nodes []*node) berth.Verdict {
	t := q.telling(nodes)
	for _, n := range nodes { // in any order: what is told of them does not depend on it
		q.tell(&t, n)
	}
	return q.verdict(&t, nodes)
}

// telling begins with what is told of all workers.
func (q *query) telling(nodes []*node) (t telling) {
	t.broken = malformed(&q.request.Resources)
	t.apart = !t.broken && q.apart(nodes)
	t.plain = !t.broken && !t.apart && q.keep == nil && q.request.JoinsAt() < 0
	t.NeverFits = t.broken || !slices.ContainsFunc(nodes, q.couldTake)
	return t
}

// tell adds what is told of one worker.
func (q *query) tell(t *telling, n *node) {
	if r := q.shortOf(n); t.plain && r >= 0 {
		t.tallies[r].add(n, &measure{want: q.want[r], best: n.own.free[r], total: n.capacity[r]})
		return
	}
	why := q.rejectedBy(n, t.broken)
	t.fits = t.fits || why == nil
	if t.apart && n.open && q.couldTake(n) {
		why = q.unmetTerm(n) // more room there would be of no use
	}
	if n.open && q.isElsewhere(n) {
		why = &notJoined // nor would it be there
	}
	if why != nil {
		as := n.unkept()
		m := why.measure(q, as)
		t.Reasons = q.addReason(t.Reasons, why, &m, as)
	}
}

// verdict ends it.
func (q *query) verdict(t *telling, nodes []*node) berth.Verdict {
	if t.fits {
		return berth.Verdict{}
	}
	for i := range t.tallies {
		if t.tallies[i].workers > 0 {
			t.Reasons = t.tallies[i].join(t.Reasons, whys[i])
		}
	}
	if t.NeverFits && !t.broken {
		t.Reasons = q.neverReasons(nodes)
	}
	sortReasons(t.Reasons)
	return t.Verdict
}

// shortOf is the first amount of which an open worker, with nothing kept of it, has too little free, or -1.
func (q *query) shortOf(n *node) int {
	if !n.open || n.kept != nil {
		return -1
	}
	for r := range amounts {
		if q.want[r] > n.own.free[r] {
			return r
		}
	}
	return -1
}

func sortReasons(reasons []berth.Reason) {
	slices.SortFunc(reasons, func(a, b berth.Reason) int {
		return cmp.Or(cmp.Compare(b.Workers, a.Workers), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
	})
}

// rejectedBy returns the first filter that n does not pass, or nil.
func (q *query) rejectedBy(n *node, broken bool) *filter {
	if !n.open {
		if f := rejects(stateFilters, q, n); f != nil {
			return f
		}
	}
	if broken {
		return &reservation
	}
	if n.kept != nil && !q.fitsBeside(n) { // by what is kept, or by what else there is
		seen, bare := q.seen(n), n.unkept()
		if !q.fitsBeside(seen) && q.fitsBeside(bare) {
			return &q.filters[0]
		}
		n = bare
	}
	if f := rejects(q.filters, q, n); f != nil {
		return f
	}
	if !reservation.passes(q, n) {
		return &reservation
	}
	return nil
}

// apart says whether where others are keeps the candidate off each worker that could take it, whatever ends there.
func (q *query) apart(nodes []*node) bool {
	if !slices.ContainsFunc(q.terms, func(t term) bool { return t.weight == 0 }) {
		return false
	}
	return !slices.ContainsFunc(nodes, func(n *node) bool { return q.unmetTerm(n) == nil && q.couldTake(n) })
}

// isElsewhere says whether n is not where the others are of the group that the candidate follows.
func (q *query) isElsewhere(n *node) bool {
	at := q.request.JoinsAt()
	return at >= 0 && !q.constraints[at].Allows(n.worker.Labels)
}

// notJoined tells that.
var notJoined = filter{code: berth.ReasonElsewhere, why: func(q *query, _ *node) measure { return measure{detail: q.joinedText()} }}

// joinedText is where the others of its group are.
func (q *query) joinedText() string {
	c := &q.request.Constraints[q.request.JoinsAt()]
	return c.Label + " " + c.Values[0]
}

// unmetTerm is the first filter on where others are that n does not pass, or nil.
func (q *query) unmetTerm(n *node) *filter {
	if len(q.terms) == 0 {
		return nil
	}
	for i := range q.filters {
		f := &q.filters[i]
		switch f.code {
		case berth.ReasonAffinity, berth.ReasonAntiAffinity, berth.ReasonSpread:
			if !f.passes(q, n) {
				return f
			}
		}
	}
	return nil
}

// couldTake says whether n would take the candidate, were it empty, healthy and open.
func (q *query) couldTake(n *node) bool {
	return q.fitsEmpty(n.emptied())
}

// fitsEmpty says whether an empty worker has all that a query asks for, whoever is elsewhere.
func (q *query) fitsEmpty(empty *node) bool {
	for i := range q.filters {
		if f := &q.filters[i]; !f.passing && !f.passes(q, empty) {
			return false
		}
	}
	return true
}

// neverReasons is why no worker could take the candidate, were it empty: what is short now
// as well would be told in vain.
func (q *query) neverReasons(nodes []*node) (reasons []berth.Reason) {
	for _, n := range nodes {
		empty := n.emptied()
		f := q.neverPasses(empty)
		m := f.measure(q, empty)
		if now := f.measure(q, n); now.code == m.code && now.detail == m.detail {
			m.best = min(m.best, now.best)
		}
		reasons = q.addReason(reasons, f, &m, n)
	}
	return reasons
}

// neverPasses is the filter that counts most of those which an empty worker does not pass.
// Of what it has none of, devices above all, no larger one of its kind would have some.
func (q *query) neverPasses(empty *node) *filter {
	amount := (*filter)(nil)
	for i := len(q.filters) - 1; i >= 0; i-- {
		f := &q.filters[i]
		if f.passing || f.passes(q, empty) {
			continue
		}
		switch f.code {
		case berth.ReasonCPU, berth.ReasonMemory, berth.ReasonDisk:
			amount = f
		default:
			return f
		}
	}
	return amount
}

// addReason joins what f says of n to what was said of other workers, whatever their
// order: the largest of each number; of taints, how many could be taken back.
func (q *query) addReason(reasons []berth.Reason, f *filter, m *measure, n *node) []berth.Reason {
	code := f.codeOf(m)
	for i := range reasons {
		have := &reasons[i]
		if have.Code == code && have.Detail == m.detail {
			have.Workers++
			have.Some = addName(have.Some, n.worker.ID)
			total := max(have.Total, m.total)
			if have.Code == berth.ReasonTaint {
				total = have.Total + m.total
			}
			have.Want, have.Best, have.Total = max(have.Want, m.want), max(have.Best, m.best), total
			return reasons
		}
	}
	return append(reasons, f.reason(m, n))
}

func (f *filter) measure(q *query, n *node) measure {
	if f.why == nil {
		return measure{}
	}
	return f.why(q, n)
}

// each is all that it says of n.
func (f *filter) each(q *query, n *node) []measure {
	if f.all == nil {
		return []measure{f.measure(q, n)}
	}
	return f.all(q, n)
}

func (f *filter) codeOf(m *measure) berth.ReasonCode { return cmp.Or(m.code, f.code) }

// reason is what f says of n alone.
func (f *filter) reason(m *measure, n *node) berth.Reason {
	return berth.Reason{
		Code: f.codeOf(m), Detail: m.detail, Workers: 1, Some: []berth.WorkerID{n.worker.ID}, Want: m.want, Best: m.best, Total: m.total,
	}
}

// someNames is how many workers a reason names.
const someNames = 3

// somePools is how many pools a reason names.
const somePools = 10

// poolNames are the first few pools that have workers, by id.
func (f *Fleet) poolNames() (names []berth.PoolID) {
	for p := range f.pools {
		names = addFirst(names, p, somePools)
	}
	return names
}

// addName keeps the first few names, in order.
func addName(names []berth.WorkerID, name berth.WorkerID) []berth.WorkerID {
	return addFirst(names, name, someNames)
}

func addFirst[T cmp.Ordered](names []T, name T, most int) []T {
	if len(names) == most && name > names[most-1] {
		return names
	}
	at, _ := slices.BinarySearch(names, name)
	names = slices.Insert(names, at, name)
	return names[:min(len(names), most)]
}
