package daemon

// tree is a treap: in an order, and a heap by rank, which is a hash, so that it is as
// flat as a random tree. It knows the least need in each branch, so that who looks for
// what fits judges few.
type tree[T any] struct {
	root   *node[T]
	before func(a, b T) bool // total, and the same while both are in the tree
}

// node is a thing's place in a tree.
type node[T any] struct {
	of          T
	left, right *node[T]
	rank        uint64
	need, least need // of the thing, and in the branch
}

func (t *tree[T]) add(n *node[T]) {
	n.left, n.right, n.least = nil, nil, n.need
	before, after := t.split(t.root, n)
	t.root = merge(merge(before, n), after)
}

// remove takes out what is in the tree.
func (t *tree[T]) remove(n *node[T]) { t.root = t.without(t.root, n) }

func (n *node[T]) refresh() *node[T] {
	n.least = n.need
	if n.left != nil {
		n.least = n.least.least(n.left.least)
	}
	if n.right != nil {
		n.least = n.least.least(n.right.least)
	}
	return n
}

func merge[T any](a, b *node[T]) *node[T] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.rank > b.rank:
		a.right = merge(a.right, b)
		return a.refresh()
	}
	b.left = merge(a, b.left)
	return b.refresh()
}

// split parts what comes before n from what comes after.
func (t *tree[T]) split(at, n *node[T]) (before, after *node[T]) {
	if at == nil {
		return nil, nil
	}
	if t.before(at.of, n.of) {
		at.right, after = t.split(at.right, n)
		return at.refresh(), after
	}
	before, at.left = t.split(at.left, n)
	return before, at.refresh()
}

func (t *tree[T]) without(at, n *node[T]) *node[T] {
	switch {
	case at == nil:
		return nil
	case at == n:
		return merge(n.left, n.right)
	case t.before(n.of, at.of):
		at.left = t.without(at.left, n)
	default:
		at.right = t.without(at.right, n)
	}
	return at.refresh()
}

// Of a thing, for first: it and all before it are passed over, or it and all behind it;
// or it is looked at.
const (
	sideBefore = -1
	sideBehind = 1
)

// first is the first class that is found in the things of a branch, in their order, of
// those that may need no more than is free; or nil.
func (n *node[T]) first(free need, side func(T) int, find func(T) *class) *class {
	if n == nil || !n.least.within(free) {
		return nil
	}
	where := side(n.of)
	if where != sideBefore {
		if c := n.left.first(free, side, find); c != nil {
			return c
		}
	}
	if where == 0 && n.need.within(free) {
		if c := find(n.of); c != nil {
			return c
		}
	}
	if where == sideBehind {
		return nil
	}
	return n.right.first(free, side, find)
}

// leftmost is the first thing of a branch that is not empty.
func (n *node[T]) leftmost() T {
	for n.left != nil {
		n = n.left
	}
	return n.of
}
