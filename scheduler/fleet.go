package scheduler

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// PolicyVersion names the rules by which this package decides. It is raised with
// every change that may alter a decision, so that a replay knows its rules.
const PolicyVersion = "20"

// DeviceTypes are the types of devices that a pool's workers have, open or not, sorted.
func (f *Fleet) DeviceTypes(pool berth.PoolID) []string {
	if p := f.pools[pool]; p != nil {
		return p.dealer.kinds()
	}
	return nil
}

// Worker is what the scheduler knows of a worker. Its maps and slices are shared
// with the fleet and must not be changed after Put; a new Put replaces them.
type Worker struct {
	ID        berth.WorkerID
	Epoch     berth.Epoch
	Pool      berth.PoolID
	Labels    map[string]string
	Taints    []berth.Taint // that it registered with
	Ordered   []berth.Taint // by an operator, who may take them back
	Ledger    berth.Ledger
	Ready     bool              // the ledger is open for the epoch
	Cordoned  bool              // by an operator
	Draining  bool              // by an operator
	Removing  bool              // by an operator
	Why       string            // the operator's message
	Suspended bool              // its starts fail in a row
	Probing   bool              // after a suspension: one start at a time
	Starting  int               // placed and not running yet; counts while Probing
	Held      bool              // for a moment, for a group
	Foreign   bool              // of another daemon's share than the one that asks: comes after its own that are not too full
	Unhealthy map[string]string // devices not to be used, and why
	Images    bool              // its runtime runs requests with an image
	Warm      []string          // affinity keys that it has said are warm there
	Holds     []string          // images that it has said are there
}

// Fleet is the workers of all pools, with what is free of each.
type Fleet struct {
	nodes      map[berth.WorkerID]*node
	pools      map[berth.PoolID]*pool
	strategies map[berth.PoolID]berth.Strategy
	weighings  map[berth.PoolID]*weighing // of pools with weights
	plain      prices                     // of a pool without workers: all room is alike
	holdings   map[berth.WorkerID]*holding
	relations  map[berth.PoolID]*relations
	stamps     uint64                     // of changes of those
	levels     map[berth.WorkerID][]level // by priority
	keeps      map[berth.PoolID]*keeping
	clock      int64                    // see SetClock
	shadows    map[berth.PoolID]*shadow // of pools that have one
	query      query                    // of the call in progress: its slices are used again
	making     bool                     // that is about who makes room: see Claim
}

// NewFleet returns a fleet without workers.
func NewFleet() *Fleet {
	return &Fleet{
		nodes:      make(map[berth.WorkerID]*node),
		pools:      make(map[berth.PoolID]*pool),
		strategies: make(map[berth.PoolID]berth.Strategy),
		weighings:  make(map[berth.PoolID]*weighing),
		holdings:   make(map[berth.WorkerID]*holding),
		relations:  make(map[berth.PoolID]*relations),
		levels:     make(map[berth.WorkerID][]level),
		keeps:      make(map[berth.PoolID]*keeping),
		shadows:    make(map[berth.PoolID]*shadow),
	}
}

// SetStrategy says how pool chooses among the workers that fit. Without it, and
// with any other word than binpack, it spreads.
func (f *Fleet) SetStrategy(pool berth.PoolID, s berth.Strategy) {
	f.strategies[pool] = s
	if p := f.pools[pool]; p != nil {
		p.setStrategy(s == berth.StrategyBinpack)
	}
}

// Set has a pool choose as an operator has set it.
func (f *Fleet) Set(pool berth.PoolID, p *berth.Pool) {
	f.SetStrategy(pool, p.Strategy)
	f.SetWeights(pool, p.Weights)
}

// Put adds a worker, or replaces it.
func (f *Fleet) Put(w Worker) {
	f.settle(&w)
	n := f.nodes[w.ID]
	if n != nil && n.worker.Pool != w.Pool {
		f.Remove(w.ID)
		n = nil
	}
	if n == nil {
		n = newNode(w, f.keptOn(&w))
		f.nodes[w.ID] = n
		f.pool(w.Pool).enter(n)
		f.notePut(n)
		return
	}
	p := f.pools[w.Pool]
	p.changing(n)
	same := n.worker.Images == w.Images && maps.Equal(n.worker.Labels, w.Labels) && maps.Equal(n.worker.Ledger.Capacity.Custom, w.Ledger.Capacity.Custom) &&
		slices.Equal(n.worker.Taints, w.Taints) && slices.Equal(n.worker.Ordered, w.Ordered)
	p.dealer.add(n, -1)
	p.relink(n, w)
	p.dealer.number(n)
	p.dealer.add(n, 1)
	if !same {
		p.members++
		n.own.selections = p.selections.of(n)
	}
	p.changed(n)
	f.notePut(n)
}

// pool is the pool of that name; made with its first worker.
func (f *Fleet) pool(id berth.PoolID) *pool {
	p := f.pools[id]
	if p == nil {
		p = newPool(f.strategies[id] == berth.StrategyBinpack)
		p.weighing = f.weighings[id]
		f.pools[id] = p
	}
	return p
}

// Remove forgets a worker.
func (f *Fleet) Remove(id berth.WorkerID) {
	n := f.nodes[id]
	if n == nil {
		return
	}
	delete(f.nodes, id)
	f.noteGone(n)
	if h := f.holdings[id]; h != nil {
		f.dropEmpty(h)
	}
	p := f.pools[n.worker.Pool]
	p.leave(n)
	if len(p.nodes) == 0 {
		delete(f.pools, n.worker.Pool)
	}
}

// Worker returns a worker as it is now, with what Place has reserved on it, or
// nil. It is to be read only, and only until the fleet changes.
func (f *Fleet) Worker(id berth.WorkerID) *Worker {
	if n := f.nodes[id]; n != nil {
		return &n.worker
	}
	return nil
}
