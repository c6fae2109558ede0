package daemon

import (
	"strconv"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// need is how much a class wants of what workers have most of: thousandths of a
// core, bytes of memory, of disk, and devices. What has less of one fits none of it;
// what has enough of all may.
type need [4]int64

func needOf(d *berth.Demand) (n need) {
	n = need{d.CPUMilli, d.MemoryBytes, d.DiskBytes}
	for _, dev := range d.Devices {
		n[3] = max(n[3], dev.Count) // two demands may share a device
	}
	return n
}

// within says whether so much is there of all.
func (n need) within(free need) bool {
	for i := range n {
		if n[i] > free[i] {
			return false
		}
	}
	return true
}

func (n need) least(o need) need {
	for i := range n {
		n[i] = min(n[i], o[i])
	}
	return n
}

// blockedClasses are those of one pool that no worker can take. Who asks which of
// them comes first of those that fit a worker judges few: they stand in groups of
// equal constraints, of which a worker's labels rule out whole ones, and in these in
// trees that know the least need in each branch.
type blockedClasses map[string]*blockedGroup

type blockedGroup struct {
	constraints berth.Selector
	root        *class
}

func groupName(constraints []berth.Constraint) string {
	var b []byte
	for _, c := range constraints {
		b = strconv.AppendQuote(b, c.Label)
		b = append(b, c.Operator...)
		for _, v := range c.Values {
			b = strconv.AppendQuote(b, v)
		}
	}
	return string(b)
}

func (s blockedClasses) add(c *class) {
	r := c.members[0].request
	name := groupName(r.Constraints)
	g := s[name]
	if g == nil {
		g = &blockedGroup{constraints: berth.Selector{}.Add(r.Constraints)}
		s[name] = g
	}
	c.group = name
	c.node = node{rank: scheduler.Hash(c.shape), need: needOf(&r.Resources)}
	c.node.least = c.node.need
	before, after := split(g.root, c.members[0])
	g.root = merge(merge(before, c), after)
}

// remove takes out a class whose first is what it was when it was added.
func (s blockedClasses) remove(c *class) {
	g := s[c.group]
	if g.root = without(g.root, c); g.root == nil {
		delete(s, c.group)
	}
}

// search is for a class that a worker can take.
type search struct {
	free   need // of the worker: what is within it is judged
	labels map[string]string
	after  *waiting // those that come behind it; nil: all
	fits   func(*waiting) bool
}

// first is the class that comes first of those that fit, or nil.
func (s blockedClasses) first(of *search) (best *class) {
	for _, g := range s {
		if !g.constraints.Allows(of.labels) {
			continue
		}
		if c := g.root.first(of); c != nil && (best == nil || c.members[0].before(best.members[0])) {
			best = c
		}
	}
	return best
}

// node is a class's place in a treap: in order of the classes' firsts, a heap by
// rank, which is a hash, so that it is as flat as a random tree.
type node struct {
	left, right *class
	rank        uint64
	need, least need // of the class, and in the branch
}

func (c *class) refresh() *class {
	n := &c.node
	n.least = n.need
	for _, child := range []*class{n.left, n.right} {
		if child != nil {
			n.least = n.least.least(child.node.least)
		}
	}
	return c
}

func merge(a, b *class) *class {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.node.rank > b.node.rank:
		a.node.right = merge(a.node.right, b)
		return a.refresh()
	}
	b.node.left = merge(a, b.node.left)
	return b.refresh()
}

// split parts what comes before w from what comes after.
func split(c *class, w *waiting) (before, after *class) {
	if c == nil {
		return nil, nil
	}
	if c.members[0].before(w) {
		c.node.right, after = split(c.node.right, w)
		return c.refresh(), after
	}
	before, c.node.left = split(c.node.left, w)
	return before, c.refresh()
}

func without(t, c *class) *class {
	switch {
	case t == nil:
		return nil
	case t == c:
		return merge(c.node.left, c.node.right)
	case c.members[0].before(t.members[0]):
		t.node.left = without(t.node.left, c)
	default:
		t.node.right = without(t.node.right, c)
	}
	return t.refresh()
}

func (c *class) first(of *search) *class {
	if c == nil || !c.node.least.within(of.free) {
		return nil
	}
	if of.after == nil || of.after.before(c.members[0]) {
		if found := c.node.left.first(of); found != nil {
			return found
		}
		if c.node.need.within(of.free) && of.fits(c.members[0]) {
			return c
		}
	}
	return c.node.right.first(of)
}
