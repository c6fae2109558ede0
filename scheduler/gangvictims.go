package scheduler

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// ground is the workers of a site that are looked at.
type ground struct {
	site
	nodes []*node // the most promising first
}

// promising are the sites in which all that may end could be enough, the cheapest first by what
// the levels say.
func (r *gangRoom) promising() []ground {
	first, demands := r.g.narrowable()
	q := r.f.ask(first)
	v := vacancy{q: q}
	of := make(map[site][]estimate)
	for _, n := range q.pool.nodes {
		value, ok := n.worker.Labels[r.g.Topology]
		if r.g.Topology != "" && !ok || n.kept != nil { // where that counts as free nothing is kept here
			continue
		}
		for _, link := range r.g.linksOf(n) {
			demands.to(link)
			if e, ok := r.f.estimateOf(&v, n, r.priority); (ok || e.now) && q.mayClear(n) {
				of[site{value, link}] = append(of[site{value, link}], e)
			}
		}
	}
	type sized struct {
		ground
		cost int64
	}
	most := max(maxTried, r.need+r.need/4+8) // some may be of no use
	var all []sized
	for where, es := range of {
		slices.SortFunc(es, estimate.compare)
		if r.g.Left != nil {
			es = someOfEachKind(es, most)
		}
		s := sized{ground: ground{site: where}}
		for i, e := range es[:min(len(es), most)] {
			s.nodes = append(s.nodes, e.node)
			if i < r.need {
				s.cost += e.count
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b sized) int { return cmp.Or(cmp.Compare(a.cost, b.cost), a.site.compare(b.site)) })
	out := make([]ground, len(all))
	for i := range all {
		out[i] = all[i].ground
	}
	return out
}

// someOfEachKind takes turns among the workers whose devices are of different types: what is left of the type that most of them have may be
// little.
func someOfEachKind(es []estimate, most int) (out []estimate) {
	kinds, of := []string(nil), make(map[string][]estimate)
	for _, e := range es {
		kind := strings.Join(e.node.kinds, " ")
		if of[kind] == nil {
			kinds = append(kinds, kind)
		}
		of[kind] = append(of[kind], e)
	}
	for i := 0; len(out) < min(len(es), most); i++ {
		for _, kind := range kinds {
			if i < len(of[kind]) {
				out = append(out, of[kind][i])
			}
		}
	}
	return out
}

// outlook is how a gang's site looks.
type outlook int

const (
	neverFits outlook = iota
	fitsAnyway
	canBeMade
)

// siteSearch is the search in one site.
type siteSearch struct {
	*gangRoom
	ground
	q    *query
	room []int // of each worker, with what ends so far
	sum  int
}

// searchIn finds who makes room in a site. By the sums of the members that the workers take, where
// these do not depend on each other. Each worker's cheapest way to so many more places is that of
// a trial; which workers give how many is then a knapsack, counted in ends. A group with members
// on several workers is counted on each by its members there, and once more as a whole: the
// better of both is taken. What is then not needed does not end.
func (r *gangRoom) searchIn(g *ground) (gangVictims, outlook) {
	s := &siteSearch{gangRoom: r, ground: *g}
	if r.g.Members[0].Request.Related() {
		return s.onTheWhole()
	}
	first, demands := r.g.narrowable()
	s.q = r.f.ask(first)
	demands.to(g.link)
	if s.fill(nil) >= r.need && r.g.Left == nil {
		return gangVictims{}, fitsAnyway
	}
	free := slices.Clone(s.room)
	everybody := s.everybody()
	if s.fill(everybody) < r.need {
		return gangVictims{}, neverFits
	}
	if r.g.Left != nil {
		return s.onTheWhole()
	}
	var best *gangVictims
	for _, whole := range []bool{false, true} {
		if of := s.cheapest(free, whole); of != nil {
			one := r.victims(s.giveBack(of))
			if best == nil || one.compare(best) < 0 {
				best = &one
			}
		}
	}
	if best == nil {
		one := r.victims(s.giveBack(everybody))
		best = &one
	}
	return *best, canBeMade
}

// everybody are all parties that are on the site's workers.
func (s *siteSearch) everybody() map[string]bool {
	of := make(map[string]bool)
	for _, n := range s.nodes {
		for i := range s.on[n.worker.ID] {
			if o := &s.on[n.worker.ID][i]; !o.Leaving && s.parties[partyOf(o)] != nil {
				of[partyOf(o)] = true
			}
		}
	}
	return of
}

// roomOn is how many members a worker takes once these have ended.
func (s *siteSearch) roomOn(n *node, of map[string]bool) int {
	w, _, _ := s.vacated(n, of)
	_, places := s.q.fill(newNode(w, nil), s.need)
	return places
}

// fill finds the room of all workers.
func (s *siteSearch) fill(of map[string]bool) int {
	s.room, s.sum = s.room[:0], 0
	for _, n := range s.nodes {
		places := s.roomOn(n, of)
		s.room = append(s.room, places)
		s.sum += places
	}
	return s.sum
}

// giveBack takes out of a set what is not needed, the dearest first; nil: it does not suffice.
func (s *siteSearch) giveBack(of map[string]bool) map[string]bool {
	if s.fill(of) < s.need {
		return nil
	}
	at := make(map[berth.WorkerID]int, len(s.nodes))
	for i, n := range s.nodes {
		at[n.worker.ID] = i
	}
	for _, p := range s.dearest(of) {
		delete(of, p.key)
		sum, next := s.sum, make(map[int]int, len(p.on))
		for _, w := range p.on {
			if i, here := at[w]; here {
				next[i] = s.roomOn(s.nodes[i], of)
				sum += next[i] - s.room[i]
			}
		}
		if sum < s.need {
			of[p.key] = true
			continue
		}
		s.sum = sum
		for i, places := range next {
			s.room[i] = places
		}
	}
	return of
}

func (s *siteSearch) dearest(of map[string]bool) []*party {
	var all []*party
	for key := range of {
		all = append(all, s.parties[key])
	}
	slices.SortFunc(all, func(a, b *party) int { return cmp.Or(cmp.Compare(b.cost, a.cost), b.before(&a.unit)) })
	return all
}

// onTheWhole finds who makes room where the places depend on where others are, or on what is left of types of devices for the other
// members: all that is not needed of everybody, tried on the whole. It may be more than need be.
func (s *siteSearch) onTheWhole() (gangVictims, outlook) {
	if _, fits := s.placed(nil); fits {
		return gangVictims{}, fitsAnyway
	}
	of := s.crowd()
	if !s.fitsWithout(of) || !s.giveBackOnTheWhole(of) {
		return gangVictims{}, neverFits
	}
	return s.victims(of), canBeMade
}

// crowd is who may have to go: everybody but those that members are to be near. Were all of these to go, members that are to be near
// their like could go anywhere, but no claim keeps the others away until then.
func (s *siteSearch) crowd() map[string]bool {
	all := s.everybody()
	for _, n := range s.nodes {
		for i := range s.on[n.worker.ID] {
			if o := &s.on[n.worker.ID][i]; wantsNear(s.g.Members[0].Request, o.Labels) {
				delete(all, partyOf(o))
			}
		}
	}
	return all
}

// fitsWithout says whether the members have places when some have gone: by preference of types, or else in another way.
func (s *siteSearch) fitsWithout(of map[string]bool) bool {
	s.otherWay = false
	_, fits := s.placed(of)
	if !fits && s.g.Left != nil {
		s.otherWay = true
		_, fits = s.placed(of)
	}
	return fits
}

// giveBackOnTheWhole is giveBack, many at a time as long as that goes; false: it takes too long.
func (s *siteSearch) giveBackOnTheWhole(of map[string]bool) bool {
	tries := 0
	for step := max(len(of)/2, 1); ; step = max(step/2, 1) {
		for some := range slices.Chunk(s.dearest(of), step) {
			if tries++; tries > maxWholeTries {
				return false
			}
			for _, p := range some {
				delete(of, p.key)
			}
			if _, fits := s.placed(of); !fits {
				for _, p := range some {
					of[p.key] = true
				}
			}
		}
		if step == 1 {
			return true
		}
	}
}

// maxWholeTries bounds how often a whole gang is placed on trial.
const maxWholeTries = 256

// way is how a worker comes to have so many places more.
type way struct {
	places int
	cost   int64
	of     []string
}

// cheapest are the victims that give what is lacking beside the free places; nil: that takes too
// long to find. whole: a group counts as all its members wherever one of it is.
func (s *siteSearch) cheapest(free []int, whole bool) map[string]bool {
	lack := s.need
	for _, places := range free {
		lack -= places
	}
	type worker struct {
		ways []way
		of   unit
	}
	var all []worker
	for i, n := range s.nodes {
		ways, dearest, ok := s.ways(n, free[i], lack, whole)
		if !ok {
			return nil
		}
		if len(ways) > 0 {
			all = append(all, worker{ways, dearest})
		}
	}
	slices.SortStableFunc(all, func(a, b worker) int { return a.of.before(&b.of) })
	ways := make([][]way, len(all))
	for i := range all {
		ways[i] = all[i].ways
	}
	return choose(ways, lack)
}

// ways are those of one worker to have more places, one for each number of them, and what matters
// most of who ends for the first; false: no more is to be tried.
func (s *siteSearch) ways(n *node, free, lack int, whole bool) (out []way, first unit, ok bool) {
	all := slices.DeleteFunc(slices.Clone(s.on[n.worker.ID]), func(o Occupant) bool { return !o.Leaving && s.parties[partyOf(&o)] == nil })
	if !whole {
		for i := range all {
			all[i].Members = 0
		}
	}
	for more := 1; more <= lack; more++ {
		t := s.f.newTrial(s.q, n, s.priority, all)
		t.times = free + more
		found := t.search()
		if s.tries, s.steps = s.tries+t.tries, s.steps+t.steps; s.tries > maxGangTries || s.steps > maxGangSteps {
			return nil, unit{}, false
		}
		if !found {
			break
		}
		one := way{places: more}
		for _, i := range t.chosen {
			u := &t.units[i]
			one.of = append(one.of, partyOf(&all[u.of[0]]))
			one.cost += int64(u.cost)<<endsAbove + int64(u.cost)*int64(u.priority)
			if more == 1 && (first.id == "" || first.before(u) < 0) {
				first = *u
			}
		}
		if k := len(out); k > 0 && out[k-1].cost == one.cost { // the same give one more
			out = out[:k-1]
		}
		out = append(out, one)
	}
	return out, first, true
}

// endsAbove leaves the bits below a count of ends for the sum of priorities.
const endsAbove = 32

// choose takes one way of each worker, or none, so that the places are enough and the cost is the
// least; of equal ones those of the first workers. nil: they are not enough.
func choose(workers [][]way, lack int) map[string]bool {
	least := make([]int64, lack+1) // for so many places, at least
	for p := range least {
		least[p] = math.MaxInt64
	}
	least[0] = 0
	took := make([][]int16, len(workers)) // of each worker: the way, from 1, for so many places of it and those before
	for i, ways := range workers {
		took[i] = make([]int16, lack+1)
		next := slices.Clone(least)
		for k := range ways {
			for p := 1; p <= lack; p++ {
				if before := least[max(p-ways[k].places, 0)]; before != math.MaxInt64 && before+ways[k].cost < next[p] {
					next[p], took[i][p] = before+ways[k].cost, int16(k+1) //nolint:gosec // G115: no more ways than members
				}
			}
		}
		least = next
	}
	if least[lack] == math.MaxInt64 {
		return nil
	}
	of := make(map[string]bool)
	for i, p := len(workers)-1, lack; i >= 0; i-- {
		if k := took[i][p]; k > 0 {
			for _, key := range workers[i][k-1].of {
				of[key] = true
			}
			p = max(p-workers[i][k-1].places, 0)
		}
	}
	return of
}
