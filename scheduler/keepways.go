package scheduler

import (
	"maps"
	"slices"
)

// What is kept for a gang is no more than it may get: where its quota has less of a type of devices than all that must be placed
// could use, so many places count of those where a member gets that type, and others are waited for. What it has no quota for
// would be idle for as long as that is so.

// keepWays are the types that members may get, each of which is waited for by itself; one without types: nothing bounds them. None:
// too little is left for one member.
func (f *Fleet) keepWays(g *Gang) []typing {
	need := int64(max(g.Need, 1))
	portions := f.portionsOf(g.Members[0].Request)
	short := maps.Clone(g.Left)
	maps.DeleteFunc(short, func(kind string, left int64) bool {
		could := int64(0)
		for _, p := range portions {
			if slices.Contains(p.Kinds, kind) {
				could += p.Want * need
			}
		}
		return left >= could
	})
	if g.Left = short; len(short) == 0 {
		return []typing{{}}
	}
	return f.typingsOf(g)
}

// ask asks for the first member, with demands of its own.
func (c *KeepChoice) ask() (*query, narrowed) {
	first, demands := c.w.narrowable()
	if demands == nil && len(c.ways) > 0 && c.ways[0].types != nil {
		first, demands = ownDemands(first)
	}
	if len(c.ways) == 1 {
		demands.as(c.ways[0].types)
	}
	return c.f.ask(first), demands
}

// mayTake is how many more members an opening has places for that get its types, and notes that they do; so many at most, of
// those that need places yet.
func (c *KeepChoice) mayTake(left *leftover, o *opening, most, need int) int {
	way := &c.ways[o.way]
	if len(way.types) == 0 {
		return most
	}
	for n := range max(most, 0) {
		if !left.affords(way) || !left.leavesEnough(c.w.Members[0].Request, way, need-n-1) {
			return n
		}
		for kind, v := range way.takes {
			left.left[kind] -= v
		}
	}
	return most
}

// as lets the demands be for one type each.
func (d narrowed) as(types []string) {
	for i := range types {
		d[i].Types = types[i : i+1]
	}
}

// asAsked lets them be for all types again.
func (d narrowed) asAsked(w *Wanting) {
	for i := range d {
		d[i].Types = w.Members[0].Request.Resources.Devices[i].Types
	}
}
