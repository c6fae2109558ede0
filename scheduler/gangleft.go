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
	kinds   []string         // of which that is told, sorted
	demands []berth.DeviceDemand
	none    bool     // one of the demands has no type left
	order   []typing // that members get one after the other, as long as there is enough for one more
	least   int      // so many members must be placed
	steps   int      // to find out whether there is enough for these
}

// leftOf begins with all that a gang may get.
func (f *Fleet) leftOf(g *Gang) *leftover {
	l := &leftover{fleet: f, order: g.order, least: max(g.Need, 1), steps: maxLookSteps}
	if len(g.Left) > 0 && len(g.Members) > 0 {
		l.left, l.kinds = maps.Clone(g.Left), slices.Sorted(maps.Keys(g.Left))
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
	for i := 0; i < len(l.order); {
		w := &l.order[i]
		if !l.affords(w) {
			l.order = slices.Delete(slices.Clone(l.order), i, i+1)
			continue
		}
		if !l.leavesEnough(c.Request, w, l.least-len(d.Placed)-1) {
			i++ // more may be left for one that comes later
			continue
		}
		if one := l.fleet.placeNoted(w.of(c), d); one.Worker != "" {
			return one
		}
		l.order = slices.Delete(slices.Clone(l.order), i, i+1) // where one has found no place, no other does
	}
	return Decision{}
}

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
