package scheduler

import (
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// PolicyVersion names the rules by which this package decides. It is raised with
// every change that may alter a decision, so that a replay knows its rules.
const PolicyVersion = "3"

// Worker is what the scheduler knows of a worker. Its maps and slices are shared
// with the fleet and must not be changed after Put; a new Put replaces them.
type Worker struct {
	ID        berth.WorkerID
	Epoch     berth.Epoch
	Pool      berth.PoolID
	Labels    map[string]string
	Ledger    berth.Ledger
	Ready     bool              // the ledger is open for the epoch
	Cordoned  bool              // by an operator
	Draining  bool              // by an operator
	Removing  bool              // by an operator
	Why       string            // the operator's message
	Suspended bool              // its starts fail in a row
	Probing   bool              // after a suspension: one start at a time
	Starting  int               // placed and not running yet; counts while Probing
	Foreign   bool              // of another daemon's share than the one that asks: comes after its own that are not too full
	Unhealthy map[string]string // devices not to be used, and why
}

// Fleet is the workers of all pools, with what is free of each.
type Fleet struct {
	nodes      map[berth.WorkerID]*node
	pools      map[berth.PoolID]*pool
	strategies map[berth.PoolID]berth.Strategy
	query      query // of the call in progress: its slices are used again
}

// pool holds the workers of one pool: those without devices apart from those
// with, so that requests that need none keep off the latter while they can, and
// are spread over the former alone.
type pool struct {
	plain   tier
	devices tier
}

// tier is workers sorted by id, with the sums over those open for placements.
type tier struct {
	nodes []*node
	open  totals
}

// NewFleet returns a fleet without workers.
func NewFleet() *Fleet {
	return &Fleet{
		nodes:      make(map[berth.WorkerID]*node),
		pools:      make(map[berth.PoolID]*pool),
		strategies: make(map[berth.PoolID]berth.Strategy),
	}
}

// SetStrategy says how pool chooses among the workers that fit. Without it, and
// with any other word than binpack, it spreads.
func (f *Fleet) SetStrategy(pool berth.PoolID, s berth.Strategy) { f.strategies[pool] = s }

// Put adds a worker, or replaces it.
func (f *Fleet) Put(w Worker) {
	f.Remove(w.ID)
	n := newNode(w)
	f.nodes[w.ID] = n
	p := f.pools[w.Pool]
	if p == nil {
		p = &pool{}
		f.pools[w.Pool] = p
	}
	t := p.tierOf(n)
	i, _ := t.find(w.ID)
	t.nodes = slices.Insert(t.nodes, i, n)
	t.open.add(n)
}

// Remove forgets a worker.
func (f *Fleet) Remove(id berth.WorkerID) {
	n := f.nodes[id]
	if n == nil {
		return
	}
	delete(f.nodes, id)
	p := f.pools[n.worker.Pool]
	t := p.tierOf(n)
	i, _ := t.find(id)
	t.nodes = slices.Delete(t.nodes, i, i+1)
	t.open.sub(n)
	if len(p.plain.nodes)+len(p.devices.nodes) == 0 {
		delete(f.pools, n.worker.Pool)
	}
}

// Worker returns a worker as it is now, with what Place has reserved on it.
func (f *Fleet) Worker(id berth.WorkerID) (Worker, bool) {
	if n := f.nodes[id]; n != nil {
		return n.worker, true
	}
	return Worker{}, false
}

func (p *pool) tierOf(n *node) *tier {
	if len(n.worker.Ledger.Capacity.Devices) > 0 {
		return &p.devices
	}
	return &p.plain
}

func (t *tier) find(id berth.WorkerID) (int, bool) {
	return slices.BinarySearchFunc(t.nodes, id, func(n *node, id berth.WorkerID) int {
		return strings.Compare(string(n.worker.ID), string(id))
	})
}
