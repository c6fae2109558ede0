package scheduler

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berthd/berth"
)

// devicesWhy counts devices: how many of one type have room, of how many. It is told of every worker whenever a request
// waits, so of demands that compete it counts only how far the search for a place came; see competing for the nearest.
func devicesWhy(q *query, n *node) measure {
	demands := q.request.Resources.Devices
	if len(demands) == 1 {
		return q.demandWhy(n, 0)
	}
	order := q.byNeed()
	for _, i := range order {
		if _, ok := fitsAlone(n, &demands[i]); !ok {
			return q.demandWhy(n, i)
		}
	}
	q.devices.fit(n, q.sorted)
	m := measure{detail: q.detailOf(order), best: q.devices.deepest, total: int64(len(n.devices))}
	for i := range demands {
		m.want += demands[i].Count
	}
	return m
}

// eachDemandWhy tells each demand that n could not serve alone, and together those that it could not serve beside each other.
func eachDemandWhy(q *query, n *node) (all []measure) {
	for _, group := range q.competing(n) {
		for _, m := range q.competingWhy(n, group) {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	if len(all) == 0 { // they would fit, if more were tried: see maxDeviceSteps
		order := q.byNeed()
		return []measure{q.together(n, order).why(1, q.detailOf(order))}
	}
	return all
}

func (q *query) demandWhy(n *node, i int) measure {
	d := &q.request.Resources.Devices[i]
	if most, lacks := mostMemory(n, d); lacks {
		q.demandDetail(i)
		return measure{code: berth.ReasonDeviceMemory, detail: q.details[len(q.request.Resources.Devices)+i], want: d.MemoryBytes, best: most, total: most}
	}
	if d.Count == 1 && d.Milli < berth.WholeDevice {
		if most, some := roomiest(n, d); some { // else it has none, of which no part could come free
			return measure{code: berth.ReasonDeviceMilli, detail: q.demandDetail(i), want: d.Milli, best: most, total: berth.WholeDevice}
		}
	}
	m := measure{detail: q.demandDetail(i), want: d.Count}
	from, to := linksFor(n.linked, d)
	for _, kind := range kindsOf(n, d) {
		for link := from; link < to; link++ {
			room, all := countDevices(n, kind, link, d)
			switch enough := m.total >= m.want; {
			case enough && all < m.want: // whatever comes free of it, it will not do
			case !enough && all >= m.want:
				m.best, m.total = room, all
			default:
				m.best, m.total = max(m.best, room), max(m.total, all)
			}
		}
	}
	return m
}

// mostMemory is the memory of the largest of n's devices which d could be on; lacks: there are some, and
// none has as much as d asks for.
func mostMemory(n *node, d *berth.DeviceDemand) (most int64, lacks bool) {
	if d.MemoryBytes == 0 {
		return 0, false
	}
	for i := range n.devices {
		if v := &n.devices[i]; n.linksTo(v, d) && (len(d.Types) == 0 || slices.Contains(d.Types, n.kinds[v.kind])) {
			most, lacks = max(most, v.memory), true
		}
	}
	return most, lacks && most < d.MemoryBytes
}

// roomiest is the most that is free of one of n's devices which d could be on, and whether there is one.
func roomiest(n *node, d *berth.DeviceDemand) (most int64, some bool) {
	for i := range n.devices {
		v := &n.devices[i]
		if n.suits(v, d) {
			most, some = max(most, v.free), true
		}
	}
	return most, some
}

// demandDetail is demand i in words, which are made for the first worker that lacks it; behind those of
// all demands are the same without their memory.
func (q *query) demandDetail(i int) string {
	if len(q.details) == 0 {
		demands := q.request.Resources.Devices
		for j := range demands {
			q.details = append(q.details, typesDetail(&demands[j], demands[j].MemoryBytes))
		}
		for j := range demands {
			q.details = append(q.details, typesDetail(&demands[j], 0))
		}
	}
	return q.details[i]
}

func typesDetail(d *berth.DeviceDemand, memory int64) string {
	types := strings.Join(d.Types, ",")
	if types == "" {
		types = "any"
	}
	if memory > 0 {
		types += " of " + bytesText(memory)
	}
	switch {
	case d.Link != "":
		types += " in link domain " + d.Link
	case d.Linked:
		types += " in one link domain"
	}
	return types
}

// bytesText is an amount in the largest unit of which it is a whole number.
func bytesText(n int64) string {
	unit := "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if n%1024 != 0 {
			break
		}
		n, unit = n/1024, larger
	}
	return strconv.FormatInt(n, 10) + unit
}
