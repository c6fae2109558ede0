package snapshot

import (
	"fmt"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// giveUpKept gives up what is kept for a group where that keeps off somebody whose turn is before, and says whether it was somewhere. A
// daemon does so within a second or so, before those have ended who have their grace, but while others make room for the group; and keeps
// nothing for anybody for ten seconds. What comes later than that no forecast tells by the clock: nothing is kept there any more, but where others make
// room for a group.
func (c *course) giveUpKept() (given bool) {
	for _, p := range slices.Sorted(maps.Keys(c.kept)) {
		k := c.kept[p]
		i := slices.IndexFunc(c.groups, func(g *askedGroup) bool { return g.id == k.Group && !g.leaving })
		if i < 0 || c.roomComes(k) || !c.wentBefore(c.groups[i], k) {
			continue
		}
		c.giveUp(c.groups[i])
		given = true
	}
	return given
}

// giveUp gives up what is kept for a group. Where that is the one that gathers, nothing is kept in the pool for another that begins to.
func (c *course) giveUp(g *askedGroup) {
	p := g.first().Pool
	k := c.kept[p]
	c.opened[p] = c.opened[p] || k.Group == g.id
	c.keep(p, k.Without(g.id))
	c.again, c.gaveUp = true, true
}

// wentBefore says whether something would be placed, or others would make room for it, that is kept off by what is kept for a group, and
// whose turn comes before.
func (c *course) wentBefore(g *askedGroup, k *berth.Keep) bool {
	asks, seen := keptAsks, make(map[string]bool)
	for _, a := range c.singles {
		if a.claim != nil || c.whole[a.group] != nil || !c.goesFirst(g, &a.Spec, a.Candidate().Priority) {
			continue
		}
		if c.tellsKept(a) || c.keepsRoomOff(a, k, seen, &asks) {
			return true
		}
	}
	return slices.ContainsFunc(c.groups, func(o *askedGroup) bool {
		return c.goesFirst(g, o.first(), o.priority()) && (o.first().Tenant == g.first().Tenant || c.tellsKept(o.members[0])) && c.couldKeepFor(o)
	})
}

// goesFirst says whether the turn of something that waits is before that of a group for which something is kept: of a tenant with less, or of its own
// with a higher priority.
func (c *course) goesFirst(g *askedGroup, o *berth.Request, priority int32) bool {
	r := g.first()
	switch {
	case o.Pool != r.Pool:
		return false
	case o.Tenant == r.Tenant:
		return priority > g.priority()
	}
	return c.turn(o).Share < c.turn(r).Share
}

// takesBefore says whether a group that fits would have, by what is kept for it, room of what was looked at before in vain, and whose turn is before. What
// others make room for is the group's.
func (c *course) takesBefore(g *askedGroup) bool {
	k := c.kept[g.first().Pool]
	workers := k.For(g.id)
	if workers == nil || k.Group == g.id && (!k.MadeRoom.IsZero() || c.making[g.id] != nil) {
		return false
	}
	if k.Group != g.id && c.fitsWithout(g, k) {
		return true
	}
	asks := keptAsks
	return slices.ContainsFunc(c.blocked, func(a *asked) bool {
		if a.claim != nil || c.whole[a.group] != nil || !c.goesFirst(g, &a.Spec, a.Candidate().Priority) || c.waitsForItsQuota(a) {
			return false
		}
		return slices.ContainsFunc(workers, func(w berth.KeptWorker) bool {
			asks--
			return asks >= 0 && c.fleet.FitsUnkept(a.Candidate(), w.Worker)
		})
	})
}

// fitsWithout says whether another group that was tried before in vain, and whose turn is before, would fit, were nothing kept for one.
func (c *course) fitsWithout(g *askedGroup, k *berth.Keep) bool {
	p := g.first().Pool
	c.fleet.Keep(p, k.Without(g.id))
	defer c.fleet.Keep(p, k)
	return slices.ContainsFunc(c.tried, func(o *askedGroup) bool {
		if !c.goesFirst(g, o.first(), o.priority()) {
			return false
		}
		counted, over := c.allowedOf(o)
		if over != nil {
			return false
		}
		d := c.placeWay(o, counted)
		c.fleet.Undo(d)
		return d.Verdict == nil
	})
}

// waitsForItsQuota says whether it is its quota that something waits for.
func (c *course) waitsForItsQuota(a *asked) bool {
	defer c.askedBy(a.asking())()
	_, over := c.allowedChoice(&a.Spec, c.choices(&a.Spec))
	return over != nil
}

// couldKeepFor says whether something could be kept for a group in place of what is kept for another.
func (c *course) couldKeepFor(g *askedGroup) bool {
	if g.leaving || c.unkept[g.id] || c.hopeless(g) {
		return false
	}
	_, ok := c.wantedFor(c.wanting(g))
	return ok
}

// keptAsks bounds on how many workers wentBefore asks whether others could make room, as in a daemon.
const keptAsks = 1024

// tellsKept says whether something waits for what is kept.
func (c *course) tellsKept(a *asked) bool {
	i, told := c.index[a.Spec.ID]
	return told && c.outcomes[i].Verdict != nil &&
		slices.ContainsFunc(c.outcomes[i].Verdict.Reasons, func(r berth.Reason) bool { return r.Code == berth.ReasonKept })
}

// keepsRoomOff says whether others could make room for a request on a worker that is kept for a group, and for no other reason do not. Of equal
// ones the first is asked for.
func (c *course) keepsRoomOff(a *asked, k *berth.Keep, seen map[string]bool, asks *int) bool {
	if !a.preempts() {
		return false
	}
	cand := a.Candidate()
	like := fmt.Sprint(a.Spec.Tenant, " ", cand.Priority, " ", scheduler.Shape(&a.Spec))
	if seen[like] {
		return false
	}
	seen[like] = true
	if _, over := c.allowedChoice(&a.Spec, c.choices(&a.Spec)); over != nil {
		return false
	}
	cand.Patience = c.patienceOf(a)
	for i := range k.Workers {
		if *asks--; *asks < 0 {
			return false
		}
		if c.fleet.CanPreemptUnkept(cand, k.Workers[i].Worker, c.occupants) {
			return true
		}
	}
	return false
}
