package sim

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// liveGroup is a group of a store, of which members wait or have their places.
type liveGroup struct {
	row    liveRow
	record *berth.Group
	first  *berth.Request
	known  int64     // members that are in the row
	away   int64     // members elsewhere
	follow []liveRow // members that go where the first ones are
}

// member adds one of a group; false: it neither waits nor has a place that it may lose. One of an
// attempt that is over waits, though it is still on a worker: it leaves that at once.
func (l *liveRows) member(q *snapshot.Request, on *scheduler.Worker) bool {
	rec := l.s.Group(q.Spec.Group.ID)
	if rec == nil || rec.State == berth.GroupEnding {
		return false // it is being submitted; or what waits of it ends
	}
	g := l.groups[q.Spec.Group.ID]
	if g == nil {
		g = &liveGroup{row: liveRow{seq: q.Seq, id: q.Spec.ID}, record: rec, first: &q.Spec}
		l.groups[q.Spec.Group.ID] = g
	}
	if rec.State == berth.GroupPlaced {
		return l.placed(g, q, on)
	}
	j, ok := jobOfRequest(q, l.runMS)
	if !ok {
		l.LeftOut++
		return true
	}
	if g.known == 0 {
		g.row.Job = j
	}
	if rec.LastEnd != "" {
		j.Preempts = q.Spec.Preemption == berth.PreemptionLower && !rec.LastEnd.MadeRoom()
	}
	g.row.Preempts = g.row.Preempts && j.Preempts // not where it had to make room; of a record that does not tell, where one of them had to
	g.known++
	return true
}

// placed adds a member of a group whose first ones have their places.
func (l *liveRows) placed(g *liveGroup, q *snapshot.Request, on *scheduler.Worker) bool {
	j, ok := jobOfRequest(q, l.runMS)
	switch {
	case q.Worker() == "" && !ok:
		l.LeftOut++
	case q.Worker() == "":
		j.Preempts = false
		g.follow = append(g.follow, liveRow{seq: q.Seq, id: q.Spec.ID, Standing: Standing{Job: j}})
	case on == nil || q.Allocation == nil || q.Allocation.Stop != nil || !mayWaitAgain(q) || q.Allocation.GroupAttempt != g.record.Attempt:
		g.away++
		return false
	default:
		if len(g.row.On) == 0 {
			g.row.stands, g.row.Job, g.row.Gone = true, j, !ok
		}
		g.row.On = append(g.row.On, runningOf(l.s, q, on, l.runMS))
		g.known++
	}
	return true
}

// groupRows adds the rows of groups. Members that follow others of which none is on a machine of the
// trace wait by themselves, where those are.
func (l *liveRows) groupRows() {
	for _, id := range slices.Sorted(maps.Keys(l.groups)) {
		g := l.groups[id]
		topology := g.first.Group.Topology
		if g.record.State == berth.GroupPlaced && !g.row.stands {
			for _, one := range g.follow {
				if g.record.Domain != "" {
					one.In = Site{Label: topology, Value: g.record.Domain}
				}
				l.all = append(l.all, one)
			}
			continue
		}
		if g.known == 0 {
			continue
		}
		if g.known += int64(len(g.follow)); len(g.follow) > 0 {
			g.row.Job = g.follow[0].Job
		}
		ended := max(g.record.Size-g.known-g.away-g.record.Failed, 0) // well
		g.row.Group = &Group{Name: string(id), Size: g.known, MinCount: max(g.record.MinCount-ended-g.away, 1), Topology: topology}
		g.row.Domain = g.record.Domain
		l.all = append(l.all, g.row)
	}
}
