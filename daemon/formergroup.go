package daemon

import (
	"context"
	"slices"

	"github.com/berthd/berth"
)

// readAtOnce is how many keys one read of the past asks for.
const readAtOnce = 100

// tellAnew adds to the end of a member's attempt, whose allocation that was, why its group gave the attempt up, to be placed anew: to
// its stop order which member made room, or gave back what was borrowed, for whom; else which member's own end was why.
func (d *Daemon) tellAnew(ctx context.Context, f *Former, a *berth.Allocation) {
	size, anew := d.groupAnew(ctx, a, f.Revision)
	if anew == 0 {
		return
	}
	ids := a.Group.Members(size)
	if id, order := d.preemptedOf(ctx, ids, anew); order != nil {
		if f.Stop != nil {
			told := *f.Stop
			told.Message = berth.Clip(told.Message+": "+string(id)+" "+order.Message, berth.MaxMessageBytes)
			f.Stop = &told
		}
		return
	}
	f.Member, f.MemberEnd = d.endedOf(ctx, ids, anew)
}

// groupAnew is the revision by which a group gave up the attempt of an allocation, to be
// placed anew, and its size; 0: the store's history does not tell.
func (d *Daemon) groupAnew(ctx context.Context, a *berth.Allocation, at berth.Revision) (size int64, anew berth.Revision) {
	for range formerSteps {
		facts, err := d.store.GetAt(ctx, at, groupKey(a.Group))
		if err != nil {
			return 0, 0
		}
		g, ok := facts[0].Record.(*berth.Group)
		switch {
		case !ok || g.State == berth.GroupEnding:
			return 0, 0
		case g.Attempt <= a.GroupAttempt:
			return size, anew
		}
		size, anew, at = g.Size, facts[0].Mod, facts[0].Mod-1
	}
	return 0, 0
}

// preemptedOf is the first of these requests that was told at a revision to make room, or to give back
// what was borrowed, and that order.
func (d *Daemon) preemptedOf(ctx context.Context, ids []berth.RequestID, at berth.Revision) (berth.RequestID, *berth.StopOrder) {
	for some := range slices.Chunk(ids, readAtOnce) {
		states := make([]berth.Key, len(some))
		for i, id := range some {
			states[i] = stateKey(id)
		}
		facts, err := d.store.GetAt(ctx, at, states...)
		if err != nil {
			return "", nil
		}
		var placed []berth.Key
		for i := range facts {
			if p, ok := facts[i].Record.(*berth.Progress); ok && p.Worker != "" {
				placed = append(placed, allocationKey(p.Worker, some[i]))
			}
		}
		if len(placed) == 0 {
			continue
		}
		if facts, err = d.store.GetAt(ctx, at, placed...); err != nil {
			return "", nil
		}
		for i := range facts {
			if a, ok := facts[i].Record.(*berth.Allocation); ok && facts[i].Mod == at && a.Stop != nil && (a.Stop.Reason == berth.StopPreempt || a.Stop.Reason == berth.StopReclaim) {
				return berth.RequestID(placed[i].ID), a.Stop
			}
		}
	}
	return "", nil
}

// endedOf is the first of these requests whose own attempt ended by a revision, and how.
func (d *Daemon) endedOf(ctx context.Context, ids []berth.RequestID, at berth.Revision) (berth.RequestID, *Former) {
	for some := range slices.Chunk(ids, readAtOnce/2) {
		var keys []berth.Key
		for _, id := range some {
			keys = append(keys, stateKey(id), archiveKey(id))
		}
		facts, err := d.store.GetAt(ctx, at, keys...)
		if err != nil {
			return "", nil
		}
		for i, id := range some {
			f := &Former{Revision: at}
			if a, ok := facts[2*i+1].Record.(*berth.Archive); ok && facts[2*i+1].Mod == at {
				f.Worker, f.Reason, f.Exit = a.Worker, a.Reason, a.Exit
			}
			if p, ok := facts[2*i].Record.(*berth.Progress); ok && facts[2*i].Mod == at && p.State == berth.StatePending && p.LastEnd != berth.EndGroup {
				f.Reason = p.LastEnd
				d.tellPlaced(ctx, f, id)
			}
			if f.Worker != "" {
				d.tellWhen(ctx, f)
				return id, f
			}
		}
	}
	return "", nil
}

// tellPlaced adds where an attempt was that ended by a revision, and what its allocation tells of its end.
func (d *Daemon) tellPlaced(ctx context.Context, f *Former, id berth.RequestID) {
	facts, err := d.store.GetAt(ctx, f.Revision-1, stateKey(id))
	if err != nil {
		return
	}
	if p, ok := facts[0].Record.(*berth.Progress); ok {
		f.Worker = p.Worker
		if a := d.allocationAt(ctx, f.Revision-1, p.Worker, id); a != nil {
			f.Stop, f.Exit = a.Stop, a.Exit
		}
	}
}
