package snapshot

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// askWaiting asks for all that waits, groups whole.
func (c *course) askWaiting() {
	c.tellEnding()
	c.tellMaking()
	c.tellComing()
	whole := make(map[berth.GroupID]*askedGroup)
	for _, id := range slices.Sorted(maps.Keys(c.s.requests)) {
		q := c.s.requests[id]
		a := &asked{Request: q, kind: KindWaiting}
		if q.State != nil {
			a.last = q.State.LastEnd
		}
		if q.Spec.Group == nil {
			if q.Worker() == "" {
				_, a.known = c.s.Mixes[q.Spec.Pool] // whose daemon has learned of it, too
				if a.claim = c.standing[id]; a.claim != nil {
					a.on = q.State.ClaimOn
				}
				c.singles = append(c.singles, a)
			}
			continue
		}
		of := q.Spec.Group.ID
		g := c.s.groups[of]
		if g == nil || g.record.State == berth.GroupEnding {
			continue // it is being submitted, or what waits of it ends
		}
		a.group = of
		if g.record.State == berth.GroupPlaced {
			if q.Worker() == "" {
				c.singles = append(c.singles, joining(a, g.record.Domain, g.record.Link))
			}
			continue
		}
		_, a.known = c.s.Mixes[q.Spec.Pool]
		if whole[of] == nil {
			whole[of] = &askedGroup{id: of, record: g.record, seq: g.seq}
		}
		if r := c.resides[id]; r != nil { // of an attempt that is over
			a.from, a.room = r.worker, r.room
			if a.room != "" {
				a.kind = KindStopped
			}
			c.leaves(r)
			whole[of].leaving = true
		}
		whole[of].add(a)
	}
	for _, id := range slices.Sorted(maps.Keys(whole)) {
		g := whole[id]
		if k := c.kept[g.first().Pool]; k != nil && k.Group == id && !k.MadeRoom.IsZero() {
			c.gather(g, c.keptAmounts(k))
		}
		c.groups = append(c.groups, g)
	}
}

// askMoved asks for all that would have to leave its worker.
func (c *course) askMoved(emptied map[berth.WorkerID]bool) {
	later := make(map[berth.GroupID][]*asked) // members that have had no place yet
	for _, a := range c.singles {
		if a.group != "" {
			later[a.group] = append(later[a.group], a)
		}
	}
	for _, w := range slices.Sorted(maps.Keys(c.on)) {
		if !emptied[w] {
			continue
		}
		for _, r := range slices.Clone(c.on[w]) {
			switch {
			case c.resides[r.Spec.ID] != r: // with others of its group
			case r.leaving && !r.returns: // for good
			case r.group != "":
				c.moveGroup(r.group, later[r.group])
			default:
				c.leaves(r)
				r.kind, r.from = KindMoved, w
				c.singles = append(c.singles, r.asked)
			}
		}
	}
}

// askNew asks for requests that are not there yet.
func (c *course) askNew(requests []berth.Request) error {
	n, ages := 0, agesOf(requests)
	for i := range requests {
		r := requests[i].Normalize()
		if err := r.Validate(); err != nil {
			return err
		}
		each := []berth.Request{r}
		if r.Group != nil {
			if !r.IsGroup() {
				return &berth.FieldError{Field: "group.id", Value: string(r.Group.ID), Problem: "is not the request's id", Bound: "nothing, or the id: the request stands for the whole group"}
			}
			each = r.Members()
		}
		if n += len(each); n > MaxAsked {
			return outOf("requests", n, MaxAsked)
		}
		if err := c.askOne(&r, each, c.s.Revision+1+ages[i]); err != nil {
			return err
		}
	}
	return nil
}

// agesOf tells in which order requests would come. A daemon writes the groups of a call first, one after the other, and
// then what waits alone: so a group is older than that, wherever in the call it stands.
func agesOf(requests []berth.Request) []berth.Revision {
	ages, next := make([]berth.Revision, len(requests)), berth.Revision(0)
	for from := 0; from < len(requests); from += berth.MaxRequestsPerCall {
		to := min(from+berth.MaxRequestsPerCall, len(requests))
		for _, groups := range []bool{true, false} {
			for i := from; i < to; i++ {
				if (requests[i].Group != nil) == groups {
					ages[i] = next
					next++
				}
			}
		}
	}
	return ages
}

// askOne asks for a request, or for the members of a group.
func (c *course) askOne(r *berth.Request, each []berth.Request, seq berth.Revision) error {
	g := &askedGroup{seq: seq}
	if r.Group != nil {
		g.id, g.record = r.Group.ID, &berth.Group{Size: r.Group.Size, MinCount: r.Group.MinCount, State: berth.GroupPending}
		if c.records[g.id] != nil {
			return taken(string(g.id))
		}
		c.records[g.id] = &group{g.record, seq}
	}
	for i := range each {
		id := each[i].ID
		if c.s.requests[id] != nil || c.s.states[id] != nil || c.asks[id] {
			return taken(string(id))
		}
		c.asks[id] = true
		a := &asked{Request: &Request{Spec: each[i], Seq: seq}, kind: KindNew}
		if r.Group == nil {
			c.singles = append(c.singles, a)
		} else {
			g.add(a)
		}
	}
	if len(g.members) > 0 {
		c.groups = append(c.groups, g)
	}
	return nil
}

func taken(id string) error {
	return &berth.FieldError{Field: "id", Value: id, Problem: "is taken by a request that was submitted", Bound: "an id that is new"}
}
