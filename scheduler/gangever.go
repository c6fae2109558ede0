package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// EverOn are workers that would have room together, in one domain of it, for as many equal members of a gang as must be placed, were they
// empty, healthy and open, with no more of each type of devices than is left; of those types for which that is not told there is enough.
// Members that keep apart from each other have to have places so, as far as PlaceGang looks for that (see maxSeatSteps).
// None: all that there are would not, and PlaceGang tells of it that it never fits. A gang of one that
// asks for no domain is a request by itself.
//
// While these workers are as they are, it stays so: who wants to know again need not look at all others.
func (f *Fleet) EverOn(c Candidate, as berth.Membership, left map[string]int64) []berth.WorkerID {
	need := int(max(as.MinCount, 1))
	g := Gang{Members: slices.Repeat([]Candidate{c}, need), Need: need, Topology: as.Topology, Linked: as.Linked, Left: left}
	on := f.everRoom(g)
	if on == nil || as.MinCount == 0 || !c.Request.Related() {
		return on
	}
	seats, known := f.everSeated(&g, f.roomOf(g, true))
	switch {
	case !known:
		return on
	case len(seats) < need:
		return nil
	}
	return append(slices.Clone(on), seats...) // it looks for seats where there is room
}

// everRoom is that by room alone, wherever the members have to be of each other.
func (f *Fleet) everRoom(g Gang) []berth.WorkerID {
	c, need, left := g.Members[0], g.Need, g.Left
	e := everOn{fleet: f, need: need, rooms: make(map[site]int), on: make(map[site][]berth.WorkerID)}
	if len(left) == 0 || len(c.Request.Resources.Devices) == 0 {
		return e.with(g, need)
	}
	all := f.typingsOf(&g)
	if len(all) == maxTypings { // there may be more
		return e.with(g, need)
	}
	for i := range all {
		most := need
		for kind, n := range all[i].takes {
			most = min(most, int(left[kind]/n))
		}
		one := g
		one.Members = slices.Repeat([]Candidate{all[i].of(c)}, need)
		if enough := e.with(one, most); enough != nil {
			return enough
		}
	}
	return nil
}

// everOn gathers them: what each domain has room for, and where.
type everOn struct {
	fleet *Fleet
	need  int
	rooms map[site]int
	on    map[site][]berth.WorkerID
}

// with adds what there is for members of a gang, at most so many in each domain, and says where there is enough now, or nil.
func (e *everOn) with(g Gang, most int) (enough []berth.WorkerID) {
	rooms := make(map[site]int)
	e.fleet.eachRoom(g, true, func(where site, n *node, room int) bool {
		if room = min(room, most-rooms[where]); room <= 0 {
			return true
		}
		rooms[where] += room
		e.rooms[where] += room
		if e.on[where] = append(e.on[where], n.worker.ID); e.rooms[where] >= e.need {
			enough = e.on[where]
		}
		return enough == nil
	})
	return enough
}
