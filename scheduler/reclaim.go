package scheduler

import (
	"cmp"
	"slices"
	"sort"

	"github.com/berthd/berth"
)

// Holding is an allocation of a tenant that is to give back what it has borrowed.
type Holding struct {
	Request  berth.RequestID
	Priority int32
	Placed   int64 // when, on a scale where later is larger
	Group    berth.GroupID
	Amounts  berth.Amounts
}

// Reclaim chooses what is to end so that so much is free of each dimension: the fewest; of equally
// many those of the lowest priority, then the youngest; none that is not needed, and of a group all
// or none. Where all together hold too little of a dimension, what there is of it. They are told what
// matters least first, groups together.
//
// The rule is that of Preempt. Of one dimension it is kept to exactly, however many there are; of
// several, where that takes more than maxReclaimSteps, the dearest are given back that are not
// needed: none is one too many either, but another set may be smaller.
func Reclaim(need berth.Amounts, of []Holding) []berth.RequestID {
	r := newReclaim(need, of)
	if len(r.dims) == 0 {
		return nil
	}
	if !r.search() {
		r.giveBack()
	}
	slices.Sort(r.chosen)
	var out []berth.RequestID
	for _, i := range r.chosen {
		out = append(out, r.units[i].of...)
	}
	return out
}

// maxReclaimSteps bounds the sets that are begun.
const maxReclaimSteps = 4096

// holder is allocations of which all end or none.
type holder struct {
	of       []berth.RequestID // sorted
	priority int32             // the highest
	placed   int64             // the first
	has      []int64           // of each dimension that is needed
}

func (h *holder) cost() int64 { return int64(len(h.of)) }

// before is a total order: what matters least goes first, of that the youngest.
func (h *holder) before(o *holder) int {
	return cmp.Or(cmp.Compare(h.priority, o.priority), cmp.Compare(o.placed, h.placed), cmp.Compare(h.of[0], o.of[0]))
}

// reclaim is the search. As that of a trial, it counts the cost up, and for each cost tries the sets
// in the order of before, compared from the end.
type reclaim struct {
	dims   []berth.Dimension
	need   []int64
	units  []holder // in order
	dense  [][]int  // of each dimension: units, those with most of it for each allocation first
	chosen []int
	steps  int
}

func newReclaim(need berth.Amounts, of []Holding) *reclaim {
	r := &reclaim{}
	for _, d := range need.Dimensions() {
		total := int64(0)
		for i := range of {
			total += of[i].Amounts[d]
		}
		if least := min(need[d], total); least > 0 {
			r.dims, r.need = append(r.dims, d), append(r.need, least)
		}
	}
	r.gather(of)
	for k := range r.dims {
		by := make([]int, len(r.units))
		for i := range by {
			by[i] = i
		}
		slices.SortFunc(by, func(a, b int) int {
			x, y := &r.units[a], &r.units[b]
			return cmp.Or(cmp.Compare(y.has[k]*x.cost(), x.has[k]*y.cost()), cmp.Compare(a, b))
		})
		r.dense = append(r.dense, by)
	}
	return r
}

// gather puts groups together, and leaves out what has nothing of what is needed.
func (r *reclaim) gather(of []Holding) {
	groups := make(map[berth.GroupID]int)
	for i := range of {
		o := &of[i]
		at, known := groups[o.Group]
		if !known || o.Group == "" {
			at = len(r.units)
			groups[o.Group] = at
			r.units = append(r.units, holder{priority: o.Priority, placed: o.Placed, has: make([]int64, len(r.dims))})
		}
		u := &r.units[at]
		u.of = append(u.of, o.Request)
		u.priority, u.placed = max(u.priority, o.Priority), min(u.placed, o.Placed)
		for k, d := range r.dims {
			u.has[k] += o.Amounts[d]
		}
	}
	r.units = slices.DeleteFunc(r.units, func(u holder) bool { return !slices.ContainsFunc(u.has, func(v int64) bool { return v > 0 }) })
	for i := range r.units {
		slices.Sort(r.units[i].of)
	}
	slices.SortFunc(r.units, func(a, b holder) int { return a.before(&b) })
}

// search finds the cheapest set; false: that would take too long.
func (r *reclaim) search() bool {
	total := int64(0)
	for i := range r.units {
		total += r.units[i].cost()
	}
	for budget := int64(1); budget <= total; budget++ {
		if r.could(len(r.units), budget, r.need) && r.pick(len(r.units), budget, r.need) {
			return true
		}
		if r.steps > maxReclaimSteps {
			break
		}
	}
	return false
}

// could says whether the first units could have so much for that cost, were parts of them to be had.
func (r *reclaim) could(below int, budget int64, need []int64) bool {
	for k, by := range r.dense {
		rest, left := need[k], budget
		for _, i := range by {
			if rest <= 0 || left <= 0 {
				break
			}
			if i >= below {
				continue
			}
			u := &r.units[i]
			if c := u.cost(); c > left {
				rest -= (u.has[k]*left + c - 1) / c
				left = 0
			} else {
				rest -= u.has[k]
				left -= c
			}
		}
		if rest > 0 {
			return false
		}
	}
	return true
}

// pick finds the first set of the units below one that costs so much and suffices. The last of it
// is no earlier than the first with which those up to it could.
func (r *reclaim) pick(below int, budget int64, need []int64) bool {
	if budget == 0 {
		return !slices.ContainsFunc(need, func(v int64) bool { return v > 0 })
	}
	first := sort.Search(below, func(i int) bool { return r.could(i+1, budget, need) })
	for last := first; last < below; last++ {
		if r.steps++; r.steps > maxReclaimSteps {
			return false
		}
		u := &r.units[last]
		rest, left := make([]int64, len(need)), budget-u.cost()
		for k := range need {
			rest[k] = need[k] - u.has[k]
		}
		if left < 0 || !r.could(last, left, rest) {
			continue
		}
		r.chosen = append(r.chosen, last)
		if r.pick(last, left, rest) {
			return true
		}
		r.chosen = r.chosen[:len(r.chosen)-1]
	}
	return false
}

// giveBack takes out of all what is not needed, the dearest first.
func (r *reclaim) giveBack() {
	spare := make([]int64, len(r.need))
	order := make([]int, len(r.units))
	for i := range r.units {
		order[i] = i
		for k, v := range r.units[i].has {
			spare[k] += v
		}
	}
	for k := range spare {
		spare[k] -= r.need[k]
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(r.units[b].cost(), r.units[a].cost()), cmp.Compare(b, a))
	})
	r.chosen = r.chosen[:0]
	for _, i := range order {
		has := r.units[i].has
		if !within(has, spare) {
			r.chosen = append(r.chosen, i)
			continue
		}
		for k := range spare {
			spare[k] -= has[k]
		}
	}
}

func within(some, of []int64) bool {
	for k := range some {
		if some[k] > of[k] {
			return false
		}
	}
	return true
}
