package daemon

import (
	"maps"
	"slices"
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

func (n need) most(o need) need {
	for i := range n {
		n[i] = max(n[i], o[i])
	}
	return n
}

// nothing is less than anything wants.
var nothing = need{-1, -1, -1, -1}

// asks is what is noted of blocked classes: what they need, and the last giver that they
// have seen.
type asks [len(need{}) + 1]int64

const seen = len(need{})

func asksOf(n need) (a asks) {
	copy(a[:], n[:])
	return a
}

// within says whether so much is there of all.
func (a *asks) within(free *need) bool {
	for i := range free {
		if a[i] > free[i] {
			return false
		}
	}
	return true
}

// blockedClasses are those of one pool that no worker can take. Who asks which of
// them comes first of those that fit a worker judges few: they stand in groups of
// equal constraints, of which a worker's labels rule out whole ones; in these by
// tenants, in the order of their turns; and of each in their own order.
type blockedClasses struct {
	groups inOrder[string, *blockedGroup]
}

type blockedGroup struct {
	constraints berth.Selector
	rows        tree[*row, asks]
	free        need  // the most that any giver has that the constraints allow
	upTo        int64 // the last giver that was looked at for it
}

// row is the blocked classes of a line that are in one group.
type row struct {
	line    *line
	group   *blockedGroup
	name    string // of the group
	classes tree[*class, asks]
	node    node[*row, asks]
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
func (s *blockedClasses) add(c *class) {
	at := c.line.rows[c.group]
	fresh := at == nil
	if fresh {
		at = s.enter(c.line, c.group, c.members[0].request.Constraints)
	}
	c.row = at
	at.classes.add(&c.node)
	at.sum()
	if fresh {
		at.group.rows.add(&at.node)
	} else {
		at.group.rows.renew(&at.node)
	}
}

// enter makes the row of a line in a group, which has no class yet.
func (s *blockedClasses) enter(g *line, name string, constraints []berth.Constraint) *row {
	of := s.groups.get(name)
	if of == nil {
		of = &blockedGroup{
			constraints: berth.Selector{}.Add(constraints),
			rows:        tree[*row, asks]{before: func(a, b *row) bool { return a.line.before(b.line) }},
			free:        nothing,
		}
		s.groups.put(name, of)
	}
	at := &row{line: g, group: of, name: name, classes: tree[*class, asks]{before: func(a, b *class) bool { return a.members[0].before(b.members[0]) }}}
	at.node = node[*row, asks]{of: at, rank: scheduler.Hash(string(g.of.tenant))}
	g.rows[name] = at
	return at
}

// sum is of the classes of a row.
func (r *row) sum() { r.node.own = r.classes.root.all }

// remove takes out a class whose first is what it was when it was added.
func (s *blockedClasses) remove(c *class) {
	at := c.row
	at.classes.remove(&c.node)
	c.row = nil
	if at.classes.root != nil {
		at.sum()
		at.group.rows.renew(&at.node)
		return
	}
	at.group.rows.remove(&at.node)
	delete(at.line.rows, at.name)
	if at.group.rows.root == nil {
		s.groups.remove(at.name)
	}
}

// firstBlocked is the first of an account that waits for a worker, and which some worker could take, were it empty;
// nil: none does. It looks at the first alone of those of equal constraints.
func (q *queue) firstBlocked(of account) (first *waiting) {
	g := q.lines[of]
	if g == nil {
		return nil
	}
	for _, r := range g.rows { // in which order decides nothing
		n := r.classes.root
		for n.left != nil {
			n = n.left
		}
		if c := n.of; c.verdict != nil && !c.verdict.NeverFits && (first == nil || c.members[0].before(first)) {
			first = c.members[0]
		}
	}
	return first
}

// eachBlocked visits the first classes of an account that wait for a worker, and which some worker could take, were it empty, until one is what is looked for; of
// those of equal constraints each after the other, and no more than so many in all.
func (q *queue) eachBlocked(of account, most int, found func(*class) bool) {
	g := q.lines[of]
	if g == nil {
		return
	}
	var look func(n *node[*class, asks]) bool
	look = func(n *node[*class, asks]) bool {
		if n == nil || look(n.left) {
			return n != nil
		}
		if most--; most < 0 || n.of.verdict != nil && !n.of.verdict.NeverFits && found(n.of) {
			return true
		}
		return look(n.right)
	}
	for _, name := range slices.Sorted(maps.Keys(g.rows)) {
		if look(g.rows[name].classes.root) {
			return
		}
	}
}
