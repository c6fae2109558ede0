package snapshot

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A group that a drain moves is kept what it has room for from the first stop order on, for as many members as must begin together: who is drained
// with it and goes first has none of that for later members of its own. As by a daemon (daemon/groupdrain.go) it is chosen as the drains come.

// keepMoved keeps for a group, of which some members have their places yet, those of them that it can have again, and what is free, or leaves anyway.
func (c *course) keepMoved(g *askedGroup, placed []*resident) {
	p := g.first().Pool
	k := c.kept[p].Without(g.id)
	beside := k != nil && !c.takesOver(k, g)
	workers, ok := c.roomAgain(g, placed, beside)
	if !ok && !beside {
		workers = c.roomToMake(g)
		ok = len(workers) > 0
	}
	switch {
	case !ok:
	case beside:
		c.keep(p, c.keptBeside(k, berth.KeptBeside{Group: g.id, Workers: workers}, g.priority()))
	default:
		c.keep(p, new(k.Instead(berth.Keep{Group: g.id, Workers: workers})))
	}
}

// moves says whether a group waits for the ends of its members, of which one was drained.
func (g *askedGroup) moves() bool { return g.leaving && g.record.LastEnd == berth.EndDrained }

// takesOver says whether a group has what is kept for it in place of another's: that gathers, and matters less, and nobody makes room for it.
func (c *course) takesOver(k *berth.Keep, g *askedGroup) bool {
	o := c.whole[k.Group]
	return k.MadeRoom.IsZero() && len(k.Beside) == 0 && (o == nil || !o.moves()) && c.priorityOf(k.Group) < g.priority()
}

// keptBeside is what is kept with that for one group more, behind those that matter as much.
func (c *course) keptBeside(k *berth.Keep, one berth.KeptBeside, priority int32) *berth.Keep {
	next := *k
	at := slices.IndexFunc(k.Beside, func(o berth.KeptBeside) bool { return c.priorityOf(o.Group) < priority })
	if at < 0 {
		at = len(k.Beside)
	}
	next.Beside = slices.Insert(slices.Clone(k.Beside), at, one)
	return &next
}

// roomAgain is where a group goes: those whose workers take them yet to these again; false: it has no room.
func (c *course) roomAgain(g *askedGroup, placed []*resident, beside bool) (workers []berth.KeptWorker, ok bool) {
	stay := make(map[berth.RequestID]*resident)
	for _, r := range placed {
		w := c.fleet.Worker(r.worker)
		if int64(len(stay)) < g.needs() && !r.leaving && w != nil && w.Ready && !w.Cordoned && !w.Draining && !w.Removing {
			stay[r.Spec.ID] = r
		}
	}
	if workers, ok = c.roomBeside(g, stay, beside); !ok && len(stay) > 0 {
		workers, ok = c.roomBeside(g, nil, beside)
	}
	return workers, ok
}

// roomBeside is where a group goes of which some stay where they are.
func (c *course) roomBeside(g *askedGroup, stay map[berth.RequestID]*resident, beside bool) (workers []berth.KeptWorker, ok bool) {
	shares := make(map[berth.WorkerID]berth.Share)
	add := func(w berth.WorkerID, share *berth.Share) bool {
		sum, err := shares[w].Plus(*share)
		shares[w] = sum
		return err == nil
	}
	for _, r := range stay { // in which order decides nothing
		if !add(r.worker, &r.share) {
			return nil, false
		}
	}
	if need := int(g.needs()) - len(stay); need > 0 {
		ask := g.gang(slices.DeleteFunc(slices.Clone(g.members), func(a *asked) bool { return stay[a.Spec.ID] != nil }), g.first())
		ask.Need, ask.Beside = need, beside
		if len(stay) > 0 { // near to these
			ask.Topology, ask.Linked = "", false
			for i := range ask.Members {
				ask.Members[i].Request = new(ask.Members[i].Request.Beside(g.record.Domain, g.record.Link))
			}
		}
		ask.Members[0].Priority++ // those of its own that leave count as of less
		on := c.onceMoved(g.id, stay)
		d, fits := c.fleet.RoomOnceLeft(ask, func(w berth.WorkerID) []scheduler.Occupant {
			return slices.DeleteFunc(on(w), func(o scheduler.Occupant) bool { return !o.Leaving })
		})
		if !fits {
			return nil, false
		}
		for i := range d.Workers {
			if !add(d.Workers[i].Worker, &d.Workers[i].Share) {
				return nil, false
			}
		}
	}
	for _, w := range slices.Sorted(maps.Keys(shares)) {
		workers = append(workers, berth.KeptWorker{Worker: w, Share: shares[w]})
	}
	return workers, true
}

// roomToMake is where a group goes when others have made room for it, where they may; nil: nowhere. So nobody is started there to make room a moment later.
func (c *course) roomToMake(g *askedGroup) (workers []berth.KeptWorker) {
	if !g.preempts() {
		return nil
	}
	ask := g.gang(g.members, g.first())
	ask.Members[0].Patience = c.patienceOf(g.members[0])
	ask.Members[0].Priority++ // as of roomBeside; of the others none counts that matters as much
	on := c.onceMoved(g.id, nil)
	d, ok := c.fleet.PreemptGang(ask, func(w berth.WorkerID) []scheduler.Occupant {
		return slices.DeleteFunc(on(w), func(o scheduler.Occupant) bool { return !o.Leaving && o.Priority >= g.priority() })
	})
	if !ok {
		return nil
	}
	return slices.DeleteFunc(d.Workers, func(k berth.KeptWorker) bool { return k.Share.IsZero() })
}

// onceMoved is groupOccupants, of whom those of a group leave that do not stay.
func (c *course) onceMoved(id berth.GroupID, stay map[berth.RequestID]*resident) func(berth.WorkerID) []scheduler.Occupant {
	return func(w berth.WorkerID) []scheduler.Occupant {
		all := c.groupOccupants(w)
		for i := range all {
			if o := &all[i]; o.Group == id && !o.Leaving && stay[o.Request] == nil {
				o.Leaving, o.Left = true, o.Grace
			}
		}
		return all
	}
}
