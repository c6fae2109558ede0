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
	p := f.pools[q.request.Pool]
	if p == nil {
		return berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonNoWorker, Detail: string(q.request.Pool)}}}
	}
	broken := malformed(&q.request.Resources)
	v := berth.Verdict{NeverFits: true}
	fits := false
	for _, n := range p.nodes { // in any order: what is told of them does not depend on it
		why := q.rejectedBy(n, broken)
		fits = fits || why == nil
		v.NeverFits = v.NeverFits && (broken || !q.couldTake(n))
		if why != nil {
			v.Reasons = addReason(v.Reasons, reasonOf(why, q, n))
		}
	}
	if fits {
		return berth.Verdict{}
	}
	slices.SortFunc(v.Reasons, func(a, b berth.Reason) int {
		return cmp.Or(cmp.Compare(b.Workers, a.Workers), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
	})
	return v
}

// rejectedBy returns the first filter that n does not pass, or nil.
func (q *query) rejectedBy(n *node, broken bool) *filter {
	if f := rejects(stateFilters, q, n); f != nil {
		return f
	}
	if broken {
		return &reservation
	}
	if f := rejects(q.filters, q, n); f != nil {
		return f
	}
	if !reservation.passes(q, n) {
		return &reservation
	}
	return nil
}

// couldTake says whether n would take the candidate, were it empty, healthy and open.
func (q *query) couldTake(n *node) bool {
	return q.fits(n.emptied())
}

func reasonOf(f *filter, q *query, n *node) berth.Reason {
	var m measure
	if f.why != nil {
		m = f.why(q, n)
	}
	return berth.Reason{
		Code: f.code, Detail: m.detail, Workers: 1, Some: []berth.WorkerID{n.worker.ID}, Want: m.want, Best: m.best, Total: m.total,
	}
}

// addReason joins what was said of several workers, whatever their order: the
// largest of each number.
func addReason(reasons []berth.Reason, r berth.Reason) []berth.Reason {
	for i := range reasons {
		have := &reasons[i]
		if have.Code == r.Code && have.Detail == r.Detail {
			have.Workers++
			have.Some = addName(have.Some, r.Some[0])
			have.Want, have.Best, have.Total = max(have.Want, r.Want), max(have.Best, r.Best), max(have.Total, r.Total)
			return reasons
		}
	}
	return append(reasons, r)
}

// someNames is how many workers a reason names.
const someNames = 3

// addName keeps the first few names, in order.
func addName(names []berth.WorkerID, name berth.WorkerID) []berth.WorkerID {
	at, _ := slices.BinarySearch(names, name)
	if at == someNames {
		return names
	}
	names = slices.Insert(names, at, name)
	return names[:min(len(names), someNames)]
}
