package daemon

// tree is a treap: in an order, and a heap by rank, which is a hash, so that it is as
// flat as a random tree. It knows of each branch the least need, and which givers all of it
// has seen, so that who looks for what fits judges few.
type tree[T any] struct {
	root   *node[T]
	before func(a, b T) bool // total, and the same while both are in the tree
}

// node is a thing's place in a tree.
type node[T any] struct {
	of           T
	left, right  *node[T]
	rank         uint64
	need, least  need   // of the thing, and in the branch
	seen, oldest uint64 // the last giver that the thing has seen, and the least of the branch
}

func (t *tree[T]) add(n *node[T]) {
	n.left, n.right = nil, nil
	n.refresh()
	before, after := t.split(t.root, n)
	t.root = merge(merge(before, n), after)
}

// remove takes out what is in the tree.
func (t *tree[T]) remove(n *node[T]) { t.root = t.without(t.root, n) }

// renew takes up what has changed of a thing that is in the tree, and stays where it is.
func (t *tree[T]) renew(n *node[T]) { t.renewFrom(t.root, n) }

func (t *tree[T]) renewFrom(at, n *node[T]) {
	switch {
	case at == n:
	case t.before(n.of, at.of):
		t.renewFrom(at.left, n)
	default:
		t.renewFrom(at.right, n)
	}
	at.refresh()
}

func (n *node[T]) refresh() *node[T] {
	n.least, n.oldest = n.need, n.seen
	if o := n.left; o != nil {
		n.least, n.oldest = n.least.least(o.least), min(n.oldest, o.oldest)
	}
	if o := n.right; o != nil {
		n.least, n.oldest = n.least.least(o.least), min(n.oldest, o.oldest)
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

// first is the class that find finds first in the things of a branch, in their order and
// not behind a limit; or nil. It passes over branches that need more than is free, or have
// seen all givers.
func (n *node[T]) first(of *search, behind func(T) bool, find func(*node[T]) *class) *class {
	if n == nil || n.oldest >= of.last {
		return nil
	}
	if !n.least.within(of.group.free) {
		n.oldest = of.last
		return nil
	}
	c := n.left.first(of, behind, find)
	if c == nil && !behind(n.of) {
		if n.seen < of.last {
			c = find(n)
		}
		if c == nil {
			c = n.right.first(of, behind, find)
		}
	}
	n.refresh()
	return c
}
