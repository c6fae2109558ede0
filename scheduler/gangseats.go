package scheduler

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// Members that are to be near to each other, apart or evenly spread, by several entries or by one that is no anti_affinity, may
// be placed one after the other so that the last finds no place, though others would leave it one. So where too few find places
// that way, the workers of all are searched for together, first by counts alone: see seatSearch. What is found is then placed as
// any other members are, by all filters.

// maxSeatSteps bounds what is looked at for a gang, in all domains of its topology together: a step is one worker that is asked
// whether it takes one more, or that is counted among those that could. It is some ms.
const maxSeatSteps = 50_000

// seating is where the members of a gang could be, by site; it is found once for each.
type seating struct {
	on    map[site][]*node
	found map[site][]berth.WorkerID
	steps int // left
}

// own counts the required entries about a gang's own members, and says whether all of them are anti_affinity.
func (g *Gang) own() (n int, apart bool) {
	r := g.Members[0].Request
	apart = true
	of := func(a *berth.Affinity) bool {
		return a.Weight == 0 && a.Requests != nil && a.Requests.Matches(r.Labels)
	}
	for i := range r.AntiAffinity {
		if of(&r.AntiAffinity[i]) {
			n++
		}
	}
	for i := range r.Affinity {
		if of(&r.Affinity[i]) {
			n, apart = n+1, false
		}
	}
	for i := range r.Spread {
		if s := &r.Spread[i]; s.Weight == 0 && s.Requests.Matches(r.Labels) {
			n, apart = n+1, false
		}
	}
	return n, apart
}

// AmongThemselves says whether where some members of a request's group are decides where others may be.
func AmongThemselves(r *berth.Request) bool {
	g := Gang{Members: []Candidate{{Request: r}}}
	n, _ := g.own()
	return n > 0
}

// seated says whether the order of choices may decide how many members find places: of one entry, by which each takes a
// domain for itself, it does not.
func (g *Gang) seated() bool {
	n, apart := g.own()
	return len(g.Members) > 1 && (n > 1 || n == 1 && !apart) && !malformed(&g.Members[0].Request.Resources)
}

// placeSeated is a gang for which places were found as a decision says, one member after the other; ok: more find one where
// all are searched for together, and have them now.
func (f *Fleet) placeSeated(g Gang, d GangDecision) (other GangDecision, ok bool) {
	f.Undo(d)
	if d.Verdict != nil && f.tooFewDomains(&g) {
		return d, false
	}
	plain := g
	g.seats = &seating{on: f.bySite(&g), found: make(map[site][]berth.WorkerID), steps: maxSeatSteps}
	other = f.placeGang(g)
	switch {
	case other.Verdict == nil && (d.Verdict != nil || other.Fit > d.Fit):
		return other, true
	case other.Verdict == nil:
		f.Undo(other)
	}
	if d.Verdict == nil {
		return f.placeGang(plain), true
	}
	return d, false
}

// tooFewDomains says whether members that keep apart over a topology need more domains of it than have none of them. These are counted
// already, and of most gangs that wait for that it is the reason. It is not known where a worker is in no domain: who is there is apart from
// all, and it may take several.
func (f *Fleet) tooFewDomains(g *Gang) bool {
	defer f.uncover(g)()
	q := f.ask(g.Members[0])
	if q.pool == nil {
		return false
	}
	selection := q.pool.selectionOf(q)
	for i := range q.terms {
		t := &q.terms[i]
		if t.weight > 0 || t.relation == nil || t.self == 0 || t.code != berth.ReasonAntiAffinity {
			continue
		}
		outside, free := q.pool.openIn(selection), int64(0)
		for name, workers := range q.pool.domains(t.key.topology, selection) {
			if outside -= workers; t.counts[name] == 0 {
				free++
			}
		}
		if outside == 0 && free < int64(max(g.Need, 1)) {
			return true
		}
	}
	return false
}

// openIn is how many open workers are in a selection.
func (p *pool) openIn(selection int) (sum int64) {
	for _, n := range p.nodes {
		if n.open && n.own.selections>>selection&1 == 1 {
			sum++
		}
	}
	return sum
}

// bySite are the workers of each site of a gang.
func (f *Fleet) bySite(g *Gang) map[site][]*node {
	on := make(map[site][]*node)
	p := f.pools[g.Members[0].Request.Pool]
	if p == nil {
		return on
	}
	for _, n := range p.nodes {
		value, ok := n.worker.Labels[g.Topology]
		if g.Topology != "" && !ok {
			continue
		}
		for _, link := range g.linksOf(n) {
			on[site{value, link}] = append(on[site{value, link}], n)
		}
	}
	return on
}

// seat places members where they are found to fit together, if those are enough.
func (f *Fleet) seat(g *Gang, where site, members []Candidate, left *leftover, d *GangDecision) {
	on, known := g.seats.found[where]
	if !known {
		s := f.seatsOf(members, g.seats.on[where], asTheyAre)
		s.least, s.steps = max(g.Need, 1), g.seats.steps
		on = s.run()
		g.seats.found[where], g.seats.steps = on, max(s.steps, 0)
	}
	if len(on) < max(g.Need, 1) {
		return
	}
	for i, id := range on {
		c, ok := left.of(members[i])
		if !ok {
			return
		}
		was := f.nodes[id].worker
		one, ok := f.placeOn(c, id, func(q *query, n *node) *node {
			q.evenly = d.evenly
			return q.seen(n)
		})
		if !ok { // its devices are combined otherwise
			return
		}
		left.take(members[i], &one)
		d.Placed, d.were = append(d.Placed, one), append(d.were, was)
		f.setStarting(f.nodes[id], was.Starting)
		f.Count(id, members[i].Request.Labels, 1)
	}
}

// everSeated is where most members would have places in one site, were all workers empty and no others there, by what keeps them
// apart: others that they are to be near to, or that a spread counts, may always come. It looks no further than for as many as
// must be placed. Not known: that would be too much to find out.
func (f *Fleet) everSeated(g *Gang, ever map[site]int) (most []berth.WorkerID, known bool) {
	on, steps := f.bySite(g), maxSeatSteps
	for _, where := range sortedSites(ever) {
		if ever[where] <= len(most) {
			continue
		}
		s := f.seatsOf(g.within(where), on[where], whoeverComes)
		s.size, s.steps = min(s.size, max(g.Need, 1)), steps
		if seats := s.run(); len(seats) > len(most) {
			most = seats
		}
		if len(most) >= max(g.Need, 1) {
			return most, true
		}
		if steps = s.steps; steps < 0 {
			return nil, false
		}
	}
	return most, true
}

func sortedSites(of map[site]int) []site {
	all := make([]site, 0, len(of))
	for where := range of {
		all = append(all, where)
	}
	slices.SortFunc(all, site.compare)
	return all
}

// seatView is how a search sees workers, and who else is there.
type seatView int

const (
	asTheyAre    seatView = iota
	whoeverComes          // empty, and others may come: only what keeps members apart from each other counts
	byThemselves          // empty, and nobody else is anywhere: so does what they are to be near to of each other, and their spread
)

// seatsOf prepares the search for members on workers.
func (f *Fleet) seatsOf(members []Candidate, on []*node, view seatView) *seatSearch {
	q, empty := f.ask(members[0]), view != asTheyAre
	s := &seatSearch{size: len(members), ordered: true, vain: make(map[string]struct{})}
	var needs []*term // what a worker must be in a domain for, or meets by itself
	var at []int      // of each term searched for, its index in the query's
	for i := range q.terms {
		t := &q.terms[i]
		switch {
		case t.weight > 0:
		case t.relation == nil:
			needs = append(needs, t)
		case empty && t.code != berth.ReasonAntiAffinity && (view == whoeverComes || t.self == 0):
			needs = append(needs, t)
		case !empty || t.self == 1:
			s.terms, at = append(s.terms, q.seatTermOf(t, on, empty)), append(at, i)
			s.ordered = s.ordered && t.code == berth.ReasonAntiAffinity
		}
	}
	avoided := make(map[berth.WorkerID]int)
	for _, c := range members {
		for _, id := range c.Avoid {
			avoided[id]++
		}
	}
	in := make([]int, 0, len(on)*len(s.terms))
	s.seats = make([]station, 0, len(on))
	for _, n := range on {
		if !empty && !n.open {
			continue
		}
		as := q.seen(n)
		if empty {
			as = n.emptied()
		}
		if slices.ContainsFunc(q.filters, func(f filter) bool { return !f.passing && !f.passes(q, as) }) || slices.ContainsFunc(needs, func(t *term) bool { return !t.mayMeet(n) }) {
			continue
		}
		one := station{id: n.worker.ID, room: min(q.room(as), s.size), avoided: avoided[n.worker.ID]}
		for i := range s.terms {
			in = append(in, s.terms[i].numberOf(q.terms[at[i]].domainOf(n)))
		}
		one.in = in[len(in)-len(s.terms):]
		s.seats = append(s.seats, one)
	}
	s.arrange()
	return s
}

// mayMeet says whether a worker meets a term about workers, or is in a domain of one about others.
func (t *term) mayMeet(n *node) bool {
	if t.relation == nil {
		return t.excess(n) == 0
	}
	_, ok := t.domainOf(n)
	return ok
}

// arrange puts the workers in the order in which they are tried: those that failed to start what is to be placed last; of the
// others first those that keep the fewest from being taken; and those that are alike beside each other.
func (s *seatSearch) arrange() {
	slices.SortFunc(s.seats, func(a, b station) int { return strings.Compare(string(a.id), string(b.id)) })
	for i := range s.terms {
		t := &s.terms[i]
		t.seats, t.seen = make([]int, len(t.counts)), make([]int, len(t.counts))
		for k := range s.seats {
			if d := s.seats[k].in[i]; d >= 0 {
				t.seats[d]++
			}
		}
	}
	kinds := make(map[string]int)
	var key []byte
	for k := range s.seats {
		one := &s.seats[k]
		key = binary.AppendVarint(key[:0], int64(one.room))
		for i, d := range one.in {
			t := &s.terms[i]
			if d >= 0 && t.seats[d] > 1 || d < 0 {
				key = binary.AppendVarint(append(key, 'd'), int64(d))
			} else { // it has the domain for itself: which one that is says nothing
				key = binary.AppendVarint(binary.AppendVarint(append(key, 'c'), t.counts[d]), unmet(t.counted[d]))
			}
			if d >= 0 && t.self && t.code == berth.ReasonAntiAffinity {
				one.near += t.seats[d]
			}
		}
		kind, known := kinds[string(key)]
		if !known {
			kind = len(kinds)
			kinds[string(key)] = kind
		}
		one.kind = kind
	}
	slices.SortStableFunc(s.seats, func(a, b station) int {
		return cmp.Or(cmp.Compare(a.avoided, b.avoided), cmp.Compare(a.near, b.near), cmp.Compare(a.kind, b.kind))
	})
}
