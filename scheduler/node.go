package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// The amounts that load is measured in. Custom resources have no common meaning
// across workers and do not count.
const (
	cpu = iota
	memory
	disk
	amounts
)

// vector is one value for each of the amounts.
type vector [amounts]int64

func vectorOf(q *berth.Quantities) vector {
	return vector{q.CPUMilli, q.MemoryBytes, q.DiskBytes}
}

// node is a worker with everything that can be computed before a request comes.
type node struct {
	worker    Worker
	hash      uint64
	open      bool // no filter of its own state rejects it
	capacity  vector
	used      vector // reserved and held
	count     uint64 // allocations
	load      fraction
	ports     []int32 // used ones within the range, sorted
	freePorts int64
	devices   []device // as in the capacity
	kinds     []string // the types of its devices, sorted
	empty     *node    // the same worker were it empty and open; made when asked for
}

// device is one device of a worker, with the thousandths free of it.
type device struct {
	name, kind string
	free       int64 // 0 while it is unhealthy
}

func newNode(w Worker) *node {
	n := &node{worker: w, hash: Hash(string(w.ID))}
	n.open = isOpen(n)
	n.capacity = vectorOf(&w.Ledger.Capacity.Quantities)
	for _, d := range w.Ledger.Capacity.Devices {
		if !slices.Contains(n.kinds, d.Type) {
			n.kinds = append(n.kinds, d.Type)
		}
	}
	slices.Sort(n.kinds)
	n.devices = make([]device, 0, len(w.Ledger.Capacity.Devices))
	n.refresh()
	return n
}

// emptied is n without anything on it, healthy and open.
func (n *node) emptied() *node {
	if n.empty == nil {
		n.empty = newNode(Worker{
			ID: n.worker.ID, Epoch: n.worker.Epoch, Pool: n.worker.Pool, Labels: n.worker.Labels, Ready: true,
			Ledger: berth.Ledger{Capacity: n.worker.Ledger.Capacity},
		})
	}
	return n.empty
}

// refresh computes what follows from the ledger.
func (n *node) refresh() {
	l := &n.worker.Ledger
	reserved, held := vectorOf(&l.Reserved.Quantities), vectorOf(&l.Held.Quantities)
	for r := range n.used {
		n.used[r] = sumOrFull(reserved[r], held[r], n.capacity[r])
	}
	n.count = uint64(max(l.Count, 0))
	n.load = n.highest(vector{})
	n.refreshPorts()
	n.refreshDevices()
}

// sumOrFull is a + b; of a corrupt ledger, which Reserve refuses, all there is.
func sumOrFull(a, b, capacity int64) int64 {
	if a < 0 || b < 0 || a+b < 0 {
		return max(capacity, 0)
	}
	return a + b
}

// highest is the dominant share of n with want more on it.
func (n *node) highest(want vector) fraction {
	most := fraction{0, 1}
	for r := range amounts {
		if f, ok := n.share(r, want[r]); ok && most.less(f) {
			most = f
		}
	}
	return most
}

// lowest is the share of the amount that n has most left of, with want more on it.
func (n *node) lowest(want vector) fraction {
	least := fraction{1, 0}
	for r := range amounts {
		if f, ok := n.share(r, want[r]); ok && f.less(least) {
			least = f
		}
	}
	return least
}

// share is how much of amount r is used, with want more; false where there is none of it.
func (n *node) share(r int, want int64) (fraction, bool) {
	used, of := uint64(n.used[r])+uint64(max(want, 0)), n.capacity[r]
	switch {
	case of > 0:
		return fraction{used, uint64(of)}, true
	case used > 0:
		return fraction{1, 0}, true
	}
	return fraction{}, false
}

func (n *node) refreshPorts() {
	l := &n.worker.Ledger
	n.freePorts = l.Capacity.Ports.Count()
	if len(l.Reserved.Ports)+len(l.Held.Ports) == 0 {
		n.ports = n.ports[:0]
		return
	}
	n.ports = append(append(n.ports[:0], l.Reserved.Ports...), l.Held.Ports...)
	n.ports = slices.DeleteFunc(n.ports, func(p int32) bool { return !l.Capacity.Ports.Holds(p) })
	slices.Sort(n.ports)
	n.ports = slices.Compact(n.ports)
	n.freePorts -= int64(len(n.ports))
}

func (n *node) refreshDevices() {
	l := &n.worker.Ledger
	n.devices = n.devices[:0]
	for _, d := range l.Capacity.Devices {
		free := berth.WholeDevice
		if _, ill := n.worker.Unhealthy[d.Name]; ill {
			free = 0
		}
		n.devices = append(n.devices, device{name: d.Name, kind: d.Type, free: free})
	}
	for _, shares := range [][]berth.DeviceShare{l.Reserved.Devices, l.Held.Devices} {
		for _, s := range shares {
			i := slices.IndexFunc(n.devices, func(d device) bool { return d.name == s.Name })
			if i >= 0 {
				n.devices[i].free = max(n.devices[i].free-s.Milli, 0)
			}
		}
	}
}

// totals sums what workers have and use.
type totals struct {
	used, capacity [amounts]wide
	count, workers wide
}

func (t *totals) add(n *node) {
	if !n.open {
		return
	}
	for r := range amounts {
		t.used[r] = t.used[r].plus(uint64(n.used[r]))
		t.capacity[r] = t.capacity[r].plus(uint64(max(n.capacity[r], 0)))
	}
	t.count, t.workers = t.count.plus(n.count), t.workers.plus(1)
}

func (t *totals) sub(n *node) {
	if !n.open {
		return
	}
	for r := range amounts {
		t.used[r] = t.used[r].minus(uint64(n.used[r]))
		t.capacity[r] = t.capacity[r].minus(uint64(max(n.capacity[r], 0)))
	}
	t.count, t.workers = t.count.minus(n.count), t.workers.minus(1)
}
