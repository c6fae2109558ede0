package snapshot

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// placeWay places the most members of a group that fit with what its quota has of each type of devices; or, where they do not,
// with what others lend, too.
func (c *course) placeWay(g *askedGroup, counted []*asked) (d scheduler.GangDecision) {
	r, of, again := g.first(), accountOf(g.first()), counted[0].known
	counted[0].known = true
	b := c.quotas[of]
	if b == nil {
		gang := g.gang(counted, r)
		gang.Members[0].Again = again
		return c.fleet.PlaceGang(gang)
	}
	for i, has := range []rooms{func(d berth.Dimension) int64 { return c.unlent(of, d) }, func(d berth.Dimension) int64 { return c.room(of, d) }} {
		gang := g.gang(counted, c.typed(r, 1, b, has))
		gang.Left, gang.Members[0].Again = c.devicesLeft(r, b, has), again || i > 0
		if d = c.fleet.PlaceGang(gang); d.Verdict == nil {
			break
		}
	}
	return d
}

// rooms is how much there is of a limited dimension, by some measure.
type rooms func(berth.Dimension) int64

// typed is a request with those types of devices of which its quota has enough for so many, by any of them alone; where
// there are none, with all.
func (c *course) typed(r *berth.Request, n int64, b *budget, has rooms) *berth.Request {
	return scheduler.WithEnough(r, c.fleet.DeviceTypes(r.Pool), n, func(kind string, milli int64) bool {
		dim := berth.DeviceDimension(kind)
		return !b.bounds(dim) || milli <= has(dim)
	})
}

// devicesLeft is how much there is of each limited type that a request may have.
func (c *course) devicesLeft(r *berth.Request, b *budget, has rooms) map[string]int64 {
	left := make(map[string]int64)
	for i := range r.Resources.Devices {
		for _, kind := range c.kindsOf(&r.Resources.Devices[i], r.Pool) {
			if dim := berth.DeviceDimension(kind); b.bounds(dim) {
				left[kind] = has(dim)
			}
		}
	}
	return left
}

// kindsOf are the types that a demand may have; of one that names none, all that there are.
func (c *course) kindsOf(d *berth.DeviceDemand, p berth.PoolID) []string {
	if len(d.Types) > 0 {
		return d.Types
	}
	return c.fleet.DeviceTypes(p)
}

// tellTypesShort adds to why something fits nowhere, a request or so many members of its group, that its quota has too little of the types
// of devices that there are, where it could never fit with those alone of which it has some.
func (c *course) tellTypesShort(r *berth.Request, members int64, v *berth.Verdict) {
	b := c.quotas[accountOf(r)]
	if b == nil || !v.NeverFits || len(r.Resources.Devices) == 0 || !c.fitsEver(r, members) {
		return
	}
	want := int64(0)
	for i := range r.Resources.Devices {
		want += max(members, 1) * r.Resources.Devices[i].Count * r.Resources.Devices[i].Milli
	}
	left := c.devicesLeft(r, b, func(d berth.Dimension) int64 { return c.room(accountOf(r), d) })
	for _, kind := range slices.Sorted(maps.Keys(left)) {
		if d := berth.DeviceDimension(kind); left[kind] < want {
			v.Reasons = append(v.Reasons, berth.Reason{
				Code: berth.ReasonQuota, Detail: string(d), Want: want, Best: left[kind], Total: b.quota.Limits[d], Stands: b.quota.Stand(d, b.limits, b.used),
			})
		}
	}
	v.NeverFits = !c.fitsEver(c.typed(r, 1, b, func(d berth.Dimension) int64 { return b.quota.Limits[d] }), members)
}
