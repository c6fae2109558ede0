package scheduler

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
)

// A gang that fits into no domain is told of one: the one that comes nearest to having it. What is said
// of others would be true, and help nobody.

// nearTries bounds in how many domains members are placed to find which comes nearest: of
// very many that are alike, any is as good.
const nearTries = 16

// near is a domain that has too little room for a gang.
type near struct {
	site
	ever int  // so many of the members that must be placed would fit, were its workers empty
	fit  int  // so many fit now; before it is tried, so many at most
	lack lack // how far its best worker is from taking one more
}

// before says whether a comes nearer than o, as far as that is known before they are tried.
func (a *near) before(o *near) int {
	return cmp.Or(cmp.Compare(o.ever, a.ever), cmp.Compare(o.fit, a.fit), a.site.compare(o.site))
}

// nearest is the domain that comes nearest to having enough of a gang that none of them has: of those
// that could have most, were their workers empty, the one in which most fit now; of these, where the next
// member lacks least.
func (f *Fleet) nearest(g Gang, all []domain, fits, ever map[site]int) near {
	list := make([]near, len(all))
	for i, d := range all {
		list[i] = near{site: d.site, ever: min(ever[d.site], max(g.Need, 1)), fit: d.room}
		if fit, tried := fits[d.site]; tried {
			list[i].fit = fit
		}
	}
	slices.SortFunc(list, func(a, b near) int { return a.before(&b) })
	on := f.workersOf(g, list)
	best, tries := 0, 0
	for i := range list {
		n, b := &list[i], &list[best]
		if n.ever < b.ever || n.fit < b.fit || tries == nearTries {
			break
		}
		if n.fit > 0 {
			tries++
		}
		f.tryNear(g, n, on[n.site])
		if n.fit > b.fit || n.fit == b.fit && n.lack.less(&b.lack) {
			best = i
		}
	}
	return list[best]
}

// workersOf are the workers of each domain of a list that begins with those that could have most.
func (f *Fleet) workersOf(g Gang, list []near) map[site][]*node {
	on := make(map[site][]*node)
	for i := range list {
		if list[i].ever == list[0].ever {
			on[list[i].site] = nil
		}
	}
	for _, n := range f.pools[g.Members[0].Request.Pool].nodes {
		for _, link := range g.linksOf(n) {
			where := site{n.worker.Labels[g.Topology], link}
			if _, ok := on[where]; ok && g.isIn(n, where) {
				on[where] = append(on[where], n)
			}
		}
	}
	return on
}

// tryNear finds how many members fit into a domain, and what the next one lacks there.
func (f *Fleet) tryNear(g Gang, n *near, on []*node) {
	f.Undo(f.placeWithin(g, n.site, func(fit int, next Candidate) {
		n.fit = fit
		q := f.ask(next)
		for i, worker := range on {
			l := q.lackOf(worker)
			if l.id = ""; i == 0 || l.less(&n.lack) { // which of its workers that is says nothing
				n.lack = l
			}
		}
	}))
}

// isIn says whether a worker is of a site.
func (g *Gang) isIn(n *node, where site) bool {
	if value, ok := n.worker.Labels[g.Topology]; g.Topology != "" && (!ok || value != where.value) {
		return false
	}
	_, linked := slices.BinarySearch(n.linked, where.link)
	return !g.Linked || linked
}

// explainIn is why a site has no more room for a member: of other workers it tells only that they
// are elsewhere, or that they are not open.
func (f *Fleet) explainIn(g Gang, where site, c Candidate) berth.Verdict {
	q := f.ask(c)
	var in, out []*node
	for _, n := range q.pool.nodes {
		if g.isIn(n, where) {
			in = append(in, n)
		} else {
			out = append(out, n)
		}
	}
	v := q.explain(in)
	for _, n := range out {
		if why := rejects(stateFilters, q, n); why != nil && !v.NeverFits {
			v.Reasons = q.addReason(v.Reasons, why, new(why.measure(q, n)), n)
		}
	}
	sortReasons(v.Reasons)
	return addElsewhere(q, v, out, measure{detail: g.siteText(where)})
}

// addElsewhere puts behind a verdict's reasons those workers which are open and in no place in question.
func addElsewhere(q *query, v berth.Verdict, out []*node, m measure) berth.Verdict {
	var rest []berth.Reason
	for _, n := range out {
		if n.open || v.NeverFits {
			rest = q.addReason(rest, &elsewhere, &m, n)
		}
	}
	v.Reasons = append(v.Reasons, rest...)
	return v
}

// explainNowhere is why a gang has no domain at all: no worker has the label, or devices that are linked.
func (f *Fleet) explainNowhere(g Gang) berth.Verdict {
	q := f.ask(g.anywhere())
	if q.pool == nil || malformed(&q.request.Resources) {
		return f.explain(q)
	}
	var in, out []*node
	for _, n := range q.pool.nodes {
		if _, ok := n.worker.Labels[g.Topology]; g.Topology == "" || ok {
			in = append(in, n)
		} else {
			out = append(out, n)
		}
	}
	v := q.explain(in)
	v.NeverFits = true
	return addElsewhere(q, v, out, measure{code: berth.ReasonTopology, detail: g.Topology, total: int64(len(in))})
}

// elsewhere is no filter: it is said of workers that are not where a gang's members are to be.
var elsewhere = filter{code: berth.ReasonElsewhere}

// siteText is a domain in words: rack b.
func (g *Gang) siteText(where site) string {
	switch {
	case !g.Linked:
		return g.Topology + " " + where.value
	case g.Topology == "":
		return "link domain " + where.link
	}
	return g.Topology + " " + where.value + " and link domain " + where.link
}
