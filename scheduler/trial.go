package scheduler

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
)

// Occupant is an allocation on a worker, as who makes room there sees it.
type Occupant struct {
	Request  berth.RequestID
	Priority int32
	Placed   int64 // when, on a scale where later is larger
	Share    berth.Share
	Labels   map[string]string // that Count was told of
	Group    berth.GroupID
	Members  int  // of its group, that end with it, wherever they are
	Leaving  bool // it ends anyway, whatever its priority

	// How many ms it is given to stop, and after how many it has ended at the latest, where it
	// leaves or, for gangs, its run limit says so; 0: nothing does.
	Grace, Left int64
}

// InTime are those of occupants who have ended within so many ms, if they are told to now or leave; 0: all of them. Who
// may take longer would end in vain for what has given up waiting then.
func InTime(all []Occupant, ms int64) []Occupant {
	late := func(o Occupant) bool { return o.Leaving && o.Left > ms || !o.Leaving && o.Grace > ms }
	if ms == 0 || !slices.ContainsFunc(all, late) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), late)
}

// unit is occupants of which all are stopped or none: one, or those of a group.
type unit struct {
	of       []int // index in the occupants
	cost     int   // allocations that end
	priority int32 // the highest of them
	placed   int64 // the first of them
	id       berth.RequestID
	sum      vector
}

// before is a total order: what matters least goes first, of that the youngest.
func (u *unit) before(o *unit) int {
	return cmp.Or(u.rank(o), cmp.Compare(u.id, o.id))
}

// rank is before without the last word, which means nothing across workers.
func (u *unit) rank(o *unit) int {
	return cmp.Or(cmp.Compare(u.priority, o.priority), cmp.Compare(o.placed, u.placed))
}

// trial is the search for victims on one worker.
//
// The set it finds is the cheapest by the number of allocations that end; of those,
// the one whose most important victim matters least, then whose second does, and so
// on: the first in the order of before, compared from the end. It is found by
// counting the cost up, and for each cost trying the sets in that order; so no
// subset of it suffices, for that would be cheaper. Amounts are checked by sums, and
// what they leave is tried on the worker's ledger.
//
// Where that takes more than the bounds below, a set is found by giving back, the
// dearest first, all that are not needed: it has no victim too many either, but
// another set may be smaller.
type trial struct {
	f         *Fleet
	q         *query
	n         *node
	occupants []Occupant
	leaving   []int // by id
	units     []unit
	below     []vector // the sum of the units before each
	largest   vector   // of any unit
	chosen    []int
	times     int // the worker is to take the request so often
	tries     int // of ledgers
	steps     int
	share     berth.Share // of the last try that succeeded
}

// MaxVictims bounds the allocations of one worker that end for one candidate; those
// that leave anyway do not count.
const MaxVictims = 32

// Of one worker.
const (
	maxTries = 128
	maxSteps = 20_000
)

func (f *Fleet) newTrial(q *query, n *node, priority int32, occupants []Occupant) *trial {
	n, occupants = q.besideKept(n, occupants)
	t := &trial{f: f, q: q, n: n, occupants: occupants, leaving: leavingOf(occupants), times: 1}
	groups := make(map[berth.GroupID]int)
	for i := range occupants {
		o := &occupants[i]
		if o.Leaving {
			continue
		}
		at, known := groups[o.Group]
		if !known || o.Group == "" {
			at = len(t.units)
			groups[o.Group] = at
			t.units = append(t.units, unit{cost: max(o.Members, 1), priority: o.Priority, placed: o.Placed, id: o.Request})
		}
		t.units[at].add(i, o)
	}
	t.units = slices.DeleteFunc(t.units, func(u unit) bool { return u.priority >= priority })
	slices.SortFunc(t.units, func(a, b unit) int { return a.before(&b) })
	sum := vector{}
	for i := range t.units {
		t.below = append(t.below, sum)
		for r := range amounts {
			sum[r] += t.units[i].sum[r]
			t.largest[r] = max(t.largest[r], t.units[i].sum[r])
		}
	}
	t.below = append(t.below, sum)
	return t
}

// isNear says whether a unit is, in part, what the request has to be near to: without all of these it could not be there.
func (t *trial) isNear(u unit) bool {
	return slices.ContainsFunc(u.of, func(i int) bool { return wantsNear(t.q.request, t.occupants[i].Labels) })
}

// apartFromNear are all units but these.
func (t *trial) apartFromNear() []int {
	return slices.DeleteFunc(t.everybody(), func(i int) bool { return t.isNear(t.units[i]) })
}

// everybody are all units.
func (t *trial) everybody() []int {
	all := make([]int, len(t.units))
	for i := range all {
		all[i] = i
	}
	return all
}

func (u *unit) add(i int, o *Occupant) {
	u.of = append(u.of, i)
	u.cost = max(u.cost, len(u.of))
	u.priority, u.placed, u.id = max(u.priority, o.Priority), min(u.placed, o.Placed), min(u.id, o.Request)
	for r, amount := range vectorOf(&o.Share.Quantities) {
		u.sum[r] += amount
	}
}

// run finds the victims, or none.
func (t *trial) run() (found bool) { return t.search() && t.few() }

// search is run for however many.
func (t *trial) search() (found bool) {
	if len(t.occupants) == 0 {
		return false
	}
	all := t.everybody()
	suffice := t.try(all)
	if !suffice && !slices.ContainsFunc(t.units, t.isNear) {
		return false
	}
	need := t.shortfall()
	for _, i := range t.leaving {
		for r, amount := range vectorOf(&t.occupants[i].Share.Quantities) {
			need[r] -= amount
		}
	}
	for r, sum := range t.below[len(t.units)] {
		if !suffice && need[r] > sum {
			return false
		}
	}
	total := 0
	for i := range t.units {
		total += t.units[i].cost
	}
	for budget := t.least(need); budget <= total; budget++ {
		if t.pick(len(t.units), budget, need) {
			return true
		}
		if t.tries > maxTries || t.steps > maxSteps {
			break
		}
	}
	if !suffice {
		if all = t.apartFromNear(); !t.try(all) {
			return false
		}
	}
	t.chosen = t.giveBack(all)
	return t.try(t.chosen)
}

// shortfall is the query's, of all times.
func (t *trial) shortfall() (v vector) {
	for r := range amounts {
		v[r] = t.q.want[r]*int64(t.times) - t.n.own.free[r]
	}
	return v
}

// few says whether the victims are not too many for one transaction.
func (t *trial) few() bool {
	n := 0
	for _, i := range t.chosen {
		n += len(t.units[i].of)
	}
	return n <= MaxVictims
}

// least is how many victims there are at least.
func (t *trial) least(need vector) (n int) {
	for r := range amounts {
		if need[r] > 0 {
			n = max(n, int((need[r]+t.largest[r]-1)/t.largest[r])) // all of them suffice: there is a largest
		}
	}
	return n
}

// pick finds the first set of the units below one that costs so much and suffices.
func (t *trial) pick(below, budget int, need vector) bool {
	if budget == 0 {
		return need.met() && t.try(t.chosen)
	}
	for last := range below {
		u := &t.units[last]
		t.steps++
		if u.cost > budget {
			continue
		}
		rest := need
		possible := true
		for r := range amounts {
			rest[r] -= u.sum[r]
			possible = possible && rest[r] <= t.below[last][r] && (rest[r] <= 0 || rest[r] <= t.largest[r]*int64(budget-u.cost))
		}
		if !possible {
			continue
		}
		t.chosen = append(t.chosen, last)
		if t.pick(last, budget-u.cost, rest) {
			return true
		}
		t.chosen = t.chosen[:len(t.chosen)-1]
		if t.tries > maxTries || t.steps > maxSteps {
			return false
		}
	}
	return false
}

// giveBack takes out of a set that suffices all that are not needed.
func (t *trial) giveBack(units []int) []int {
	order := slices.Clone(units)
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(t.units[b].cost, t.units[a].cost), cmp.Compare(b, a)) })
	left := slices.Clone(units)
	for _, i := range order {
		without := slices.DeleteFunc(slices.Clone(left), func(o int) bool { return o == i })
		if t.try(without) {
			left = without
		}
	}
	return left
}

// gone are the occupants of chosen units, and of those that leave all but some.
func (t *trial) gone(units []int, but ...int) (of []int) {
	for _, i := range t.leaving {
		if !slices.Contains(but, i) {
			of = append(of, i)
		}
	}
	for _, i := range units {
		of = append(of, t.units[i].of...)
	}
	return of
}

func (t *trial) try(units []int) bool { return t.tryWithout(t.gone(units)) }

// tryWithout says whether the worker takes the query's request once these are gone.
func (t *trial) tryWithout(gone []int) bool {
	t.tries++
	w := t.n.worker
	for _, i := range gone {
		ledger, err := w.Ledger.Release(t.occupants[i].Share)
		if err != nil {
			return false // the fleet's ledger is not of these occupants
		}
		w.Ledger = ledger
	}
	if t.q.request.Related() {
		for _, i := range gone {
			t.f.Count(w.ID, t.occupants[i].Labels, -1)
		}
		defer func() {
			for _, i := range gone {
				t.f.Count(w.ID, t.occupants[i].Labels, 1)
			}
			t.f.askTerms(t.q)
		}()
		t.f.askTerms(t.q)
	}
	n := newNode(w, t.n.kept)
	if !n.open || !t.q.fits(n) {
		return false
	}
	_, share, err := t.q.reserve(n)
	if err != nil {
		return false
	}
	t.share = share
	if t.times > 1 {
		_, places := t.q.fill(n, t.times)
		return places == t.times
	}
	return true
}

// victims are those on the worker, by id, when run has found some: of what leaves
// anyway, only what is needed.
func (t *trial) victims() (of []int) {
	var spared []int
	for _, i := range slices.Backward(t.leaving) {
		if t.tryWithout(t.gone(t.chosen, append(spared, i)...)) {
			spared = append(spared, i)
		}
	}
	of = t.gone(t.chosen, spared...)
	t.tryWithout(of)
	slices.SortFunc(of, func(a, b int) int { return cmp.Compare(t.occupants[a].Request, t.occupants[b].Request) })
	return of
}
