package scheduler

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/berthd/berth"
)

// opening is room on a worker for more members, once the first so many of its waits have ended.
type opening struct {
	worker berth.WorkerID
	at     int64 // ms, as it counts in the choice
	isNew  bool  // nothing is kept there yet
	opens  int64 // ms until those have ended
	ends   int
	way    int   // of KeepChoice.ways: the types that these members get
	room   int   // for members of that way
	all    int   // for members of all ways, those of fewer ends among them
	by     []int // in what is chosen: how many of each way
}

// compare is a total order: what counts as first, what is kept, what of that is there first, what waits for fewer.
func (a opening) compare(b opening) int {
	if c := cmp.Compare(a.at, b.at); c != 0 {
		return c
	}
	if a.isNew != b.isNew {
		return order(b.isNew)
	}
	return cmp.Or(cmp.Compare(a.opens, b.opens), cmp.Compare(a.ends, b.ends), cmp.Compare(a.way, b.way), cmp.Compare(a.worker, b.worker))
}

// openings are those of a site.
type openings struct {
	of   []opening
	room int // of all
}

func (o *openings) add(more []opening) {
	o.of = append(o.of, more...)
	for i := range more {
		o.room += more[i].room
	}
}

// prune leaves the first that have room for so many of each way, and returns when the last of these counts; of a way that has
// not so much, any may be of use.
func (o *openings) prune(limit, ways int) int64 {
	slices.SortFunc(o.of, opening.compare)
	left, rooms, full := o.of[:0], make([]int, ways), 0
	o.room = 0
	for _, one := range o.of {
		if rooms[one.way] >= limit {
			continue
		}
		left, o.room = append(left, one), o.room+one.room
		if rooms[one.way] += one.room; rooms[one.way] < limit {
			continue
		}
		if full++; full == ways {
			break
		}
	}
	if o.of = left; full < ways {
		return math.MaxInt64
	}
	return o.of[len(o.of)-1].at
}

// waits are the allocations of a worker in the order in which they are taken to end.
type waits struct{ stays []stay }

type stay struct {
	Stay
	after int64 // ms until it is taken to have ended
}

// set replaces them, in any order. What is known goes before what may never end, however far ahead it is.
func (w *waits) set(stays []Stay, of *Wanting) {
	w.stays = w.stays[:0]
	for i := range stays {
		one := stay{stays[i], max(stays[i].Age, of.Waited/4)}
		if one.Ends = one.Ends && one.Left <= foreseen; one.Ends {
			one.after = one.Left
		} else if of.Waited > 0 && of.Anew && one.lasting(of.Waited) {
			one.after += foreseen
		}
		w.stays = append(w.stays, one)
	}
}

// lasting says whether it has been there for half of what a gang has waited, and a first round, or for all of it, and nothing says when
// it ends. What ends at all is soon younger than that, by twice its run; and what does not is older than that one day, whenever it began.
func (s *stay) lasting(waited int64) bool {
	return !s.Ends && s.Age >= min(waited, max(waited-s.Age, firstRound))
}

// sort puts them in order, which does not depend on the one in which they were told, where they
// can be told apart.
func (w *waits) sort() {
	slices.SortStableFunc(w.stays, func(a, b stay) int {
		switch {
		case a.after != b.after:
			return cmp.Compare(a.after, b.after)
		case a.Age != b.Age:
			return cmp.Compare(a.Age, b.Age)
		case a.Share.CPUMilli != b.Share.CPUMilli:
			return cmp.Compare(a.Share.CPUMilli, b.Share.CPUMilli)
		}
		return cmp.Compare(a.Share.MemoryBytes, b.Share.MemoryBytes)
	})
}

// leave says whether what is free of a worker is enough for the candidate, by its sums, when
// what counts as ended by some time has: for most workers that are of no use, nothing else is
// asked.
func (w *waits) leave(q *query, n *node, by int64) bool {
	free := n.own.free
	for i := range w.stays {
		if w.stays[i].after <= by {
			for r, amount := range vectorOf(&w.stays[i].Share.Quantities) {
				free[r] += amount
			}
		}
	}
	for r := range amounts {
		if q.want[r] > free[r] {
			return false
		}
	}
	return true
}

// openings are when a worker comes to have room for members, and for how many. What of its
// allocations is not in its ledger, for its end is being written, is dropped.
func (c *KeepChoice) openings(q *query, demands narrowed, n *node) (out []opening) {
	r, as := q.request, n.keeping(c.beside(n))
	kept := n.kept != nil && r.Group != nil && r.Group.ID == q.keep.parts[0].group && q.keep.parts[0].of[n.worker.ID] != nil
	if !kept && !c.on.leave(q, as, c.bar) {
		return nil
	}
	c.on.sort()
	c.then.set(q, as)
	out = c.found[:0]
	clear(c.had)
	for ends := 0; ; ends++ {
		opens := c.on.opens(ends)
		at := opens
		if kept && (ends == 0 || !c.w.Anew) {
			at = 0
		}
		if at > c.bar {
			break
		}
		all, full := min(q.roomBeside(&c.then.node), c.most), true
		for i := range c.ways {
			room := all
			if len(c.ways) > 1 && all > 0 {
				demands.as(c.ways[i].types)
				room = min(q.roomBeside(&c.then.node), c.most)
			}
			if room > c.had[i] {
				out = append(out, opening{worker: n.worker.ID, at: at, isNew: !kept, opens: opens, ends: ends, way: i, room: room - c.had[i], all: all})
				c.had[i] = room
			}
			full = full && c.had[i] == c.most
		}
		if len(c.ways) > 1 {
			demands.asAsked(&c.w)
		}
		for ends < len(c.on.stays) && !c.then.release(q, c.on.stays[ends].Share) {
			c.on.stays = slices.Delete(c.on.stays, ends, ends+1)
		}
		if ends == len(c.on.stays) || full {
			break
		}
	}
	c.found = out
	return out
}

// beside is what stays kept of a worker for others, whatever is kept for the gang; nil: nothing.
func (c *KeepChoice) beside(n *node) *berth.Share {
	r := c.w.Members[0].Request
	k := c.f.keeps[r.Pool]
	if k == nil || len(k.parts) == 1 || n.kept == nil {
		return nil
	}
	return k.others(n.worker.ID, c.w.id(), false)
}

// opens is when the first so many have ended.
func (w *waits) opens(ends int) int64 {
	if ends == 0 {
		return settled
	}
	return max(w.stays[ends-1].after, settled)
}

// roomBeside is room, but for what stands in the way of all of it: a port that is taken, or
// devices that suffice for each demand and not for all.
func (q *query) roomBeside(n *node) int {
	if len(q.numbers) > 0 && !portsFit(q, n) {
		return 0
	}
	if demands := q.request.Resources.Devices; combined(demands) {
		if _, ok := q.devices.fit(n, demands); !ok {
			return 0
		}
	}
	return q.room(n)
}

// vacated is a worker as it will be when some of its allocations have ended. It is used for one
// worker after the other, and changed in place: a node for each end took ten times as long.
type vacated struct {
	node
	reserved vector
	count    int64
	of       []int // the devices of the allocation that holds was asked about last
}

func (v *vacated) set(q *query, n *node) {
	devices, ports := v.devices[:0], v.ports[:0]
	v.node = *n
	v.devices, v.ports = devices, ports
	if len(q.request.Resources.Devices) > 0 {
		v.devices = append(v.devices, n.devices...)
	}
	if len(q.request.Resources.Ports) > 0 {
		v.ports = append(v.ports, n.ports...)
	}
	l := &v.worker.Ledger
	v.reserved, v.count = vectorOf(&l.Reserved.Quantities), l.Count
	if len(q.custom) > 0 {
		l.Reserved.Custom = maps.Clone(l.Reserved.Custom)
	}
}

// release takes an allocation off; false: its ledger is not of that.
func (v *vacated) release(q *query, s *berth.Share) bool {
	amounts := vectorOf(&s.Quantities)
	if v.count < 1 || !v.holds(q, s, &amounts) {
		return false
	}
	v.count--
	for r, amount := range amounts {
		v.reserved[r] -= amount
		v.own.free[r] += amount
	}
	for _, c := range q.custom {
		if s.Custom[c.name] > 0 {
			v.worker.Ledger.Reserved.Custom[c.name] -= s.Custom[c.name]
		}
	}
	if len(v.ports) > 0 {
		for _, p := range s.Ports {
			if i, used := slices.BinarySearch(v.ports, p); used {
				v.ports = slices.Delete(v.ports, i, i+1)
				v.freePorts++
			}
		}
	}
	for i, at := range v.of {
		if _, ill := v.worker.Unhealthy[v.worker.Ledger.Capacity.Devices[at].Name]; !ill {
			v.devices[at].free += s.Devices[i].Milli
		}
	}
	return true
}

// holds says whether an allocation may be in the ledger, by what the query looks at.
func (v *vacated) holds(q *query, s *berth.Share, amounts *vector) bool {
	for r, amount := range amounts {
		if amount > v.reserved[r] {
			return false
		}
	}
	for _, c := range q.custom {
		if s.Custom[c.name] > v.worker.Ledger.Reserved.Custom[c.name] {
			return false
		}
	}
	v.of = v.of[:0]
	if len(v.devices) == 0 {
		return true
	}
	for i := range s.Devices {
		at := v.deviceOf(s.Devices[i].Name)
		if at < 0 || v.devices[at].free+s.Devices[i].Milli > berth.WholeDevice {
			return false
		}
		v.of = append(v.of, at)
	}
	return true
}

// deviceOf is the number of a device, or -1.
func (v *vacated) deviceOf(name string) int {
	devices := v.worker.Ledger.Capacity.Devices
	for i := range devices {
		if devices[i].Name == name {
			return i
		}
	}
	return -1
}
