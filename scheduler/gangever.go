package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// EverOn are workers that would have room together, in one domain of it, for as many equal members of a gang as must be placed, were they
// empty, healthy and open; none: all that there are would not, and PlaceGang tells of it that it never fits. A gang of one that
// asks for no domain is a request by itself.
//
// While these workers are as they are, it stays so: who wants to know again need not look at all others.
func (f *Fleet) EverOn(c Candidate, as berth.Membership) []berth.WorkerID {
	need := int(max(as.MinCount, 1))
	g := Gang{Members: slices.Repeat([]Candidate{c}, need), Need: need, Topology: as.Topology, Linked: as.Linked}
	rooms, on := make(map[site]int), make(map[site][]berth.WorkerID)
	var enough []berth.WorkerID
	f.eachRoom(g, true, func(where site, n *node, room int) bool {
		if room == 0 {
			return true
		}
		rooms[where] += room
		if on[where] = append(on[where], n.worker.ID); rooms[where] >= need {
			enough = on[where]
		}
		return enough == nil
	})
	return enough
}
