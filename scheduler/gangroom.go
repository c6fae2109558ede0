package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// RoomFor bounds how many equal members of a gang a worker could take now. When workers
// have more to give, as many more members fit as they could take, and no more: who waits
// for a place need not be tried before. Of members whose places depend on each other, or with
// demands that are combined, that is not so: their bound is out of reach.
func (f *Fleet) RoomFor(c Candidate, w berth.WorkerID) int {
	n := f.nodes[w]
	switch {
	case n == nil || n.worker.Pool != c.Request.Pool || !n.open || malformed(&c.Request.Resources):
		return 0
	case c.Request.Related() || combined(c.Request.Resources.Devices):
		return maxRoom
	}
	q := f.ask(c)
	n = q.seen(n)
	if !q.fits(n) {
		return 0
	}
	return q.room(n)
}

// maxRoom bounds room, for a candidate that asks for nothing.
const maxRoom = 1 << 20

// room bounds how often a worker could take the candidate, by what is counted.
func (q *query) room(n *node) int {
	most := maxRoom
	for r := range amounts {
		most = within64(most, n.own.free[r], q.want[r])
	}
	if most == 0 {
		return 0
	}
	for _, c := range q.custom {
		most = within64(most, n.freeCustom(c.name), c.want)
	}
	if len(q.numbers) > 0 {
		most = min(most, 1)
	}
	demands := q.request.Resources.Devices
	for i := range demands {
		most = min(most, deviceRoom(n, &demands[i]))
	}
	return within64(most, n.freePorts, q.anyPorts)
}

// deviceRoom is how often the devices of a worker serve a demand, were it the only one.
func deviceRoom(n *node, d *berth.DeviceDemand) int {
	times := int64(0)
	from, to := linksFor(n.linked, d)
	for _, kind := range kindsOf(n, d) {
		of := slices.Index(n.kinds, kind)
		for link := from; link < to; link++ {
			times += n.timesServed(d, of, link)
		}
	}
	return int(times)
}

// timesServed is how often the devices of one type, and of a link domain, serve a demand for so many of
// them. They do so k times if and only if they have parts for it where each gives k at most, for nobody
// has two parts of one: who gives them to whoever comes from those with most parts left is never wrong.
func (n *node) timesServed(d *berth.DeviceDemand, of, link int) int64 {
	times := n.partsServed(d, of, link, berth.WholeDevice) / d.Count
	for parted(*d) {
		fewer := n.partsServed(d, of, link, times) / d.Count
		if fewer == times {
			break
		}
		times = fewer
	}
	return times
}

// partsServed is how many parts of a demand these devices have, where each counts so many at most.
func (n *node) partsServed(d *berth.DeviceDemand, of, link int, most int64) (sum int64) {
	for i := range n.devices {
		if v := &n.devices[i]; v.kind == of && v.serves(d, link) {
			sum += min(v.free/d.Milli, most)
		}
	}
	return sum
}

// parted says whether one device may serve a demand for several of them more than once: then how often all
// of them do depends on who gets which.
func parted(d berth.DeviceDemand) bool { return d.Count > 1 && 2*d.Milli <= berth.WholeDevice }

// combined says whether some device may serve two demands: how often a worker takes them together is then
// not what it takes of each.
func combined(demands []berth.DeviceDemand) bool {
	for i := range demands {
		for j := range i {
			if !apart(&demands[i], &demands[j]) {
				return true
			}
		}
	}
	return false
}

// apart says whether no device serves both demands.
func apart(a, b *berth.DeviceDemand) bool {
	if a.Link != "" && b.Link != "" && a.Link != b.Link {
		return true
	}
	return len(a.Types) > 0 && len(b.Types) > 0 && !slices.ContainsFunc(a.Types, func(kind string) bool { return slices.Contains(b.Types, kind) })
}

// within64 is how often want is in free, at most so often.
func within64(most int, free, want int64) int {
	if want <= 0 {
		return most
	}
	return int(min(int64(most), max(free, 0)/want))
}
