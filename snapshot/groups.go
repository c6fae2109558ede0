package snapshot

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// group is one of the snapshot.
type group struct {
	record *berth.Group
	seq    berth.Revision
}

// askedGroup is a group that waits to be placed whole.
type askedGroup struct {
	id      berth.GroupID
	record  *berth.Group
	seq     berth.Revision // of its record: first come, first placed
	members []*asked
	made    bool // others have made room for it: once is enough
	leaving bool // members of it are there yet, though it is tried as if they were not
	drained bool // its room and its quota are kept for it meanwhile
}

func (g *askedGroup) first() *berth.Request { return &g.members[0].Spec }

// before is the order in which groups of one tenant are placed.
func (g *askedGroup) before(o *askedGroup) int {
	return cmp.Or(cmp.Compare(o.members[0].Candidate().Priority, g.members[0].Candidate().Priority), cmp.Compare(g.seq, o.seq), cmp.Compare(g.id, o.id))
}

// needs is how many of its members must be placed together: some may have ended well.
func (g *askedGroup) needs() int64 {
	left := int64(len(g.members))
	return max(g.record.MinCount-max(g.record.Size-left-g.record.Failed, 0), 1)
}

// add has a member wait with its group.
func (g *askedGroup) add(a *asked) {
	a.group = g.id
	i, _ := slices.BinarySearchFunc(g.members, a.Spec.ID, func(o *asked, id berth.RequestID) int { return cmp.Compare(o.Spec.ID, id) })
	g.members = slices.Insert(g.members, i, a)
}

// placeGroup places the first members of a group, as many as must be at least, or says why it
// waits.
func (c *course) placeGroup(g *askedGroup) bool {
	defer c.askedBy(g.asking())()
	counted, over := c.allowedOf(g)
	if over != nil {
		return c.groupWaitsForQuota(g, over)
	}
	d := c.placeWay(g, counted)
	if (d.Verdict == nil || g.drained) && c.kept[g.first().Pool] != nil {
		c.fleet.Undo(d)
		if c.takesBefore(g) { // it is tried again behind those
			c.giveUp(g)
			c.tried = append(c.tried, g)
			return false
		}
		d = c.placeWay(g, counted)
	}
	if d.Verdict != nil {
		c.tellTypesShort(g.first(), g.needs(), d.Verdict)
		return c.groupWaits(g, d.Verdict)
	}
	if v := c.exceedsAll(accountOf(g.first()), d.Placed); v != nil {
		c.fleet.Undo(d)
		return c.groupWaits(g, v)
	}
	delete(c.whole, g.id)
	c.notGathered(g)
	if k := c.kept[g.first().Pool]; k.For(g.id) != nil {
		c.keep(g.first().Pool, k.Without(g.id))
		c.again = true
	}
	for i := range d.Placed {
		c.settled(g.members[i], d.Placed[i].Worker, d.Placed[i].Share)
		o := Outcome{Worker: d.Placed[i].Worker, Share: &d.Placed[i].Share}
		if i == 0 {
			o.Victims = c.making[g.id]
		}
		c.tell(g.members[i], o)
	}
	for _, m := range g.members[len(d.Placed):] {
		c.singles, c.again = append(c.singles, joining(m, d.Domain, d.Link)), true
	}
	return true
}

func (c *course) groupWaits(g *askedGroup, v *berth.Verdict) bool {
	c.tried = append(c.tried, g)
	if k := c.kept[g.first().Pool]; k.For(g.id) != nil && k.Group != g.id { // it has been tried
		c.giveUp(g)
	}
	for _, m := range g.members {
		c.tell(m, Outcome{Verdict: v})
	}
	return false
}

// allowedOf are the members of a group that its tenant's quota has room for: as many as must
// be placed, at least, or it waits.
func (c *course) allowedOf(g *askedGroup) (some []*asked, over *berth.Verdict) {
	all := int64(len(g.members))
	if c.loans { // the others follow
		all = min(g.needs(), all)
	}
	if _, over = c.allowed(g.first(), all); over == nil {
		return g.members[:all], nil
	}
	low, high := int64(0), all-1
	for low < high {
		mid := (low + high + 1) / 2
		if _, v := c.allowed(g.first(), mid); v == nil {
			low = mid
		} else {
			high = mid - 1
		}
	}
	least := min(g.needs(), all)
	if low < least {
		_, over = c.allowed(g.first(), least)
		return nil, over
	}
	return g.members[:low], nil
}

// exceedsAll is exceeds of all that a group has got.
func (c *course) exceedsAll(of account, placed []scheduler.Decision) *berth.Verdict {
	b := c.quotas[of]
	if b == nil {
		return nil
	}
	total := make(berth.Amounts)
	for i := range placed {
		if len(placed[i].Share.Devices) == 0 {
			return nil
		}
		for d, n := range berth.AmountsOf(&placed[i].Share, &c.fleet.Worker(placed[i].Worker).Ledger.Capacity) {
			total[d] += n
		}
	}
	j := judgement{budget: b, c: c, of: of, need: make(berth.Amounts)}
	for _, d := range b.limits.Dimensions() {
		j.wants(d, total[d])
	}
	if j.verdict != nil {
		j.verdict.NeverFits = false
	}
	return j.verdict
}

// joining is a later member of a group that is placed: it goes where the others are.
func joining(a *asked, domain, link string) *asked {
	if domain == "" && link == "" {
		return a
	}
	next := *a
	next.alone = a.Request
	q := *a.Request
	q.Spec = q.Spec.Beside(domain, link)
	next.Request = &q
	return &next
}

// residentsOf are the members of a group that have places, by id.
func (c *course) residentsOf(id berth.GroupID) (all []*resident) {
	for _, r := range c.resides {
		if r.group == id {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *resident) int { return cmp.Compare(a.Spec.ID, b.Spec.ID) })
	return all
}

// plain is a member as it is without its group's place.
func plain(a *asked) *asked {
	next := *a
	if next.alone != nil {
		next.Request, next.alone = next.alone, nil
	}
	return &next
}

// regroup has a group placed again whole, once all of it has left its workers: one of its
// members makes room for another. Who runs is told to stop, who has not started ends at once,
// behind what is being planned.
func (c *course) regroup(id berth.GroupID, by berth.RequestID) {
	if c.whole[id] != nil {
		return
	}
	c.whole[id] = &askedGroup{id: id, record: c.records[id].record, seq: c.records[id].seq}
	for _, r := range c.residentsOf(id) {
		if r.kind, r.room = KindStopped, by; r.started {
			c.toldToStop(r)
			r.returns = true
			c.stopping = append(c.stopping, r)
		} else {
			c.ends = append(c.ends, r)
		}
	}
}

// moveGroup has a group placed again whole, of which some members have had no place yet: the worker of one of the others is emptied.
func (c *course) moveGroup(id berth.GroupID, later []*asked) {
	rec := *c.records[id].record
	rec.LastEnd = berth.EndDrained
	g, had := &askedGroup{id: id, record: &rec, seq: c.records[id].seq, leaving: true, drained: true}, make(berth.Amounts)
	c.whole[id] = g
	placed, as := c.residentsOf(id), *g // as it will wait
	for _, a := range later {
		as.add(plain(a))
	}
	for _, r := range placed {
		r.kind, r.room = KindMoved, ""
		c.amountsOn(had, r.worker, &r.share)
		as.add(plain(r.asked))
	}
	c.keepMoved(&as, placed)
	for _, r := range placed {
		c.away(r)
	}
	if g.preempts() { // else it has that in its turn, or not at all
		c.gather(g, had)
	}
}

// away takes a member off its worker, to wait with its group. The last one lets that be tried.
func (c *course) away(r *resident) {
	if c.resides[r.Spec.ID] != r {
		return
	}
	c.leaves(r)
	a := plain(r.asked)
	a.from = r.worker
	g := c.whole[r.group]
	g.add(a)
	if len(c.residentsOf(r.group)) == 0 {
		c.groups, c.again = append(c.groups, g), true
	}
}

// waitsWhole has a later member wait with its group, where that is to be placed again.
func (c *course) waitsWhole(a *asked) bool {
	g := c.whole[a.group]
	if a.group == "" || g == nil {
		return false
	}
	g.add(plain(a))
	return true
}
