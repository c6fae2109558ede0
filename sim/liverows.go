package sim

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// liveRows are the requests of a store, as rows of a trace: what has its place when it begins, and what
// waits.
type liveRows struct {
	*Live
	s      *snapshot.Snapshot
	groups map[berth.GroupID]*liveGroup
	runMS  int64
	all    []liveRow
}

// liveRow is a job, or a group of them.
type liveRow struct {
	seq    berth.Revision
	id     berth.RequestID
	stands bool
	Standing
}

// add adds a request of the pool, or one that is on one of its workers that take requests.
func (l *liveRows) add(q *snapshot.Request, on *scheduler.Worker, inPool bool) {
	switch {
	case q.Spec.Group != nil && inPool && l.member(q, on):
	case on != nil && q.Allocation != nil:
		l.runs(q, on)
	case q.Spec.Group == nil && q.Worker() == "" && inPool:
		if j, ok := jobOfRequest(q, l.runMS); ok {
			l.all = append(l.all, liveRow{seq: q.Seq, id: q.Spec.ID, Standing: Standing{Job: j}})
		} else {
			l.LeftOut++
		}
	}
}

// runs adds what is on a worker by itself.
func (l *liveRows) runs(q *snapshot.Request, on *scheduler.Worker) {
	r := runningOf(l.s, q, on, l.runMS)
	if q.Spec.Group != nil || !mayWaitAgain(q) {
		l.Running = append(l.Running, r)
		return
	}
	j, ok := jobOfRequest(q, l.runMS)
	l.all = append(l.all, liveRow{seq: q.Seq, id: q.Spec.ID, stands: true, Standing: Standing{Job: j, On: []Running{r}, Gone: !ok}})
}

// mayWaitAgain says whether what is on a worker waits again when it has made room, or when it has
// stopped as it was told to.
func mayWaitAgain(q *snapshot.Request) bool {
	a := q.Allocation
	if a.State == berth.StateExited || q.State.Attempt != a.Attempt {
		return false
	}
	if a.Stop == nil {
		return true
	}
	switch a.Stop.Reason {
	case berth.StopDrain, berth.StopPreempt, berth.StopReclaim:
		return a.Stop.ReplacedBy == ""
	}
	return false
}

// tell tells of all rows, the oldest first.
func (l *liveRows) tell() {
	l.groupRows()
	slices.SortFunc(l.all, func(a, b liveRow) int { return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.id, b.id)) })
	for i := range l.all {
		row := &l.all[i]
		if l.order = append(l.order, row.stands); row.stands {
			l.Standing = append(l.Standing, row.Standing)
		} else {
			l.Waiting = append(l.Waiting, row.Job)
		}
	}
}
