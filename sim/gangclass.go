package sim

import "math"

// gangLike is what groups are alike in of which one fits where another would.
type gangLike struct {
	kind        int // of their jobs
	tenant      string
	topology    string
	linked      bool
	count, need int
	kept        int // the group that something is kept for, by itself; -1: another
}

// gangClass is groups of which none fits, as the daemon has them: none is tried before machines
// that have had more to give since have room for as many jobs as the first lacked.
type gangClass struct {
	ask     gangAsk
	blocked bool
	keptOff bool
	lacks   int
	room    map[int]int // of machines
	gained  int
	pass    int // when one of them was last looked at
}

// classOf is a waiting group's, of which so many jobs may be placed.
func (r *replay) classOf(g, count int) *gangClass {
	b := r.gangs
	of, f := &r.groups[g], &b.fates[g]
	ask := gangAsk{group: g, kind: r.kind[f.members[0]], count: count, need: r.needs(g), topology: of.Topology, linked: of.Linked, again: f.asked}
	like := gangLike{ask.kind, r.jobs[of.first].Tenant, ask.topology, ask.linked, ask.count, ask.need, -1}
	if b.keep.rec != nil && b.keep.group == g {
		like.kept = g
	}
	c := b.classes[like]
	if c == nil {
		c = &gangClass{}
		b.classes[like] = c
	}
	c.ask, c.pass = ask, b.pass
	return c
}

func (c *gangClass) open() bool { return !c.blocked || c.gained >= c.lacks }

func (c *gangClass) never() bool { return c.lacks == math.MaxInt }

// block notes that a group of the class did not fit.
func (c *gangClass) block(a *gangAnswer) {
	c.blocked, c.keptOff, c.lacks, c.room, c.gained = true, a.keptOff, a.lacks, nil, 0
	if a.never {
		c.lacks = math.MaxInt
	}
}

// wake tells the classes of machines that may have more to give, and forgets those of which no
// group waits any more.
func (b *gangRun) wake() {
	for like, c := range b.classes {
		if c.pass < b.pass {
			delete(b.classes, like)
			continue
		}
		if !c.blocked || c.never() {
			continue
		}
		for _, m := range b.freed {
			if c.room == nil {
				c.room = make(map[int]int)
			}
			room := b.by.room(&c.ask, m)
			c.gained += room - c.room[m]
			c.room[m] = room
		}
	}
	b.freed = b.freed[:0]
	b.pass++
}
