package scheduler

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// leftover is what is left of the devices that the members of a gang may get, as they are placed one after the other.
type leftover struct {
	fleet   *Fleet
	left    map[string]int64 // thousandths, by type; nil: of each as much as there is
	demands []berth.DeviceDemand
	none    bool     // one of the demands has no type left
	order   []string // of the only demand: types that members get one after the other, as long as there are some
}

// leftOf begins with all that a gang may get.
func (f *Fleet) leftOf(g *Gang) *leftover {
	l := &leftover{fleet: f, order: g.order}
	if len(g.Left) > 0 && len(g.Members) > 0 {
		l.left = maps.Clone(g.Left)
		l.reckon(g.Members[0].Request)
	}
	return l
}

// reckon finds which types each demand of a member may be of. Several demands may all get the same: so each counts as
// much as it asks for of every type that it may be of.
func (l *leftover) reckon(r *berth.Request) {
	l.demands, l.none = nil, false
	asked := make(map[string]int64)
	for i := range r.Resources.Devices {
		d := &r.Resources.Devices[i]
		kinds, want := d.Types, d.Count*d.Milli
		if len(kinds) == 0 {
			kinds = l.fleet.DeviceTypes(r.Pool)
		}
		may := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool {
			left, bounded := l.left[kind]
			return bounded && want+asked[kind] > left
		})
		for _, kind := range may {
			asked[kind] += want
		}
		l.none = l.none || len(may) == 0 && len(kinds) > 0
		if len(may) < len(kinds) {
			if l.demands == nil {
				l.demands = slices.Clone(r.Resources.Devices)
			}
			l.demands[i].AnyOrder = d.AnyOrder || len(d.Types) == 0
			l.demands[i].Types = may
		}
	}
}

// of is a member that asks for those types of devices that are left; false: it can get none.
func (l *leftover) of(c Candidate) (Candidate, bool) {
	if l.none || l.demands == nil {
		return c, !l.none
	}
	r := *c.Request
	r.Resources.Devices = slices.Clone(r.Resources.Devices)
	for i := range l.demands {
		r.Resources.Devices[i].Types, r.Resources.Devices[i].AnyOrder = l.demands[i].Types, l.demands[i].AnyOrder
	}
	c.Request = &r
	return c, true
}

// place places a member, of those types of devices that are left.
func (l *leftover) place(c Candidate, d *GangDecision) Decision {
	if l.order == nil {
		if as, may := l.of(c); may {
			return l.fleet.placeNoted(as, d)
		}
		return Decision{}
	}
	for ; len(l.order) > 0; l.order = l.order[1:] { // where one has found none, no other does
		of := &c.Request.Resources.Devices[0]
		if left, bounded := l.left[l.order[0]]; bounded && of.Count*of.Milli > left {
			continue
		}
		r := *c.Request
		r.Resources.Devices = slices.Clone(r.Resources.Devices)
		r.Resources.Devices[0].Types = l.order[:1]
		as := c
		as.Request = &r
		if one := l.fleet.placeNoted(as, d); one.Worker != "" {
			return one
		}
	}
	return Decision{}
}

// ordersOf are other ways to place a gang that may get so much of several types: as many members as there are devices of
// one type first, then of the next. Where workers have devices of several, who comes first may take the room of the others.
func (f *Fleet) ordersOf(g *Gang) (orders [][]string) {
	r := g.Members[0].Request
	if len(g.Left) == 0 || len(r.Resources.Devices) != 1 || g.order != nil {
		return nil
	}
	kinds := r.Resources.Devices[0].Types
	if len(kinds) == 0 {
		kinds = f.DeviceTypes(r.Pool)
	}
	if len(kinds) < 2 {
		return nil
	}
	for i := range min(len(kinds), maxOrders) {
		orders = append(orders, slices.Concat(kinds[i:], kinds[:i]))
	}
	return orders
}

// maxOrders bounds how many orders of types are tried.
const maxOrders = 4

// take takes off what a member has got.
func (l *leftover) take(c Candidate, d *Decision) {
	if l.left == nil {
		return
	}
	has := l.fleet.nodes[d.Worker].worker.Ledger.Capacity.Devices
	for i := range d.Share.Devices {
		got := &d.Share.Devices[i]
		if at := slices.IndexFunc(has, func(v berth.Device) bool { return v.Name == got.Name }); at >= 0 {
			if _, bounded := l.left[has[at].Type]; bounded {
				l.left[has[at].Type] -= got.Milli
			}
		}
	}
	l.reckon(c.Request)
}
