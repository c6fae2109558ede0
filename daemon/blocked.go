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
// equal constraints, of which a worker's labels rule out whole ones; in these by
// tenants, in the order of their turns; and of each in their own order.
type blockedClasses map[string]*blockedGroup

type blockedGroup struct {
	constraints berth.Selector
	rows        tree[*row]
}

// row is the blocked classes of a line that are in one group.
type row struct {
	line    *line
	group   *blockedGroup
	name    string // of the group
	classes tree[*class]
	node    node[*row]
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

// add puts a class among the others of its line.
func (s blockedClasses) add(c *class) {
	r := c.members[0].request
	name := groupName(r.Constraints)
	at := c.line.rows[name]
	if at == nil {
		at = s.enter(c.line, name, r.Constraints)
	} else {
		at.group.rows.remove(&at.node)
	}
	c.row = at
	c.node = node[*class]{of: c, rank: scheduler.Hash(c.key.shape), need: needOf(&r.Resources)}
	at.classes.add(&c.node)
	at.stand()
}

// enter makes the row of a line in a group, which has no class yet.
func (s blockedClasses) enter(g *line, name string, constraints []berth.Constraint) *row {
	of := s[name]
	if of == nil {
		of = &blockedGroup{
			constraints: berth.Selector{}.Add(constraints),
			rows:        tree[*row]{before: func(a, b *row) bool { return a.line.before(b.line) }},
		}
		s[name] = of
	}
	at := &row{line: g, group: of, name: name, classes: tree[*class]{before: func(a, b *class) bool { return a.members[0].before(b.members[0]) }}}
	at.node = node[*row]{of: at, rank: scheduler.Hash(string(g.of.tenant))}
	g.rows[name] = at
	return at
}

// stand puts a row among the others of its group, with what its classes need.
func (r *row) stand() {
	r.node.need = r.classes.root.least
	r.group.rows.add(&r.node)
}

// remove takes out a class whose first is what it was when it was added.
func (s blockedClasses) remove(c *class) {
	at := c.row
	at.group.rows.remove(&at.node)
	at.classes.remove(&c.node)
	c.row = nil
	if at.classes.root != nil {
		at.stand()
		return
	}
	delete(at.line.rows, at.name)
	if at.group.rows.root == nil {
		delete(s, at.name)
	}
}

// search is for a class that a worker can take.
type search struct {
	free   need // of the worker: what is within it is judged
	labels map[string]string
	after  *waiting // of its line, those that come behind it; nil: all
	line   *line    // that after is of
	until  *class   // those that come before it; nil: all
	fits   func(*waiting) bool
}

// first is the class that comes first of those that fit, or nil.
func (s blockedClasses) first(of *search) (best *class) {
	for _, g := range s {
		if !g.constraints.Allows(of.labels) {
			continue
		}
		if c := g.rows.root.first(of.free, of.sideOfRow, of.inRow); c != nil && (best == nil || c.before(best)) {
			best = c
		}
	}
	return best
}

func (of *search) sideOfRow(r *row) int {
	if of.until != nil && r.line != of.until.line && !r.line.before(of.until.line) {
		return sideBehind
	}
	return 0
}

// anyBefore says whether a class comes before c.
func (s blockedClasses) anyBefore(c *class) bool {
	for _, g := range s {
		if r := g.rows.root.leftmost(); r.line.before(c.line) || r.line == c.line && r.classes.root.leftmost().before(c) {
			return true
		}
	}
	return false
}

func (of *search) inRow(r *row) *class {
	return r.classes.root.first(of.free, of.sideOfClass, func(c *class) *class {
		if of.fits(c.members[0]) {
			return c
		}
		return nil
	})
}

func (of *search) sideOfClass(c *class) int {
	switch {
	case of.after != nil && c.line == of.line && !of.after.before(c.members[0]):
		return sideBefore
	case of.until != nil && c.line == of.until.line && !c.before(of.until):
		return sideBehind
	}
	return 0
}
