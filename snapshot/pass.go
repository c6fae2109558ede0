package snapshot

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// run takes the course to where nothing changes any more. What happens at once comes before those end
// who have their grace. Each request, and each group, makes others stop once at most, and none of these
// does so again, and what waits for others' places is tried again only when one was got, so there is an end.
func (c *course) run() {
	for more := true; more; {
		c.pass()
		c.makeRooms(c.groups)
		c.leaveGathered()
		c.keepRooms(c.groups)
		c.keepAnew()
		more = c.again || c.placed && slices.ContainsFunc(c.singles, (*asked).preempts) || c.follows() || c.giveUpKept() || c.settle() || c.lendFirst()
	}
}

// follows says whether something waits that must be near others, or evenly spread among them, and something of its
// pool has got a place in this pass, maybe after it was looked at. As in a daemon, that wakes it.
func (c *course) follows() bool {
	after := func(r *berth.Request) bool {
		return c.placedIn[r.Pool] && (slices.ContainsFunc(r.Affinity, func(a berth.Affinity) bool { return a.Weight == 0 }) ||
			slices.ContainsFunc(r.Spread, func(s berth.Spread) bool { return s.Weight == 0 }))
	}
	return slices.ContainsFunc(c.singles, func(a *asked) bool { return c.whole[a.group] == nil && after(&a.Spec) }) ||
		slices.ContainsFunc(c.groups, func(g *askedGroup) bool { return after(g.first()) })
}

// pass looks at all that waits, once, in the order of turns, and of one tenant by priority: groups before what waits alone
// when it is their turn, and else behind it, one after the other.
func (c *course) pass() {
	c.placed, c.again, c.gaveUp, c.full = false, false, false, make(map[string]Outcome)
	clear(c.placedIn)
	groups, singles := c.groups, slices.DeleteFunc(c.singles, c.waitsWhole) // who waits with its group has no turn of its own
	c.groups, c.singles = nil, nil
	for turn := false; len(groups)+len(singles) > 0; {
		if len(groups) > 0 && (turn || len(singles) > 0 && c.comesFirst(groups, singles)) {
			first := c.firstOf(singles)
			if turn {
				first = nil
			}
			groups = append(c.passGroups(groups, first), c.groups...)
			singles, turn = append(singles, c.singles...), false
			c.groups, c.singles = nil, nil
			if c.gaveUp { // for who was looked at before, and not for those behind
				groups, singles = append(groups, c.tried...), append(singles, c.blocked...)
				c.gaveUp, c.tried, c.blocked, c.full = false, nil, nil, make(map[string]Outcome)
			}
			c.planned()
			continue
		}
		rest := c.passSingles(singles, firstsOf(groups))
		for len(c.ends) > 0 { // what they leave is for those who wait alone, first
			ends := c.ends
			c.ends = nil
			for _, r := range ends {
				c.away(r)
			}
			again := slices.Concat(c.singles, c.blocked)
			c.singles, c.blocked, c.full = nil, nil, make(map[string]Outcome)
			c.passSingles(again, nil)
		}
		groups, singles, turn = append(groups, c.groups...), slices.Concat(c.singles, rest), len(rest) == 0
		c.groups, c.singles = nil, nil
		c.planned()
	}
	c.singles, c.blocked = append(c.singles, c.blocked...), nil
	c.groups, c.tried = append(c.groups, c.tried...), nil
}

// planned lets those that have got places make room for others: their plan is done.
func (c *course) planned() { c.plans++ }

// passSingles looks at what waits alone. Where somebody makes room, more may be free than is
// wanted: those that were looked at in vain come again, in their turns. Those that a group comes before are left.
func (c *course) passSingles(all []*asked, groups map[account]*askedGroup) (left []*asked) {
	turns := turnsOf(c.shares, all)
	for a, ok := turns.Next(); ok; a, ok = turns.Next() {
		if c.isBehind(a, groups) {
			return restOf(turns, []*asked{a})
		}
		made := a.made
		c.placeInTime(a)
		if a.made == made {
			continue
		}
		rest := restOf(turns, c.blocked)
		c.blocked, c.full = nil, make(map[string]Outcome)
		turns = turnsOf(c.shares, rest)
	}
	return nil
}

// placeInTime finds a place for what waits alone. What moves has a plan of its own, for each has ended at another moment: what was placed
// before makes room for it as anybody does, and it for those behind it.
func (c *course) placeInTime(a *asked) {
	if a.kind != KindMoved {
		c.place(a)
		return
	}
	c.planned()
	c.place(a)
	c.planned()
}

// restOf adds those whose turn is yet to come.
func restOf(turns *scheduler.Turns[*asked], all []*asked) []*asked {
	for a, ok := turns.Next(); ok; a, ok = turns.Next() {
		all = append(all, a)
	}
	return all
}

// goesBefore says whether a group comes before what waits alone: by their tenants' turns, and of one tenant by priority; one that a drain moves
// also before what is younger.
func (c *course) goesBefore(g *askedGroup, a *asked) bool {
	by, than := c.turn(g.first()).Compare(c.turn(&a.Spec)), a.Candidate().Priority
	return by < 0 || by == 0 && accountOf(g.first()) == accountOf(&a.Spec) && (g.priority() > than || g.drained && g.priority() == than && g.seq < a.Seq)
}

// passGroups places the first group that fits, of those that are not behind what waits alone, or of all where that has been looked at, nil; and
// returns those that were not tried: also where what is kept has been given up, for whoever's turn is before.
func (c *course) passGroups(groups []*askedGroup, alone *asked) (rest []*askedGroup) {
	slices.SortFunc(groups, func(a, b *askedGroup) int {
		return cmp.Or(c.turn(a.first()).Compare(c.turn(b.first())), a.before(b))
	})
	for i, g := range groups {
		switch {
		case alone != nil && !c.goesBefore(g, alone):
			rest = append(rest, g)
		case c.placeGroup(g) || c.gaveUp:
			return append(rest, groups[i+1:]...)
		}
	}
	return rest
}

// firstsOf are the first groups of each tenant and pool.
func firstsOf(groups []*askedGroup) map[account]*askedGroup {
	firsts := make(map[account]*askedGroup)
	for _, g := range groups {
		of := accountOf(g.first())
		if first := firsts[of]; first == nil || g.before(first) < 0 {
			firsts[of] = g
		}
	}
	return firsts
}

// isBehind says whether a group of its pool comes before what waits alone.
func (c *course) isBehind(a *asked, groups map[account]*askedGroup) bool {
	for _, g := range groups { // which of them decides nothing
		if g.first().Pool == a.Spec.Pool && c.goesBefore(g, a) {
			return true
		}
	}
	return false
}

func (c *course) turn(r *berth.Request) scheduler.Turn { return c.shares.Turn(r.Tenant, r.Pool) }

// comesFirst says whether one of the groups comes before all that waits alone.
func (c *course) comesFirst(groups []*askedGroup, singles []*asked) bool {
	first := c.firstOf(singles)
	return slices.ContainsFunc(groups, func(g *askedGroup) bool { return c.goesBefore(g, first) })
}

// firstOf is the one whose turn it is.
func (c *course) firstOf(singles []*asked) *asked {
	first, _ := turnsOf(c.shares, singles).Next()
	return first
}

// turnsOf hands out what is asked in the order in which it would be placed.
func turnsOf(shares *scheduler.Shares, all []*asked) *scheduler.Turns[*asked] {
	lines, oldest := make(map[account][]*asked), make(map[account]berth.Revision)
	for _, a := range all {
		of := accountOf(&a.Spec)
		if first, known := oldest[of]; !known || a.Seq < first {
			oldest[of] = a.Seq
		}
		lines[of] = append(lines[of], a)
	}
	turns := scheduler.NewTurns[*asked](shares)
	for _, of := range slices.SortedFunc(maps.Keys(lines), func(a, b account) int {
		return cmp.Or(cmp.Compare(oldest[a], oldest[b]), cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.pool, b.pool))
	}) {
		line := lines[of]
		slices.SortFunc(line, func(a, b *asked) int { return a.before(b.Request) })
		turns.Add(of.tenant, of.pool, line)
	}
	return turns
}
