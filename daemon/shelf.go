package daemon

import (
	"math"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// What waits for a quota stands on the shelf of its account. Whoever looks there for the first
// that would fit, or that lacks what could be had, judges few, how many may wait: the
// trees that they stand in know of each branch how little of each amount is needed in it, and
// how much. That only rules out. What is left is judged as before.

// shelves are those of all accounts.
type shelves[T any] struct {
	before func(a, b T) bool // total, and the same while both are there
	asks   func(T) asking
	of     map[account]shelf[T]
}

// shelf is what waits for one account's quota, by the dimensions that it needs amounts of, sorted by their names: who
// accepts what is found may remember what it was asked, so each look asks in the same order.
type shelf[T any] []*sorts[T]

// find is where those of a name stand, or would.
func (s shelf[T]) find(name string) (at int, found bool) {
	return slices.BinarySearchFunc(s, name, func(like *sorts[T], name string) int { return strings.Compare(like.name, name) })
}

// sorts are those of a shelf that need amounts of the same dimensions.
type sorts[T any] struct {
	name    string
	amounts []amount // of one of them; of all, what they are of
	tree    tree[T, bounds]
}

// spot is where something stands.
type spot[T any] struct {
	sorts *sorts[T]
	node  node[T, bounds]
}

// add puts something among the others of its account.
func (s *shelves[T]) add(of account, x T, w wanted, rank uint64) *spot[T] {
	amounts := w.amounts()
	name := sortOf(amounts)
	i, found := s.of[of].find(name)
	if !found {
		like := &sorts[T]{name: name, amounts: amounts, tree: tree[T, bounds]{before: s.before}}
		s.of[of] = slices.Insert(s.of[of], i, like)
	}
	like := s.of[of][i]
	at := &spot[T]{sorts: like, node: node[T, bounds]{of: x, rank: rank, own: w.boundsOf(amounts)}}
	like.tree.add(&at.node)
	return at
}

func (s *shelves[T]) remove(of account, at *spot[T]) {
	at.sorts.tree.remove(&at.node)
	if at.sorts.tree.root != nil {
		return
	}
	i, _ := s.of[of].find(at.sorts.name)
	if s.of[of] = slices.Delete(s.of[of], i, i+1); len(s.of[of]) == 0 {
		delete(s.of, of)
	}
}

// all are those of an account that a look finds.
func (s *shelves[T]) all(of account, l look) []T { return s.firsts(of, l, math.MaxInt) }

// firsts are those of an account that a look finds, of those that need amounts of the same dimensions so many, the first.
func (s *shelves[T]) firsts(of account, l look, most int) (out []T) {
	for _, like := range s.of[of] {
		r, n := like.reach(l), 0
		firstWithin(like.tree.root, &r, func(x T) bool { return s.past(x, l) }, func(x T) bool {
			out = append(out, x)
			n++
			return n >= most
		})
	}
	return out
}

// look is for what needs no more of each dimension than there is; and, where that is given,
// more of one than beyond, and what comes before something else.
type look struct {
	within func(berth.Dimension) int64
	beyond func(berth.Dimension) int64
	before *gathering
}

// past says whether nothing is looked for from here on.
func (s *shelves[T]) past(x T, l look) bool {
	return l.before != nil && !s.asks(x).before(l.before)
}

// anything is a look for all that is there.
func anything() look { return look{within: func(berth.Dimension) int64 { return unbounded }} }

// reach is how far a look goes among those of some dimensions.
type reach struct {
	within, beyond [amountsNoted]int64
	any            bool // there is no beyond
}

func (s *sorts[T]) reach(l look) (r reach) {
	r.any = l.beyond == nil
	for i := range amountsNoted {
		r.within[i], r.beyond[i] = unbounded, unbounded
	}
	for i, a := range s.amounts[:min(len(s.amounts), amountsNoted)] {
		if len(a.of) == 0 {
			r.beyond[i] = 0
			continue
		}
		r.within[i] = l.within(a.of[0])
		for _, more := range each(a.of[1:], l.within) { // a group may have some of each
			r.within[i] += min(max(more, 0), unbounded-r.within[i])
		}
		if !r.any {
			r.beyond[i] = slices.Min(each(a.of, l.beyond))
		}
	}
	return r
}

func each(of []berth.Dimension, bound func(berth.Dimension) int64) []int64 {
	out := make([]int64, len(of))
	for i, d := range of {
		out[i] = bound(d)
	}
	return out
}

// holds says whether something with those bounds may be what is looked for.
func (r *reach) holds(b *bounds) bool {
	passes := r.any
	for i := range amountsNoted {
		if b[i] > r.within[i] {
			return false
		}
		passes = passes || -b[amountsNoted+i] > r.beyond[i]
	}
	return passes
}

// first is the first of an account that a look finds, and that is accepted.
func (s *shelves[T]) first(of account, l look, accept func(T) bool) (first T, ok bool) {
	for _, like := range s.of[of] {
		r := like.reach(l)
		n := firstWithin(like.tree.root, &r, func(x T) bool { return ok && !s.before(x, first) || s.past(x, l) }, accept)
		if n != nil {
			first, ok = n.of, true
		}
	}
	return first, ok
}

// firstWithin is the first of a branch that is accepted, and not behind a limit.
func firstWithin[T any](n *node[T, bounds], r *reach, behind, accept func(T) bool) *node[T, bounds] {
	if n == nil || !r.holds(&n.all) {
		return nil
	}
	if found := firstWithin(n.left, r, behind, accept); found != nil {
		return found
	}
	if behind(n.of) {
		return nil
	}
	if r.holds(&n.own) && accept(n.of) {
		return n
	}
	return firstWithin(n.right, r, behind, accept)
}
