package snapshot

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// placeWay places the most members of a group that fit with those types of devices of which its quota has enough for so many: of
// fewer members it may have enough of more types. Where as few as must be placed do not fit, no more do.
func (c *course) placeWay(g *askedGroup, counted []*asked, as *berth.Request) scheduler.GangDecision {
	least := min(g.needs(), int64(len(counted)))
	fewest, _ := c.allowed(g.first(), least)
	if sameTypes(as, fewest) {
		return c.fleet.PlaceGang(g.gang(counted, as))
	}
	d := c.fleet.PlaceGang(g.gang(g.members, fewest))
	c.fleet.Undo(d)
	for d.Verdict == nil {
		way := g.gang(counted, as)
		way.Members[0].Again = true
		if placed := c.fleet.PlaceGang(way); placed.Verdict == nil || sameTypes(as, fewest) {
			return placed
		}
		counted, as = c.fewerOf(g, counted, as, least)
	}
	return d
}

// fewerOf are the most of the members, and at least so many, who may have other types of devices than all of them.
func (c *course) fewerOf(g *askedGroup, counted []*asked, as *berth.Request, least int64) ([]*asked, *berth.Request) {
	low, high := least, int64(len(counted))-1
	for low < high {
		mid := (low + high + 1) / 2
		if other, _ := c.allowed(g.first(), mid); !sameTypes(as, other) {
			low = mid
		} else {
			high = mid - 1
		}
	}
	other, _ := c.allowed(g.first(), low)
	return counted[:low], other
}

func sameTypes(a, b *berth.Request) bool {
	return slices.EqualFunc(a.Resources.Devices, b.Resources.Devices, func(x, y berth.DeviceDemand) bool { return slices.Equal(x.Types, y.Types) })
}
