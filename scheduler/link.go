package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// Numbers of link domains that are none of a worker's.
const (
	anyLink = -1 // whatever one, or none
	noLink  = -2
)

// setLinks notes the link domains of a worker's devices.
func (n *node) setLinks() {
	n.linked, n.freeIn = n.linked[:0], n.freeIn[:0]
	for i := range n.worker.Ledger.Capacity.Devices {
		if link := n.worker.Ledger.Capacity.Devices[i].Link; link != "" && !slices.Contains(n.linked, link) {
			n.linked = append(n.linked, link)
		}
	}
	slices.Sort(n.linked)
}

func (n *node) linkOf(d *berth.Device) int {
	if d.Link == "" {
		return noLink
	}
	return slices.Index(n.linked, d.Link)
}

// sumLinks counts what is free in each device's link domain.
func (n *node) sumLinks() {
	n.freeIn = append(n.freeIn[:0], make([]int64, len(n.linked))...)
	for i := range n.devices {
		if v := &n.devices[i]; v.link != noLink {
			n.freeIn[v.link] += v.free
		}
	}
	for i := range n.devices {
		v := &n.devices[i]
		if v.beside = v.free; v.link != noLink {
			v.beside = n.freeIn[v.link]
		}
	}
}

// alike says whether two devices of one type are as good as each other for every demand.
func (v *device) alike(o *device) bool {
	return v.free == o.free && v.memory == o.memory && v.link == o.link
}

// linksFor are the numbers of the link domains that may serve a demand, from the first
// to before the last.
func linksFor(links []string, d *berth.DeviceDemand) (from, to int) {
	switch {
	case d.Link != "":
		if i := slices.Index(links, d.Link); i >= 0 {
			return i, i + 1
		}
		return 0, 0
	case d.Linked:
		return 0, len(links)
	}
	return anyLink, anyLink + 1
}

// linksTo says whether a device is of a link domain that may serve a demand.
func (n *node) linksTo(v *device, d *berth.DeviceDemand) bool {
	from, to := linksFor(n.linked, d)
	return from == anyLink || v.link >= from && v.link < to
}

// tightest is the link domain with the fewest devices of a type that suffice for a
// demand: what has more is kept for who needs it.
func (n *node) tightest(kind string, d *berth.DeviceDemand) (link int, ok bool) {
	from, to := linksFor(n.linked, d)
	least := int64(0)
	for i := from; i < to; i++ {
		if room, _ := countDevices(n, kind, i, d); room >= d.Count && (!ok || room < least) {
			link, least, ok = i, room, true
		}
	}
	return link, ok
}

// link is a link domain that the query's devices must be of, or "".
func (q *query) link() string {
	demands := q.request.Resources.Devices
	for i := range demands {
		if demands[i].Link != "" {
			return demands[i].Link
		}
	}
	return ""
}

// enlink puts a worker under its link domains.
func (p *pool) enlink(n *node) {
	for _, link := range n.linked {
		p.links[link] = append(p.links[link], n)
	}
}

func (p *pool) unlink(n *node) {
	for _, link := range n.linked {
		p.links[link] = slices.DeleteFunc(p.links[link], func(o *node) bool { return o == n })
		if len(p.links[link]) == 0 {
			delete(p.links, link)
		}
	}
}

// relink replaces what is known of a worker. Its links change when it registers anew,
// and not with its ledger.
func (p *pool) relink(n *node, w Worker) {
	same := slices.EqualFunc(n.worker.Ledger.Capacity.Devices, w.Ledger.Capacity.Devices, func(a, b berth.Device) bool { return a.Link == b.Link })
	if !same {
		p.unlink(n)
	}
	n.set(w)
	if !same {
		p.enlink(n)
	}
}
