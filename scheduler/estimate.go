package scheduler

import (
	"cmp"
	"slices"
)

// estimate is how promising a worker is for who makes room there, by its levels alone.
type estimate struct {
	node  *node
	now   bool  // nothing is short as it is
	count int64 // of victims, if each held as much as those of a level do on the average
	worst int32 // the highest priority that is needed
}

func (a estimate) compare(b estimate) int {
	return cmp.Or(cmp.Compare(a.count, b.count), cmp.Compare(a.worst, b.worst), cmp.Compare(a.node.worker.ID, b.node.worker.ID))
}

// estimateOf says whether what is below a priority on a worker, and what is free
// there, may suffice for the query that v is of. Where it says no, it does not.
func (f *Fleet) estimateOf(v *vacancy, n *node, priority int32) (e estimate, ok bool) {
	v.of(n)
	e = estimate{node: n, now: v.met(), worst: PriorityLeaving}
	levels := f.levels[n.worker.ID]
	for i := range levels {
		l := &levels[i]
		if l.priority >= priority {
			return e, false
		}
		if l.priority != PriorityLeaving {
			e.count = max(e.count, v.ends(l))
		}
		v.without(l)
		e.worst = l.priority
		if v.met() {
			return e, true
		}
	}
	return e, false
}

// vacancy is what a query wants of a worker beyond what is free there, as one level after the other leaves it:
// of each amount, custom resource and port, and of devices for each demand alone. It is for
// one worker after the other.
type vacancy struct {
	q       *query
	n       *node // with the devices as they would be
	short   vector
	custom  []int64
	ports   []int32 // that are asked for by number, and taken
	any     int64   // ports, whatever their numbers
	missing []int64 // devices, of each demand
	copied  node
	devices []device
}

// of begins with a worker as it is.
func (v *vacancy) of(n *node) {
	q := v.q
	v.n, v.short = n, q.shortfall(n)
	v.custom, v.ports, v.missing = v.custom[:0], v.ports[:0], v.missing[:0]
	for _, c := range q.custom {
		v.custom = append(v.custom, c.want-n.freeCustom(c.name))
	}
	for _, p := range q.numbers {
		if _, used := slices.BinarySearch(n.ports, p); used {
			v.ports = append(v.ports, p)
		}
	}
	v.any = q.anyPorts + int64(len(q.numbers)) - n.freePorts
	if len(q.request.Resources.Devices) == 0 {
		return
	}
	v.devices = append(v.devices[:0], n.devices...)
	v.copied = *n
	v.n, v.copied.devices = &v.copied, v.devices
	v.lookAtDevices()
}

// shortfall is how much of each amount the query wants beyond what a worker has free.
func (q *query) shortfall(n *node) (v vector) {
	for r := range amounts {
		v[r] = q.want[r] - n.own.free[r]
	}
	return v
}

// met says whether nothing is short.
func (v *vector) met() bool {
	for r := range amounts {
		if v[r] > 0 {
			return false
		}
	}
	return true
}

// lookAtDevices finds of how many devices each demand finds too few, were it the only one.
func (v *vacancy) lookAtDevices() {
	v.missing = v.missing[:0]
	demands := v.q.request.Resources.Devices
	for i := range demands {
		d, least := &demands[i], demands[i].Count
		for _, kind := range kindsOf(v.n, d) {
			if _, ok := v.n.tightest(kind, d); ok {
				least = 0
				break
			}
			room, _ := countDevices(v.n, kind, anyLink, d)
			least = max(min(least, d.Count-room), 1) // of one link domain there may be too few
		}
		v.missing = append(v.missing, least)
	}
}

// met says whether nothing is short.
func (v *vacancy) met() bool {
	short := func(n int64) bool { return n > 0 }
	return v.short.met() && !slices.ContainsFunc(v.custom, short) && len(v.ports) == 0 &&
		(v.any <= 0 || len(v.q.request.Resources.Ports) == 0) && !slices.ContainsFunc(v.missing, short)
}

// without takes away what a level holds.
func (v *vacancy) without(l *level) {
	for r := range amounts {
		v.short[r] -= l.sum[r]
	}
	h := l.rare
	if h == nil {
		return
	}
	for i, c := range v.q.custom {
		v.custom[i] -= h.custom[c.name]
	}
	v.ports = slices.DeleteFunc(v.ports, func(p int32) bool { return h.ports[p] > 0 })
	v.any -= int64(len(h.ports))
	if len(v.missing) == 0 || len(h.devices) == 0 {
		return
	}
	w := &v.n.worker
	for i := range v.devices {
		name := w.Ledger.Capacity.Devices[i].Name
		if _, ill := w.Unhealthy[name]; !ill {
			v.devices[i].free += h.devices[name]
		}
	}
	v.lookAtDevices()
}

// ends is how many of a level end for what is short, as far as that has it, if each held as much as all do on the average.
func (v *vacancy) ends(l *level) (n int64) {
	share := func(short, held, holders int64) {
		if each := held / max(holders, 1); short > 0 && each > 0 {
			n = max(n, (min(short, held)+each-1)/each)
		}
	}
	for r := range amounts {
		share(v.short[r], l.sum[r], l.count)
	}
	h := l.rare
	if h == nil {
		return n
	}
	for i, c := range v.q.custom {
		share(v.custom[i], h.custom[c.name], h.holders)
	}
	share(v.any, int64(len(h.ports)), h.holders)
	if slices.ContainsFunc(v.ports, func(p int32) bool { return h.ports[p] > 0 }) {
		n = max(n, 1)
	}
	held := int64(0)
	for _, milli := range h.devices {
		held += milli
	}
	for i, missing := range v.missing {
		share(missing*v.q.request.Resources.Devices[i].Milli, held, h.holders)
	}
	return n
}
