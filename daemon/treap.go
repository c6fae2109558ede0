package daemon

// tree is a treap: in an order, and a heap by rank, which is a hash, so that it is as
// flat as a random tree. It knows of each branch the least of each of what is noted of its
// things, so that who looks for what fits judges few.
type tree[T any, S notes] struct {
	root   *node[T, S]
	before func(a, b T) bool // total, and the same while both are in the tree
}

// notes are those of a thing, or the least of a branch. They are arrays, for a method of theirs
// would be called by the dictionary of the type parameters: twice as slow, all in all.
type notes interface{ asks | bounds }

// node is a thing's place in a tree.
type node[T any, S notes] struct {
	of          T
	left, right *node[T, S]
	rank        uint64
	own, all    S // of the thing, and of the branch
}

func (t *tree[T, S]) add(n *node[T, S]) {
	n.left, n.right = nil, nil
	n.refresh()
	before, after := t.split(t.root, n)
	t.root = merge(merge(before, n), after)
}

// remove takes out what is in the tree.
func (t *tree[T, S]) remove(n *node[T, S]) { t.root = t.without(t.root, n) }

// renew takes up what has changed of a thing that is in the tree, and stays where it is.
func (t *tree[T, S]) renew(n *node[T, S]) { t.renewFrom(t.root, n) }

func (t *tree[T, S]) renewFrom(at, n *node[T, S]) {
	switch {
	case at == n:
	case t.before(n.of, at.of):
		t.renewFrom(at.left, n)
	default:
		t.renewFrom(at.right, n)
	}
	at.refresh()
}

func (n *node[T, S]) refresh() *node[T, S] {
	n.all = n.own
	if o := n.left; o != nil {
		for i := range len(n.all) {
			n.all[i] = min(n.all[i], o.all[i])
		}
	}
	if o := n.right; o != nil {
		for i := range len(n.all) {
			n.all[i] = min(n.all[i], o.all[i])
		}
	}
	return n
}

func merge[T any, S notes](a, b *node[T, S]) *node[T, S] {
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
func (t *tree[T, S]) split(at, n *node[T, S]) (before, after *node[T, S]) {
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

func (t *tree[T, S]) without(at, n *node[T, S]) *node[T, S] {
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
