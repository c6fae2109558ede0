package scheduler

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
)

// Diagnosis is what stands in the way of a candidate, for a person to read: it looks
// at all workers of the pool, at each with every filter.
type Diagnosis struct {
	Verdict berth.Verdict
	Nearest *berth.Miss // the worker that lacks the least of it; nil: it fits, or there is none
}

// Diagnose explains, and finds the worker that comes nearest to taking the candidate:
// of those that could take it, were they empty and open, before the others, the one
// with the fewest reasons against it, then the one with the smallest want; of those that
// could not, the one that lacks least of it in all goes before the one that has most free.
// What is against that is in the order of the filters; but where others keep the candidate off
// every worker that could take it, and the verdict says so, that is first: no room would do.
func (f *Fleet) Diagnose(c Candidate) Diagnosis { return f.DiagnoseBut(c, LeftOut{}) }

// LeftOut are workers that a diagnosis leaves out, for it is asked what is without them.
type LeftOut struct {
	Gone   map[berth.WorkerID]bool // as if they were not there
	Closed map[berth.WorkerID]bool // they take nothing, and none of them is the nearest
}

// DiagnoseBut is Diagnose without some workers.
func (f *Fleet) DiagnoseBut(c Candidate, out LeftOut) Diagnosis {
	q := f.ask(c)
	p := f.pools[c.Request.Pool]
	if p == nil {
		return Diagnosis{Verdict: f.explain(q)}
	}
	there := p.nodes
	if len(out.Gone) > 0 {
		there = slices.DeleteFunc(slices.Clone(p.nodes), func(n *node) bool { return out.Gone[n.worker.ID] })
	}
	if len(there) == 0 {
		return Diagnosis{Verdict: berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonNoWorker, Detail: string(c.Request.Pool)}}}}
	}
	d := Diagnosis{Verdict: q.explain(there)}
	if len(d.Verdict.Reasons) == 0 || malformed(&c.Request.Resources) {
		return d
	}
	var nearest *node
	var least lack
	for _, n := range there {
		if out.Closed[n.worker.ID] && !d.Verdict.NeverFits { // else none of them is told to take it
			continue
		}
		if l := q.lackOf(n); nearest == nil || l.less(&least) {
			nearest, least = n, l
		}
	}
	if nearest == nil {
		return d
	}
	d.Nearest, q.nearest = &berth.Miss{Worker: nearest.worker.ID, Could: least.could}, true
	q.eachRejection(nearest, func(f *filter) {
		as := nearest.unkept()
		for _, m := range f.each(q, as) {
			d.Nearest.Reasons = append(d.Nearest.Reasons, f.reason(&m, as))
		}
	})
	if f := q.unmetTerm(nearest); f != nil && least.could && q.apart(there) {
		d.tellFirst(f.reason(new(f.measure(q, nearest)), nearest))
	}
	return d
}

// tellFirst puts one of the reasons against the nearest worker before the others, if the verdict counts workers under it:
// where all that could take the candidate are closed, it counts none.
func (d *Diagnosis) tellFirst(r berth.Reason) {
	same := func(o berth.Reason) bool { return o.Code == r.Code && o.Detail == r.Detail }
	if !slices.ContainsFunc(d.Verdict.Reasons, same) {
		return
	}
	d.Nearest.Reasons = slices.Insert(slices.DeleteFunc(d.Nearest.Reasons, same), 0, r)
}

// lack is how far a worker is from taking a candidate.
type lack struct {
	could   bool // were it empty and open
	reasons int
	ever    fraction // of one that could not: the largest part of what is wanted that is not there in all
	most    fraction // the largest part of what is wanted that is not there
	id      berth.WorkerID
}

func (l *lack) less(o *lack) bool {
	switch {
	case l.could != o.could:
		return l.could
	case l.reasons != o.reasons:
		return l.reasons < o.reasons
	case l.ever.less(o.ever):
		return true
	case o.ever.less(l.ever):
		return false
	case l.most.less(o.most):
		return true
	case o.most.less(l.most):
		return false
	}
	return cmp.Less(l.id, o.id)
}

func (q *query) lackOf(n *node) lack {
	l := lack{could: q.couldTake(n), ever: fraction{0, 1}, most: fraction{0, 1}, id: n.worker.ID}
	q.eachRejection(n, func(f *filter) {
		for _, m := range f.each(q, n.unkept()) {
			l.reasons++
			if part := f.missing(m, m.best); l.most.less(part) {
				l.most = part
			}
			if part := f.missing(m, m.total); !l.could && !f.passing && l.ever.less(part) {
				l.ever = part
			}
		}
	})
	return l
}

// missing is the part of what a filter wants that a worker does not have, of which it has so much. A state
// ends by itself or by a word, and no label does; where room is kept, there is some.
func (f *filter) missing(m measure, has int64) fraction {
	if f.code == berth.ReasonKept {
		return fraction{0, 1}
	}
	for i := range stateFilters {
		if stateFilters[i].code == f.code {
			return fraction{0, 1}
		}
	}
	if m.want <= 0 {
		return fraction{1, 1}
	}
	return fraction{uint64(max(m.want-has, 0)), uint64(m.want)}
}

// eachRejection tells all filters that n does not pass, in their order.
func (q *query) eachRejection(n *node, tell func(*filter)) {
	any := false
	each := func(list []filter, as *node) {
		for i := range list {
			if f := &list[i]; !f.passes(q, as) {
				any = true
				tell(f)
			}
		}
	}
	each(stateFilters, n)
	as := n
	if n.kept != nil && !q.fitsBeside(n) {
		as = n.unkept()
		if seen := q.seen(n); !q.fitsBeside(seen) {
			each(q.filters[:1], seen)
		}
	}
	each(q.filters, as)
	if !any && !reservation.passes(q, as) {
		tell(&reservation)
	}
}
