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
	links            // while it is open
	own      summary // kept with what it is made of, so that the tree never sees an old one
	position uint64  // on the ring
	fullness uint64  // its load, roughly: binpack
	group    *group  // where it stands while it is open
	at       int     // index in the pool's nodes

	worker    Worker
	open      bool // no filter of its own state rejects it
	capacity  vector
	used      vector   // reserved and held
	least     fraction // the share of the amount that it has most left of
	ports     []int32  // used ones within the range, sorted
	freePorts int64
	repels    []berth.Taint // that keep off what does not tolerate them
	disliked  []berth.Taint // that do so where something else fits
	warm      []string      // the keys under which its pool has it: see heat
	holds     []string      // and the images
	devices   []device      // as in the capacity: in the order of their names
	idle      int64         // thousandths free of all of them
	types     []int         // the numbers of their types in the pool
	kinds     []string      // the types of its devices, sorted
	linked    []string      // their link domains, sorted
	freeIn    []int64       // thousandths free in each
	empty     *node         // the same worker were it empty and open; made when asked for
	kept      *berth.Share  // of it, for a group that waits: others see what is left; nil: nothing is
	bare      *node         // the same worker without that; made when asked for

	version      uint64 // changes with what is free of it, unlike any other's of its pool
	worth        float64
	worthVersion uint64
	worthPrices  *prices
	parts        []int32 // see prices.partsOf
}

// device is one device of a worker, with the thousandths free of it.
type device struct {
	free   int64 // 0 while it is unhealthy
	memory int64
	kind   int   // index in the node's kinds
	link   int   // index in the node's linked; noLink: it is in none
	beside int64 // thousandths free in its link domain, or of itself
}

func newNode(w Worker, kept *berth.Share) *node {
	n := &node{position: Mix(Hash(string(w.ID))), kept: kept}
	n.priority = Mix(n.position)
	n.set(w)
	return n
}

// set replaces what is known of the worker.
func (n *node) set(w Worker) {
	n.worker = w
	n.empty = nil
	n.open = isOpen(n)
	n.capacity = vectorOf(&w.Ledger.Capacity.Quantities)
	n.kinds = n.kinds[:0]
	for i := range w.Ledger.Capacity.Devices {
		if kind := w.Ledger.Capacity.Devices[i].Type; !slices.Contains(n.kinds, kind) {
			n.kinds = append(n.kinds, kind)
		}
	}
	slices.Sort(n.kinds)
	n.setLinks()
	n.setTaints()
	n.refresh()
}

// emptied is n without anything on it, healthy and open.
func (n *node) emptied() *node {
	if n.empty == nil {
		n.empty = newNode(Worker{
			ID: n.worker.ID, Epoch: n.worker.Epoch, Pool: n.worker.Pool, Labels: n.worker.Labels, Taints: n.worker.Taints, Images: n.worker.Images, Ready: true,
			Ledger: berth.Ledger{Capacity: n.worker.Ledger.Capacity},
		}, nil)
	}
	return n.empty
}

// refresh computes what follows from the ledger, and from what is kept.
func (n *node) refresh() {
	n.bare = nil
	l := &n.worker.Ledger
	reserved, held := vectorOf(&l.Reserved.Quantities), vectorOf(&l.Held.Quantities)
	for r := range n.used {
		n.used[r] = sumOrFull(reserved[r], held[r], n.capacity[r])
	}
	n.least = n.lowest()
	n.refreshPorts()
	n.refreshDevices()
	n.summarize()
	n.fullness = n.own.load.roughly()
}

// sumOrFull is a + b; of a corrupt ledger, which Reserve refuses, all there is.
func sumOrFull(a, b, capacity int64) int64 {
	if a < 0 || b < 0 || a+b < 0 {
		return max(capacity, 0)
	}
	return a + b
}

// highest is the dominant share of n.
func (n *node) highest() fraction {
	most := fraction{0, 1}
	for r := range amounts {
		if f, ok := n.share(r); ok && most.less(f) {
			most = f
		}
	}
	return most
}

// lowest is the share of the amount that n has most left of.
func (n *node) lowest() fraction {
	least := fraction{1, 0}
	for r := range amounts {
		if f, ok := n.share(r); ok && f.less(least) {
			least = f
		}
	}
	return least
}

// share is how much of amount r is used; false where there is none of it.
func (n *node) share(r int) (fraction, bool) {
	used, of := uint64(n.used[r]), n.capacity[r]
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
	if len(l.Reserved.Ports)+len(l.Held.Ports) == 0 && n.kept == nil {
		n.ports = n.ports[:0]
		return
	}
	n.ports = append(append(n.ports[:0], l.Reserved.Ports...), l.Held.Ports...)
	if n.kept != nil {
		n.ports = append(n.ports, n.kept.Ports...)
	}
	n.ports = slices.DeleteFunc(n.ports, func(p int32) bool { return !l.Capacity.Ports.Holds(p) })
	slices.Sort(n.ports)
	n.ports = slices.Compact(n.ports)
	n.freePorts -= int64(len(n.ports))
}

func (n *node) refreshDevices() {
	l := &n.worker.Ledger
	n.devices, n.idle = n.devices[:0], 0
	if len(l.Capacity.Devices) == 0 {
		return
	}
	for _, d := range l.Capacity.Devices {
		free := berth.WholeDevice
		if _, ill := n.worker.Unhealthy[d.Name]; ill {
			free = 0
		}
		n.devices = append(n.devices, device{kind: slices.Index(n.kinds, d.Type), link: n.linkOf(&d), memory: d.MemoryBytes, free: free})
	}
	taken := [3][]berth.DeviceShare{l.Reserved.Devices, l.Held.Devices}
	if n.kept != nil {
		taken[2] = n.kept.Devices
	}
	for _, shares := range taken {
		for _, s := range shares {
			i := slices.IndexFunc(l.Capacity.Devices, func(d berth.Device) bool { return d.Name == s.Name })
			if i >= 0 {
				n.devices[i].free = max(n.devices[i].free-s.Milli, 0)
			}
		}
	}
	for i := range n.devices {
		n.idle += n.devices[i].free
	}
	n.sumLinks()
}
