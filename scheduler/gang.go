package scheduler

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
)

// Gang is requests that are placed together: equal but for their ids and what each
// avoids.
type Gang struct {
	Members  []Candidate // at least one
	Need     int         // fewer are not placed at all
	Topology string      // the label of which all their workers have one value; empty: any workers
	Linked   bool        // all their devices are of one link domain

	Left map[string]int64 // thousandths of the devices of a type that all members together may get; of others as much as there is

	Beside bool // as PreemptGang is asked: what is kept of the pool's workers stays kept, and members go elsewhere

	evenly   bool     // see dealAgain
	order    []typing // see leftover
	byWorker bool     // see byWorker
	seats    *seating // see placeSeated
	quiet    bool     // nobody is told why it has no places
}

// id is the group's that it is of.
func (g *Gang) id() berth.GroupID {
	if of := g.Members[0].Request.Group; of != nil {
		return of.ID
	}
	return ""
}

// GangDecision is where the first members of a gang go, or why none does.
type GangDecision struct {
	Placed  []Decision // of the first members, in their order
	Domain  string     // the label's value
	Link    string     // the link domain
	Fit     int        // so many fit
	Verdict *berth.Verdict
	Given   bool // the workers were

	were   []Worker // those reserved on, as they were before
	evenly bool     // the members' devices are dealt so: see dealAgain
}

// PlaceGang chooses workers for as many members as fit, and for Need at least, and
// reserves their shares in the fleet: Place for one after the other, each of which sees
// the ones before it. Where the devices that are best for one member leave too few for the
// last, all are dealt again: see placeWithin. So it finds places wherever there are some,
// but where members meet in more than room: in devices that serve several of a member's
// demands, which are combined one member at a time; in where others are, theirs among
// them, beyond what placeSeated tries. Of members with several demands for devices, and where so much is left of several
// types, it places as many as must be wherever there are places, as long as that is not too
// much to try: see otherWays.
//
// With a topology, domains are tried in order of their room: the smallest that could
// have all members first, so that the large ones stay whole for those that need them;
// then, where none has all, the largest. The domains of a linked gang are link domains;
// with a topology, too, what a value of the label and a link domain have in common.
func (f *Fleet) PlaceGang(g Gang) GangDecision {
	f.learnGroup(&g)
	d := f.placeGang(g)
	if d.Fit < len(g.Members) && g.seated() {
		if other, ok := f.placeSeated(g, d); ok {
			return other
		}
	}
	if d.Verdict == nil {
		return d
	}
	if other, ok := f.otherWays(g); ok {
		return other
	}
	return d
}

// placeGang is PlaceGang of a gang that tells nothing of what is asked for.
func (f *Fleet) placeGang(g Gang) GangDecision {
	defer f.uncover(&g)()
	if g.Topology == "" && !g.Linked {
		return f.placeAnywhere(g)
	}
	var best *GangDecision
	all, fits := f.domains(g), make(map[site]int)
	for _, d := range all {
		got := f.placeWithin(g, d.site, nil)
		if got.Fit == len(g.Members) {
			return got
		}
		if fits[d.site] = got.Fit; best == nil || got.Fit > best.Fit {
			best = &got
		}
		f.Undo(got)
		if d.room <= best.Fit {
			break // and the ones behind it have no more
		}
	}
	switch {
	case g.again() && (best == nil || best.Fit < max(g.Need, 1)):
		return GangDecision{Verdict: &berth.Verdict{}} // why was told before
	case best == nil:
		d := GangDecision{Verdict: new(f.explainNowhere(g))}
		f.tellGang(g, &d, 0)
		return d
	case best.Fit >= max(g.Need, 1):
		return f.placeWithin(g, site{best.Domain, best.Link}, nil)
	}
	f.tellNearest(g, best, all, fits)
	return *best
}

// again says whether it was told before why it has no places by preference, or nobody is to be told.
func (g *Gang) again() bool { return g.order != nil || g.seats != nil || g.quiet }

// placeAnywhere is placeGang where members need not be together.
func (f *Fleet) placeAnywhere(g Gang) GangDecision {
	var why *berth.Verdict
	if g.again() {
		d := f.placeWithin(g, site{}, nil)
		if d.Fit < max(g.Need, 1) {
			d.Verdict = &berth.Verdict{} // why was told before
		}
		return d
	}
	d := f.placeWithin(g, site{}, func(_ int, next Candidate) { why = new(f.Explain(next)) })
	if d.Verdict = why; why != nil {
		f.tellGang(g, &d, f.everMost(&g, f.roomOf(g, true)))
	}
	return d
}

// tellNearest says of a gang that fits nowhere, and has most room as a decision says, why there is
// none in the domain that comes nearest.
func (f *Fleet) tellNearest(g Gang, d *GangDecision, all []domain, fits map[site]int) {
	ever := f.roomOf(g, true)
	n := f.nearest(g, all, fits, ever)
	f.Undo(f.placeWithin(g, n.site, func(fit int, next Candidate) {
		n.fit, d.Verdict = fit, new(f.explainIn(g, n.site, next))
	}))
	if d.Verdict == nil { // there was more room than was counted
		*d = f.placeWithin(g, n.site, nil)
		return
	}
	d.Domain, d.Link = n.value, n.link
	most := n.ever
	if _, apart := g.own(); !n.known || most < max(g.Need, 1) && (g.Linked || !apart) { // others may come, or devices heal, and let more be there
		most = f.everMost(&g, ever)
	}
	if f.tellGang(g, d, most); d.Verdict.NeverFits {
		d.Verdict.Reasons[0].Ever = min(int64(most), int64(n.ever))
	}
	d.Verdict.Reasons[0].Near, d.Verdict.Reasons[0].There = g.siteText(n.site), int64(n.fit)
}

// Undo takes back what a decision has reserved; nothing else has changed the fleet since.
func (f *Fleet) Undo(d GangDecision) {
	for _, w := range slices.Backward(d.were) {
		f.Put(w)
	}
}

// PlaceOn is Place where the worker is given, of a candidate for which others have made
// room there: what is kept for a group does not count. False: it does not take it.
func (f *Fleet) PlaceOn(c Candidate, w berth.WorkerID) (Decision, bool) {
	return f.placeOn(c, w, func(_ *query, n *node) *node { return n.unkept() })
}

// placeOn is PlaceOn where the worker is seen as one says.
func (f *Fleet) placeOn(c Candidate, w berth.WorkerID, as func(*query, *node) *node) (Decision, bool) {
	n := f.nodes[w]
	if n == nil || n.worker.Pool != c.Request.Pool || !n.open || malformed(&c.Request.Resources) {
		return Decision{}, false
	}
	q := f.ask(c)
	seen := as(q, n)
	if !q.fits(seen) {
		return Decision{}, false
	}
	ledger, share, err := q.reserve(seen)
	if err != nil {
		return Decision{}, false
	}
	f.reserve(n, ledger)
	return Decision{Worker: w, Share: share}, true
}

// countStarts closes the workers that take one start at a time. The members of a gang
// are one: they start all or none, so a worker on probation may be needed by several.
func (f *Fleet) countStarts(d *GangDecision) {
	for _, one := range d.Placed {
		if n := f.nodes[one.Worker]; n.worker.Probing {
			f.setStarting(n, n.worker.Starting+1)
		}
	}
}

func (f *Fleet) setStarting(n *node, starting int) {
	p := f.pools[n.worker.Pool]
	p.changing(n)
	n.worker.Starting = starting
	n.open = isOpen(n)
	p.changed(n)
}

// uncount takes off what was counted while members were placed.
func (f *Fleet) uncount(members []Candidate, d *GangDecision) func() {
	return func() {
		for i, was := range d.were {
			f.Count(was.ID, members[i].Request.Labels, -1)
		}
	}
}

// placeNoted is Place that notes how the worker was before, and does not tell why there
// is none.
func (f *Fleet) placeNoted(c Candidate, d *GangDecision) Decision {
	q := f.ask(c)
	q.evenly = d.evenly
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
		d.were = append(d.were, n.worker)
		f.reserve(n, ledger)
		f.setStarting(n, d.were[len(d.were)-1].Starting)
		return Decision{Worker: n.worker.ID, Share: share}
	}
	return Decision{}
}

// tellGang puts in front of why a member has no place how many have one now, and, where that
// could never be enough, how many would have one, were all workers empty.
func (f *Fleet) tellGang(g Gang, d *GangDecision, ever int) {
	v := d.Verdict
	v.Reasons = slices.Insert(v.Reasons, 0, berth.Reason{
		Code: berth.ReasonGroup, Detail: g.domainWord(), Want: int64(g.Need), Best: int64(d.Fit), Total: int64(len(g.Members)),
	})
	f.tellLinks(g, v)
	if v.NeverFits = ever < max(g.Need, 1); v.NeverFits {
		v.Reasons[0].Ever = int64(ever)
		f.tellApart(g, v)
	}
}

// everMost is how many members one domain could have, were its workers empty, of the bounds of all: enough, if that is not known.
func (f *Fleet) everMost(g *Gang, ever map[site]int) (most int) {
	for _, room := range ever {
		most = max(most, room)
	}
	if g.Members[0].Request.Related() && most >= max(g.Need, 1) {
		if seats, known := f.everSeated(g, ever); known {
			most = len(seats)
		}
	}
	return most
}

// domain is where members may go together, with how many could at most.
type domain struct {
	site
	room int
}

// domains are those that could have enough, in the order in which they are tried.
func (f *Fleet) domains(g Gang) []domain {
	var all []domain
	for where, room := range f.roomOf(g, false) {
		all = append(all, domain{where, room})
	}
	size := len(g.Members)
	slices.SortFunc(all, func(a, b domain) int {
		holdsA, holdsB := a.room >= size, b.room >= size
		switch {
		case holdsA != holdsB:
			return order(holdsA)
		case holdsA:
			return cmp.Or(cmp.Compare(a.room, b.room), a.site.compare(b.site))
		}
		return cmp.Or(cmp.Compare(b.room, a.room), a.site.compare(b.site))
	})
	return all
}

// roomOf bounds how many members each domain could have; of a gang without any, all
// workers are one. With empty, were all workers empty, healthy and open.
func (f *Fleet) roomOf(g Gang, empty bool) map[site]int {
	out := make(map[site]int)
	f.eachRoom(g, empty, func(where site, _ *node, room int) bool {
		out[where] += room
		return true
	})
	return out
}

// eachRoom bounds how many members each worker could have in each domain that it is of, for as long as that is asked for.
func (f *Fleet) eachRoom(g Gang, empty bool, tell func(where site, n *node, room int) (more bool)) {
	p := f.pools[g.Members[0].Request.Pool]
	if p == nil || malformed(&g.Members[0].Request.Resources) {
		return
	}
	first, demands := g.narrowable()
	q := f.ask(first)
	for _, n := range p.nodes {
		value, ok := n.worker.Labels[g.Topology]
		if g.Topology != "" && !ok {
			continue
		}
		as := q.seen(n)
		if empty {
			as = n.emptied()
		}
		for _, link := range g.linksOf(as) {
			demands.to(link)
			room := 0
			switch {
			case g.Members[0].Request.Related(): // where they may be depends on where the others are
				if !empty || q.couldTake(n) {
					room = g.mostRelated(q, as)
				}
			case as.open && q.fits(as):
				room = q.room(as)
			}
			if !tell(site{value, link}, as, room) {
				return
			}
		}
	}
}

func labelled(c Candidate, by berth.Constraint) Candidate {
	r := *c.Request
	r.Constraints = append(slices.Clone(r.Constraints), by)
	c.Request = &r
	return c
}

// PlaceGangOn is PlaceGang where the workers of the first members are given; false:
// they do not take all of them, and nothing is reserved.
func (f *Fleet) PlaceGangOn(g Gang, workers []berth.WorkerID) (GangDecision, bool) {
	for _, where := range f.sitesAt(&g, workers) {
		if d, ok := f.placeGangOn(g, where, workers); ok {
			return d, true
		}
		if again, ok := g.dealAgain(); ok {
			if d, ok := f.placeGangOn(again, where, workers); ok {
				return d, true
			}
		}
	}
	return GangDecision{}, false
}

// placeGangOn is PlaceGangOn in one site. The members are for its workers only, as they are where the fleet chooses: else one in another domain
// would do, and a spread would look at all domains and refuse the places that were chosen by this one.
func (f *Fleet) placeGangOn(g Gang, where site, workers []berth.WorkerID) (GangDecision, bool) {
	d := GangDecision{Domain: where.value, Link: where.link, Fit: len(workers), Given: true, evenly: g.evenly}
	g.Members = g.within(where)
	defer f.uncount(g.Members, &d)()
	left := f.leftOf(&g)
	for i, w := range workers {
		n := f.nodes[w]
		as, ok := left.of(g.Members[i])
		if n == nil || !ok {
			f.Undo(d)
			return GangDecision{}, false
		}
		was := n.worker
		one, ok := f.placeOn(as, w, func(q *query, n *node) *node {
			q.evenly = d.evenly
			return q.seen(n)
		})
		if !ok {
			f.Undo(d)
			return GangDecision{}, false
		}
		left.take(g.Members[i], &one)
		d.Placed, d.were = append(d.Placed, one), append(d.were, was)
		f.setStarting(n, was.Starting)
		f.Count(w, g.Members[i].Request.Labels, 1)
	}
	f.countStarts(&d)
	return d, true
}
