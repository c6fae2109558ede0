package scheduler

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
)

// tellApart says of a gang that never fits that its members keep apart over a topology of which too few
// domains could have one, whatever else keeps the next one off the workers now: of the anti_affinity Want
// must be placed, and each in a domain of its own, Best have none yet, and Total could have one.
func (f *Fleet) tellApart(g Gang, v *berth.Verdict) {
	q := f.ask(g.Members[0])
	if q.pool == nil || malformed(&q.request.Resources) {
		return
	}
	on, need := f.bySite(&g), int64(max(g.Need, 1))
	var why *berth.Reason // of several the one with the fewest domains, then the first in words: see Shape
	for i := range q.terms {
		t := &q.terms[i]
		if t.weight > 0 || t.relation == nil || t.self == 0 || t.code != berth.ReasonAntiAffinity {
			continue
		}
		free, all := int64(0), int64(0)
		for _, nodes := range on {
			empty, could := q.domainsFor(t, nodes)
			free, all = max(free, empty), max(all, could)
		}
		r := berth.Reason{Code: t.code, Detail: t.String(), Want: need, Best: free, Total: all}
		if all < need && (why == nil || cmp.Or(cmp.Compare(all, why.Total), cmp.Compare(r.Detail, why.Detail)) < 0) {
			why = &r
		}
	}
	if why != nil {
		tellDomains(v, *why)
	}
}

// domainsFor counts the domains of a term's topology in which a worker could take the candidate, and those
// of them that have none of its requests. Who is in no domain is apart from all.
func (q *query) domainsFor(t *term, nodes []*node) (free, all int64) {
	seen := make(map[string]bool)
	for _, n := range nodes {
		d, ok := t.domainOf(n)
		if ok && seen[d] || !q.couldTake(n) {
			continue
		}
		if all++; !ok || t.counts[d] == 0 {
			free++
		}
		if ok {
			seen[d] = true
		}
	}
	return free, all
}

// tellDomains puts a reason behind how many members fit, and what a link domain lacks, with the workers that
// it has been told of already.
func tellDomains(v *berth.Verdict, why berth.Reason) {
	same := func(r berth.Reason) bool { return r.Code == why.Code && r.Detail == why.Detail }
	if i := slices.IndexFunc(v.Reasons, same); i > 0 {
		why.Workers, why.Some = v.Reasons[i].Workers, v.Reasons[i].Some
		v.Reasons = slices.Delete(v.Reasons, i, i+1)
	}
	at := 1
	if len(v.Reasons) > 1 && v.Reasons[1].Code == berth.ReasonLink {
		at = 2
	}
	v.Reasons = slices.Insert(v.Reasons, at, why)
}
