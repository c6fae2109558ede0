package daemon

import (
	"context"
	"slices"

	"github.com/berthd/berth"
)

// readAtOnce is how many keys one read of the past asks for.
const readAtOnce = 100

// groupStop is the stop order of an allocation, as of a revision. One by which its group is
// placed anew tells which member made room, or gave back what was borrowed, for whom, too, where that was why.
func (d *Daemon) groupStop(ctx context.Context, a *berth.Allocation, at berth.Revision) *berth.StopOrder {
	if a.Stop == nil || a.Stop.Reason != berth.StopGroup || a.Group == "" {
		return a.Stop
	}
	size, anew := d.groupAnew(ctx, a, at)
	if anew == 0 {
		return a.Stop
	}
	id, order := d.preemptedOf(ctx, a.Group.Members(size), anew)
	if order == nil {
		return a.Stop
	}
	told := *a.Stop
	told.Message = berth.Clip(told.Message+": "+string(id)+" "+order.Message, berth.MaxMessageBytes)
	return &told
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
