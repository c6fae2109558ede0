package snapshot

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// keepAnew chooses again what is kept for groups of the snapshot, where a worker of that has been taken out
// since: what a drained one had is of no use, and without it the rest may be of none. A daemon does so within
// a second, also while others make room there. What is given up is anybody's, before something is kept for
// another group.
func (c *course) keepAnew() {
	for _, p := range slices.Sorted(maps.Keys(c.kept)) {
		k := c.kept[p]
		i := slices.IndexFunc(c.groups, func(g *askedGroup) bool { return g.id == k.Group && !g.leaving })
		if i < 0 || !c.lost(k) {
			continue
		}
		c.noRoom(k)
		next := c.chosenAnew(c.groups[i], k)
		if next == nil {
			c.unkept[k.Group] = true
			next = k.Without(k.Group)
		} else {
			*next = k.Instead(*next)
		}
		c.keep(p, next)
		c.again = true
	}
}

// lost says whether one of the workers is not there, or takes nobody any more.
func (c *course) lost(k *berth.Keep) bool {
	return slices.ContainsFunc(k.Workers, func(one berth.KeptWorker) bool {
		w := c.fleet.Worker(one.Worker)
		return !one.Share.IsZero() && (w == nil || w.Cordoned || w.Draining || w.Removing)
	})
}

// roomComes says whether some are there yet who make room for what is kept.
func (c *course) roomComes(k *berth.Keep) bool {
	return slices.ContainsFunc(c.rooms, func(r *resident) bool { return c.resides[r.Spec.ID] == r && isOn(k, r) })
}

// noRoom has those who make room for what is kept end for nobody.
func (c *course) noRoom(k *berth.Keep) {
	for _, r := range c.rooms {
		if isOn(k, r) {
			c.vain = append(c.vain, r)
		}
	}
	c.rooms = slices.DeleteFunc(c.rooms, func(r *resident) bool { return isOn(k, r) })
}

func isOn(k *berth.Keep, r *resident) bool {
	return slices.ContainsFunc(k.Workers, func(one berth.KeptWorker) bool { return one.Worker == r.worker })
}

// chosenAnew is what is kept for a group in place of k, or nil.
func (c *course) chosenAnew(g *askedGroup, k *berth.Keep) *berth.Keep {
	if c.hopeless(g) {
		return nil
	}
	ask := c.wanting(g)
	if !k.Since.IsZero() {
		ask.Waited = max(c.s.TakenAt.Sub(k.Since).Milliseconds(), 0)
		ask.Anew = scheduler.Round(ask.Waited) != scheduler.Round(k.Chosen.Sub(k.Since).Milliseconds())
	}
	next, ok := c.wantedFor(ask)
	if !ok {
		return nil
	}
	next.Since, next.Chosen = k.Since, k.Chosen
	return next
}

// wanting is a group as it is asked what can be kept for it: of each type of devices no more than its quota has, with what others lend.
func (c *course) wanting(g *askedGroup) scheduler.Wanting {
	r := g.first()
	ask := scheduler.Wanting{Gang: g.gang(g.members, r)}
	if b := c.quotas[accountOf(r)]; b != nil {
		has := func(d berth.Dimension) int64 { return c.room(accountOf(r), d) }
		ask.Gang = g.gang(g.members, c.typed(r, 1, b, has))
		ask.Left = c.devicesLeft(r, b, has)
	}
	return ask
}

// wantedFor is what can be kept for a group.
func (c *course) wantedFor(ask scheduler.Wanting) (*berth.Keep, bool) {
	got, ok := c.fleet.KeepFor(ask, c.stays)
	if !ok {
		return nil, false
	}
	k := &berth.Keep{Group: ask.Members[0].Request.Group.ID, Workers: got.Workers}
	if got.Within > 0 {
		k.By = c.s.TakenAt.Add(time.Duration(got.Within) * time.Millisecond)
	}
	return k, true
}
