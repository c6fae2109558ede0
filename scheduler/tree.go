package scheduler

// tree keeps workers in an order, and knows of each subtree what its workers have
// at most (see summary), so that a search passes over what cannot help it. It is a
// treap: the priorities are hashes of the workers' ids, so its depth is that of a
// random tree whatever the order, and what it looks like follows from who is in
// it. To put in, take out or change one of n workers is O(log n).
type tree struct {
	root   *node
	before func(a, b *node) bool // a strict order, total
}

// links are a worker's place in a tree.
type links struct {
	up, left, right *node
	priority        uint64
	all             summary // of the subtree
	size            uint64  // of the subtree
}

func (t *tree) insert(n *node) {
	at, up := &t.root, (*node)(nil)
	for *at != nil {
		up = *at
		if t.before(n, up) {
			at = &up.left
		} else {
			at = &up.right
		}
	}
	*at = n
	n.up, n.left, n.right = up, nil, nil
	n.sum()
	for n.up != nil && n.up.priority < n.priority {
		t.lift(n)
	}
	n.up.sumUp()
}

func (t *tree) remove(n *node) {
	for n.left != nil || n.right != nil {
		c := n.left
		if c == nil || (n.right != nil && n.right.priority > c.priority) {
			c = n.right
		}
		t.lift(c)
	}
	up := n.up
	*t.slot(n) = nil
	n.up = nil
	up.sumUp()
}

// sumUp makes the summaries from n up to the root anew: one that is left may have
// changed before that, so that equal ones on the way prove nothing.
func (n *node) sumUp() {
	for ; n != nil; n = n.up {
		n.sum()
	}
}

// changed brings the tree in line with a worker whose summary or place in the
// order has changed.
func (t *tree) changed(n *node) {
	if t.placed(n) {
		n.mend()
		return
	}
	t.remove(n)
	t.insert(n)
}

// placed says whether n still stands between its neighbours.
func (t *tree) placed(n *node) bool {
	if p := n.previous(); p != nil && !t.before(p, n) {
		return false
	}
	next := n.next()
	return next == nil || t.before(n, next)
}

func (n *node) previous() *node {
	if c := n.left; c != nil {
		for c.right != nil {
			c = c.right
		}
		return c
	}
	for n.up != nil && n.up.left == n {
		n = n.up
	}
	return n.up
}

func (n *node) next() *node {
	if c := n.right; c != nil {
		for c.left != nil {
			c = c.left
		}
		return c
	}
	for n.up != nil && n.up.right == n {
		n = n.up
	}
	return n.up
}

// nth is the worker that i others stand before.
func (t *tree) nth(i uint64) *node {
	n := t.root
	for {
		before := uint64(0)
		if n.left != nil {
			before = n.left.size
		}
		switch {
		case i == before:
			return n
		case i < before:
			n = n.left
		default:
			i, n = i-before-1, n.right
		}
	}
}

// slot is what points to n.
func (t *tree) slot(n *node) **node {
	switch {
	case n.up == nil:
		return &t.root
	case n.up.left == n:
		return &n.up.left
	}
	return &n.up.right
}

// lift turns n and the one above it around.
func (t *tree) lift(n *node) {
	up := n.up
	*t.slot(up) = n
	n.up = up.up
	if up.left == n {
		up.left, n.right = n.right, up
		up.left.setUp(up)
	} else {
		up.right, n.left = n.left, up
		up.right.setUp(up)
	}
	up.up = n
	up.sum()
	n.sum()
}

func (n *node) setUp(up *node) {
	if n != nil {
		n.up = up
	}
}

// mend brings the summaries from n upwards in line with n, up to the first that
// does not change.
func (n *node) mend() {
	for ; n != nil; n = n.up {
		was := n.all
		if n.sum(); n.all == was {
			return
		}
	}
}

func (n *node) sum() {
	n.all, n.size = n.own, 1
	for _, c := range [2]*node{n.left, n.right} {
		if c != nil {
			n.all.join(&c.all)
			n.size += c.size
		}
	}
}

// sumAll makes all summaries anew.
func (n *node) sumAll() {
	if n != nil {
		n.left.sumAll()
		n.right.sumAll()
		n.sum()
	}
}
