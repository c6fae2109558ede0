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
	ever  int  // so many of the members that must be placed would fit, were its workers empty; before that is known, so many at most
	known bool // that is
	fit   int  // so many fit now; before it is tried, so many at most
	lack  lack // how far its best worker is from taking one more
}

// before says whether a comes nearer than o, as far as that is known before they are tried.
func (a *near) before(o *near) int {
	return cmp.Or(cmp.Compare(o.ever, a.ever), cmp.Compare(o.fit, a.fit), a.site.compare(o.site))
}

// nearest is the domain that comes nearest to having enough of a gang that none of them has: of those
// that could have most, were their workers empty, the one in which most fit now; of these, where the next
// member lacks least.
//
// Where members look at each other, what one could have is searched for, as far as maxSeatSteps in all go: of those only
// that may come before all others.
func (f *Fleet) nearest(g Gang, all []domain, fits, ever map[site]int) near {
	list, on := make([]near, len(all)), f.bySite(&g)
	for i, d := range all {
		list[i] = near{site: d.site, ever: min(ever[d.site], max(g.Need, 1)), known: !g.Members[0].Request.Related(), fit: d.room}
		if fit, tried := fits[d.site]; tried {
			list[i].fit = fit
		}
	}
	slices.SortFunc(list, func(a, b near) int { return a.before(&b) })
	best, tries, steps := 0, 0, maxSeatSteps
	for i := 0; i < len(list); {
		n, b := &list[i], &list[best]
		if n.ever < b.ever || n.fit < b.fit || tries == nearTries {
			break
		}
		if !n.known && steps >= 0 {
			steps = f.couldHave(&g, n, on[n.site], steps)
			sink(list[i:])
			continue
		}
		if n.fit > 0 {
			tries++
		}
		f.tryNear(g, n, on[n.site])
		if n.fit > b.fit || n.fit == b.fit && n.lack.less(&b.lack) {
			best = i
		}
		i++
	}
	return list[best]
}

// couldHave finds how many members a domain could have, by how they look at each other, in so many steps; some are left, or
// it is not known.
func (f *Fleet) couldHave(g *Gang, n *near, on []*node, steps int) (left int) {
	s := f.seatsOf(g.within(n.site), on, byThemselves)
	s.size, s.steps = min(s.size, max(g.Need, 1)), steps
	if seats := s.run(); s.steps >= 0 {
		n.ever, n.known = min(n.ever, len(seats)), true
	}
	return s.steps
}

// sink puts the first of a list, of which less is left than was said, where it belongs.
func sink(list []near) {
	first, rest := list[0], list[1:]
	at, _ := slices.BinarySearchFunc(rest, first, func(a, b near) int { return a.before(&b) })
	copy(list, rest[:at])
	list[at] = first
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
