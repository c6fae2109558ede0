package snapshot

import (
	"cmp"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// resident is an allocation, as who makes room sees it.
type resident struct {
	*asked
	worker  berth.WorkerID
	share   berth.Share
	placed  int64 // when
	started bool
	leaving bool
	evicted bool  // it leaves, for it was told to make room
	returns bool  // when it has left, it waits again
	left    int64 // ms until it has ended at the latest, as its stop order or its run limit says; 0: nothing does
}

// settles notes an allocation of the snapshot.
func (c *course) settles(w *scheduler.Worker, a *allocated) {
	rec := a.record
	c.spend(account{rec.Tenant, w.Pool}, &rec.Share, &w.Ledger.Capacity, 1)
	q := c.s.requests[a.id]
	if q == nil || q.Worker() != w.ID || q.State.Attempt != rec.Attempt {
		return
	}
	r := &resident{
		asked: &asked{Request: q, group: rec.Group}, worker: w.ID, share: rec.Share, placed: rec.PlacedAt.UnixNano(),
		started: rec.State != berth.StatePlaced, leaving: rec.Stop != nil || rec.State == berth.StateExited,
	}
	if rec.Stop != nil {
		r.evicted = rec.Stop.Reason == berth.StopPreempt
		switch rec.Stop.Reason {
		case berth.StopPreempt:
			r.last = berth.EndPreempted
		case berth.StopReclaim:
			r.last = berth.EndReclaimed
		}
		switch rec.Stop.Reason {
		case berth.StopDrain, berth.StopPreempt, berth.StopReclaim, berth.StopGroup:
			r.returns = rec.Stop.ReplacedBy == ""
		}
	}
	r.left = c.leftOf(rec, &q.Spec)
	if rec.Group != "" && !r.leaving {
		g := c.s.groups[rec.Group] // of an attempt that is over: it is about to be told to stop
		if r.leaving = g == nil || g.record.State != berth.GroupPlaced || g.record.Attempt != rec.GroupAttempt; r.leaving {
			r.left = q.Spec.StopTimeoutMS
		}
	}
	c.comes(r)
}

// leftOf is for how many ms an allocation of the snapshot is there yet, at the latest; 0: nothing
// says, or it should have ended.
func (c *course) leftOf(a *berth.Allocation, r *berth.Request) int64 {
	var ends time.Time
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	switch {
	case a.State == berth.StateExited:
		return 1
	case a.Stop != nil:
		ends = a.Stop.Deadline
	case r.RunLimitMS == 0:
		return 0
	case !a.StartedAt.IsZero():
		ends = a.StartedAt.Add(ms(r.RunLimitMS + r.StopTimeoutMS))
	default:
		ends = a.PlacedAt.Add(ms(r.StartTimeoutMS + r.RunLimitMS + r.StopTimeoutMS))
	}
	return max(ends.Sub(c.s.TakenAt).Milliseconds(), 0)
}

func (c *course) comes(r *resident) {
	c.resides[r.Spec.ID] = r
	i, _ := slices.BinarySearchFunc(c.on[r.worker], r.Spec.ID, func(o *resident, id berth.RequestID) int { return cmp.Compare(o.Spec.ID, id) })
	c.on[r.worker] = slices.Insert(c.on[r.worker], i, r)
	c.fleet.Occupy(r.worker, r.level(), &r.share, 1)
}

// level is what an allocation counts as for who makes room.
func (r *resident) level() int32 {
	if r.leaving {
		return scheduler.PriorityLeaving
	}
	return r.Candidate().Priority
}

// toldToStop has an allocation leave.
func (c *course) toldToStop(r *resident) {
	c.fleet.Occupy(r.worker, r.level(), &r.share, -1)
	r.leaving, r.left = true, r.Spec.StopTimeoutMS
	c.fleet.Occupy(r.worker, r.level(), &r.share, 1)
}

// leaves takes an allocation off its worker.
func (c *course) leaves(r *resident) {
	delete(c.resides, r.Spec.ID)
	c.on[r.worker] = slices.DeleteFunc(c.on[r.worker], func(o *resident) bool { return o == r })
	c.fleet.Occupy(r.worker, r.level(), &r.share, -1)
	w := c.fleet.Worker(r.worker)
	if w == nil {
		return
	}
	c.hold(&r.Spec, r.worker, &r.share, -1)
	next := *w
	var err error
	if next.Ledger, err = next.Ledger.Release(r.share); err == nil {
		next.Ledger, _, err = next.Ledger.VictimEnded(r.Spec.ID, c.has)
	}
	if err == nil {
		c.fleet.Put(next)
	}
}
