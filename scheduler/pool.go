package scheduler

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// pool holds the workers of one pool: those without devices apart from those
// with, so that requests that need none keep off the latter while they can, and
// are spread over the former alone.
type pool struct {
	nodes      []*node // all, in an order that is nobody's business
	named      []int32 // their indices, in the order of their names
	plain      tier
	devices    tier
	binpack    bool
	weighing   *weighing // nil: no weights
	selections selections
	dealer     dealer
	heat       heat               // by affinity key
	held       heat               // by image
	members    uint64             // changes with who is open, or has other labels or taints
	links      map[string][]*node // who has devices of a link domain, in no order
}

// tier is the workers that are open for placements, by what a search tells apart
// at once, with sums over each selection.
type tier struct {
	groups []*group // sorted
	sums   []totals // by the selection's number
}

// group is the open workers of equal types of devices, own or foreign.
type group struct {
	tree
	tier    *tier
	kinds   []string // of devices, sorted
	foreign bool
}

func newPool(binpack bool) *pool {
	p := &pool{
		binpack: binpack, selections: newSelections(), dealer: newDealer(),
		heat: make(heat), held: make(heat), links: make(map[string][]*node),
	}
	p.plain.sums, p.devices.sums = make([]totals, 1), make([]totals, 1)
	return p
}

// enter adds a worker.
func (p *pool) enter(n *node) {
	n.at = len(p.nodes)
	p.nodes = append(p.nodes, n)
	p.enterName(n)
	p.enlink(n)
	n.own.selections = p.selections.of(n)
	p.dealer.number(n)
	p.dealer.add(n, 1)
	p.changed(n)
}

// leave takes a worker out.
func (p *pool) leave(n *node) {
	p.changing(n)
	p.unlink(n)
	n.open = false
	p.dealer.add(n, -1)
	p.changed(n)
	last := p.nodes[len(p.nodes)-1]
	p.leaveName(n, last)
	p.nodes[n.at], last.at = last, n.at
	p.nodes[len(p.nodes)-1] = nil
	p.nodes = p.nodes[:len(p.nodes)-1]
	p.dealer.moved(last)
}

// enterName puts a worker that has an index into the order of the names.
func (p *pool) enterName(n *node) {
	p.named = slices.Insert(p.named, p.nameAt(n), int32(n.at))
}

// leaveName takes one out whose index the last of the workers is about to get.
func (p *pool) leaveName(n, last *node) {
	i := p.nameAt(n)
	p.named = slices.Delete(p.named, i, i+1)
	if last != n {
		p.named[p.nameAt(last)] = int32(n.at)
	}
}

// nameAt is where a worker stands, or is to stand.
func (p *pool) nameAt(n *node) int {
	i, _ := slices.BinarySearchFunc(p.named, n.worker.ID, func(at int32, id berth.WorkerID) int {
		return strings.Compare(string(p.nodes[at].worker.ID), string(id))
	})
	return i
}

// changing is told before a worker changes, and changed thereafter.
func (p *pool) changing(n *node) {
	if n.open {
		p.tierOf(n).sub(n)
	}
}

func (p *pool) changed(n *node) {
	p.dealer.touch(n)
	n.warm = p.heat.note(n, n.warm, n.worker.Warm)
	n.holds = p.held.note(n, n.holds, n.worker.Holds)
	var g *group
	if n.open {
		t := p.tierOf(n)
		t.add(n)
		g = p.groupOf(t, n)
	}
	if g == n.group {
		if g != nil {
			g.changed(n)
		}
		return
	}
	if was := n.group; was != nil {
		was.remove(n)
		if was.root == nil {
			was.tier.groups = slices.DeleteFunc(was.tier.groups, func(o *group) bool { return o == was })
		}
	}
	p.members++
	if n.group = g; g != nil {
		g.insert(n)
	}
}

// setStrategy orders the workers anew.
func (p *pool) setStrategy(binpack bool) {
	if p.binpack == binpack {
		return
	}
	p.binpack = binpack
	if p.weighing != nil {
		clear(p.dealer.rows) // what is loaded is better now, or worse
	}
	p.plain.groups, p.devices.groups = nil, nil
	for _, n := range p.nodes {
		n.group = nil
		if n.open {
			n.group = p.groupOf(p.tierOf(n), n)
			n.group.insert(n)
		}
	}
}

func (p *pool) tierOf(n *node) *tier {
	if len(n.devices) > 0 {
		return &p.devices
	}
	return &p.plain
}

// groupOf is the group of a tier that n belongs to; made when it is the first.
func (p *pool) groupOf(t *tier, n *node) *group {
	i, found := slices.BinarySearchFunc(t.groups, n, func(g *group, n *node) int {
		if g.foreign != n.worker.Foreign {
			return order(n.worker.Foreign)
		}
		return slices.Compare(g.kinds, n.kinds)
	})
	if !found {
		g := &group{tier: t, kinds: slices.Clone(n.kinds), foreign: n.worker.Foreign}
		g.before = ringOrder
		if p.binpack {
			g.before = fuller
		}
		t.groups = slices.Insert(t.groups, i, g)
	}
	return t.groups[i]
}

func (t *tier) add(n *node) {
	for s := n.own.selections; s != 0; s &= s - 1 {
		t.sums[bits.TrailingZeros64(s)].add(n)
	}
}

func (t *tier) sub(n *node) {
	for s := n.own.selections; s != 0; s &= s - 1 {
		t.sums[bits.TrailingZeros64(s)].sub(n)
	}
}

// totals sums what workers have and use.
type totals struct {
	used, capacity [amounts]wide
	count, workers wide
}

func (t *totals) add(n *node) {
	for r := range amounts {
		t.used[r] = t.used[r].plus(uint64(n.used[r]))
		t.capacity[r] = t.capacity[r].plus(uint64(max(n.capacity[r], 0)))
	}
	t.count, t.workers = t.count.plus(n.own.count), t.workers.plus(1)
}

func (t *totals) sub(n *node) {
	for r := range amounts {
		t.used[r] = t.used[r].minus(uint64(n.used[r]))
		t.capacity[r] = t.capacity[r].minus(uint64(max(n.capacity[r], 0)))
	}
	t.count, t.workers = t.count.minus(n.own.count), t.workers.minus(1)
}
