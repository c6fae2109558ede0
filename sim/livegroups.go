package sim

import (
	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// liveGroups are the groups of a store of which something waits.
type liveGroups struct {
	*Live
	s     *snapshot.Snapshot
	of    map[berth.GroupID]int // in Waiting; -1: it asks for more than a trace can say
	runMS int64
}

// wait adds a member of a group, if it waits: with its whole group, as one job that stands for
// all of those, or by itself, where the first ones have their places. One of an attempt that is
// over waits, too: again says that it is still on a worker, which it leaves at once.
func (g *liveGroups) wait(q *snapshot.Request) (again bool) {
	rec, of := g.s.Group(q.Spec.Group.ID), q.Spec.Group
	if rec == nil || rec.State == berth.GroupEnding {
		return false // it is being submitted; or what waits of it ends
	}
	placed := q.Worker() != ""
	if rec.State == berth.GroupPlaced {
		if !placed {
			g.follow(q, rec.Domain)
		}
		return false
	}
	at, known := g.of[of.ID]
	if !known {
		at = g.begin(q)
	}
	if at < 0 {
		g.LeftOut++
		return placed
	}
	group := g.Waiting[at].Group
	group.Size++
	ended := max(rec.Size-group.Size-rec.Failed, 0) // well
	group.MinCount = max(rec.MinCount-ended, 1)
	return placed
}

// begin adds a group of which no member is counted yet, and returns where it waits; -1: it asks
// for more than a trace can say.
func (g *liveGroups) begin(q *snapshot.Request) int {
	of, at := q.Spec.Group, -1
	if j, ok := jobOfRequest(q, g.runMS); ok {
		j.Group = &Group{Name: string(of.ID), Topology: of.Topology}
		at = len(g.Waiting)
		g.Waiting = append(g.Waiting, j)
	}
	g.of[of.ID] = at
	return at
}

// follow adds a member whose group has its first places: it goes where those are.
func (g *liveGroups) follow(q *snapshot.Request, domain string) {
	j, ok := jobOfRequest(q, g.runMS)
	if !ok {
		g.LeftOut++
		return
	}
	if domain != "" {
		j.In = Site{Label: q.Spec.Group.Topology, Value: domain}
	}
	g.Waiting = append(g.Waiting, j)
}
