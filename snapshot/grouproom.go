package snapshot

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// roomTries is of how many groups of a pool it is asked, at a time, who could make room for them:
// as many as a daemon asks for.
const roomTries = 8

// preempts says whether others may have to make room for a group: not by one that had to make room itself
// when it ran last. Of a record that does not tell, none of its members had to.
func (g *askedGroup) preempts() bool {
	if g.first().Preemption != berth.PreemptionLower || g.made || g.record.LastEnd.MadeRoom() {
		return false
	}
	return !slices.ContainsFunc(g.members, func(a *asked) bool {
		return a.room != "" || g.record.LastEnd == "" && a.last.MadeRoom()
	})
}

func (g *askedGroup) priority() int32 { return g.members[0].Candidate().Priority }

// gang are members as the scheduler is asked for them, by what their quota lets them ask for.
func (g *askedGroup) gang(members []*asked, as *berth.Request) scheduler.Gang {
	gang := scheduler.Gang{Need: int(g.needs()), Topology: g.first().Group.Topology, Linked: g.first().Group.Linked}
	for _, m := range members {
		cand := m.Candidate()
		if as != g.first() {
			r := m.Spec
			r.Resources.Devices = as.Resources.Devices
			cand.Request = &r
		}
		gang.Members = append(gang.Members, cand)
	}
	return gang
}

// makeRooms has others make room for groups that have been tried, of each pool the first by priority that
// they can make it for. What is kept for a group that matters as much is left to that.
func (c *course) makeRooms(of []*askedGroup) {
	seek := slices.DeleteFunc(slices.Clone(of), func(g *askedGroup) bool { return !g.preempts() || c.pastRoom(g) })
	slices.SortFunc(seek, func(a, b *askedGroup) int { return cmp.Or(cmp.Compare(b.priority(), a.priority()), a.before(b)) })
	tried := make(map[berth.PoolID]int)
	for _, g := range seek {
		p := g.first().Pool
		if k := c.kept[p]; tried[p] == roomTries || k != nil && k.Group != g.id && c.priorityOf(k.Group) >= g.priority() {
			continue
		}
		if tried[p]++; c.makeGroupRoom(g) {
			tried[p] = roomTries
		}
	}
}

// hopeless says whether nothing that is kept for a group would help it: no room does, or its members have to be
// near to each other, or apart.
func (c *course) hopeless(g *askedGroup) bool {
	return c.pastRoom(g) || c.tells(g, berth.ReasonAffinity, berth.ReasonAntiAffinity, berth.ReasonSpread, berth.ReasonTopology) &&
		scheduler.AmongThemselves(g.first())
}

// pastRoom says whether it is no room that a group waits for, but its quota; or it has not been tried.
func (c *course) pastRoom(g *askedGroup) bool {
	i, told := c.index[g.first().ID]
	if !told {
		return true
	}
	v := c.outcomes[i].Verdict
	return v == nil || v.NeverFits || c.tells(g, berth.ReasonQuota)
}

// tells says whether a group that has been tried is told one of some reasons.
func (c *course) tells(g *askedGroup, codes ...berth.ReasonCode) bool {
	v := c.outcomes[c.index[g.first().ID]].Verdict
	return v != nil && slices.ContainsFunc(v.Reasons, func(r berth.Reason) bool { return slices.Contains(codes, r.Code) })
}

// priorityOf is a waiting group's; of one that does not wait, below all.
func (c *course) priorityOf(id berth.GroupID) int32 {
	for _, g := range c.groups {
		if g.id == id {
			return g.priority()
		}
	}
	return scheduler.PriorityLeaving
}

// makeGroupRoom tells those to stop who make room for a group, and keeps that for it; false: nobody
// can, or its quota has no room.
func (c *course) makeGroupRoom(g *askedGroup) bool {
	defer c.askedBy(g.asking())()
	if _, over := c.allowed(g.first(), min(g.needs(), int64(len(g.members)))); over != nil {
		return false
	}
	d, ok := c.roomOfGroup(g)
	if !ok {
		return false
	}
	g.made = true
	c.making[g.id] = append(c.making[g.id], c.endWith(d.Victims)...)
	for _, id := range d.Victims {
		switch r := c.resides[id]; {
		case r == nil: // it has gone with others of its group
		case r.started || r.leaving || r.group != "":
			c.ordered(r, berth.RequestID(g.id))
		default: // it has not started, and ends at once
			c.stopped(r, berth.RequestID(g.id))
		}
	}
	ends := c.ends
	c.ends = nil
	for _, r := range ends { // of a group that makes room, who has not started
		c.away(r)
	}
	k := new(c.kept[g.first().Pool].Instead(berth.Keep{Group: g.id, Workers: d.Workers}))
	c.keep(g.first().Pool, k)
	c.comesTo(g.first(), k)
	c.gather(g, c.keptAmounts(k))
	c.rooms = append(c.rooms, c.endingOn(d.Workers, d.Within)...)
	return true
}

// roomOfGroup chooses who makes room for a group: for members of the types of devices of which its quota has enough for as many as must begin, by
// any of these alone; or else of so many of each as it has.
func (c *course) roomOfGroup(g *askedGroup) (d scheduler.GangRoom, ok bool) {
	r, of := g.first(), accountOf(g.first())
	asks := []scheduler.Gang{g.gang(g.members, r)}
	if b := c.quotas[of]; b != nil {
		has := func(d berth.Dimension) int64 { return c.room(of, d) }
		asks[0] = g.gang(g.members, c.typed(r, min(g.needs(), int64(len(g.members))), b, has))
		if left := c.devicesLeft(r, b, has); len(left) > 0 {
			both := g.gang(g.members, c.typed(r, 1, b, has))
			both.Left = left
			asks = append(asks, both)
		}
	}
	if k := c.kept[r.Pool]; k != nil && k.Group == g.id { // it is not kept apart from itself
		c.countComing(r.Pool, -1)
		defer c.countComing(r.Pool, 1)
	}
	for _, ask := range asks {
		ask.Members[0].Patience = c.patienceOf(g.members[0])
		if d, ok = c.fleet.PreemptGang(ask, c.groupOccupants); ok && c.exceedsAll(of, decisionsOf(d.Workers)) == nil {
			return d, true
		}
		if d.Anyway {
			break
		}
	}
	return d, false
}

// keep sets what is kept in a pool.
func (c *course) keep(p berth.PoolID, k *berth.Keep) {
	c.countComing(p, -1)
	delete(c.coming, p)
	c.fleet.Keep(p, k)
	if c.kept[p] = k; k == nil {
		delete(c.kept, p)
	}
}

func decisionsOf(workers []berth.KeptWorker) []scheduler.Decision {
	out := make([]scheduler.Decision, len(workers))
	for i := range workers {
		out[i] = scheduler.Decision{Worker: workers[i].Worker, Share: workers[i].Share}
	}
	return out
}

// groupOccupants are those on a worker who may have to go for a group: nobody where a request has
// a claim, but what leaves anyway.
func (c *course) groupOccupants(on berth.WorkerID) []scheduler.Occupant {
	all := c.occupants(on)
	if len(c.fleet.Worker(on).Ledger.Claims) > 0 {
		all = slices.DeleteFunc(all, func(o scheduler.Occupant) bool { return !o.Leaving })
	}
	for i := range all {
		r := c.resides[all[i].Request]
		all[i].Grace, all[i].Left = r.Spec.StopTimeoutMS, r.left
	}
	return all
}

// endingOn are those on workers who leave, or end by themselves within so many ms.
func (c *course) endingOn(workers []berth.KeptWorker, within int64) (all []*resident) {
	for i := range workers {
		for _, r := range c.on[workers[i].Worker] {
			if r.leaving || r.left > 0 && r.left <= within {
				all = append(all, r)
			}
		}
	}
	return all
}

// tellMaking notes who makes room for groups of the snapshot, wherever members of a group are that
// does: unless it is for a claim.
func (c *course) tellMaking() {
	for _, p := range slices.Sorted(maps.Keys(c.kept)) {
		k := c.kept[p]
		if g := c.s.groups[k.Group]; k.MadeRoom.IsZero() || g == nil || g.record.State != berth.GroupPending {
			continue
		}
		for i := range k.Workers {
			for _, r := range c.on[k.Workers[i].Worker] {
				if r.evicted && !c.waitedFor(r) {
					c.makes(r, k.Group)
				}
			}
		}
		c.rooms = append(c.rooms, c.endingOn(k.Workers, k.By.Sub(c.s.TakenAt).Milliseconds())...)
	}
}

// makes notes that a resident makes room for a group, with those of its own that leave with it.
func (c *course) makes(r *resident, g berth.GroupID) {
	all := []*resident{r}
	if r.group != "" {
		all = slices.DeleteFunc(c.residentsOf(r.group), func(m *resident) bool { return !m.leaving })
	}
	for _, m := range all {
		if m.room == "" {
			m.room = berth.RequestID(g)
			c.making[g] = append(c.making[g], m.Spec.ID)
		}
	}
}
