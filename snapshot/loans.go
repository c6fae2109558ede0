package snapshot

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Of what is guaranteed to a tenant, and what it does not use, others borrow who have some guaranteed
// of the same dimension, up to their limits: all that something lacks or nothing. As daemons do it,
// that comes after all that is placed without: the first that a loan helps borrows, as
// much again as its tenant has borrowed already, and then all that waits has its turn again. Who waits
// for what is guaranteed to it, or for a loan, lends nothing, for that may be its own; nor does, of a dimension, who has borrowed
// some of it. What no loan could help keeps nothing.

// lendFirst places the first that waits and that a loan helps; false: there is none.
func (c *course) lendFirst() bool {
	units, tried := c.lackingQuota(), make(map[string]bool)
	for i := range units {
		if u := &units[i]; u.place(tried) {
			if u.group != nil {
				c.groups = slices.DeleteFunc(c.groups, func(g *askedGroup) bool { return g == u.group })
			} else {
				c.singles = slices.DeleteFunc(c.singles, func(a *asked) bool { return a == u.single })
			}
			return true
		}
	}
	return false
}

// unit is what waits for its quota: one by itself, or a group.
type unit struct {
	c      *course
	single *asked
	group  *askedGroup
	turn   scheduler.Turn
	seq    berth.Revision
	types  bool // its quota has room for it, and it may fit with other types of devices, that are lent
}

func (u *unit) request() *berth.Request {
	if u.group != nil {
		return u.group.first()
	}
	return &u.single.Spec
}

func (u *unit) priority() int32 {
	if u.group != nil {
		return u.group.priority()
	}
	return u.single.Candidate().Priority
}

// lackingQuota is what waits for its quota, or may have other types of devices by a loan, in the order in which it would be placed.
func (c *course) lackingQuota() (units []unit) {
	c.own = make(map[account]bool)
	c.noteAwaited()
	add := func(u unit, n int64) {
		of := accountOf(u.request())
		b := c.quotas[of]
		if b == nil || len(b.quota.Guaranteed) == 0 {
			return
		}
		switch j := c.judge(u.request(), n, b); {
		case j.verdict == nil: // see noteAwaited
			if u.types = c.lendsTypes(u.request(), n); !u.types {
				return
			}
		case !j.couldEver() || !c.mightFit(&u):
			return
		default:
			c.own[of] = true
		}
		u.c, u.turn = c, c.turn(u.request())
		units = append(units, u)
	}
	for _, a := range c.singles {
		if a.claim == nil && c.whole[a.group] == nil {
			add(unit{single: a, seq: a.Seq}, 1)
		}
	}
	for _, g := range c.groups {
		add(unit{group: g, seq: g.seq}, min(g.needs(), int64(len(g.members))))
	}
	slices.SortStableFunc(units, func(a, b unit) int {
		return cmp.Or(a.turn.Compare(b.turn), cmp.Compare(b.priority(), a.priority()), cmp.Compare(a.seq, b.seq), cmp.Compare(a.request().ID, b.request().ID))
	})
	return units
}

// couldEver says whether what is needed could be had some day beside what is used: of what is guaranteed, with loans, up to the limit and to all
// that is guaranteed to anybody.
func (j *judgement) couldEver() bool {
	for d, want := range j.need {
		limit, limited := j.limits[d]
		if !limited {
			continue
		}
		if _, guaranteed := j.quota.Guaranteed[d]; guaranteed {
			limit = min(j.quota.Limits[d], j.c.guaranteed[j.of.pool][d])
		}
		if want > limit-j.used[d] {
			return false
		}
	}
	return true
}

// place places it with what others lend, or has others make room for it; false: it waits on.
func (u *unit) place(tried map[string]bool) bool {
	if u.types {
		return u.placeTypes(tried)
	}
	return u.placeWithLoan()
}

func (u *unit) placeWithLoan() bool {
	c := u.c
	c.loans = true
	defer func() { c.loans = false }()
	if u.group != nil {
		least := min(u.group.needs(), int64(len(u.group.members)))
		if _, over := c.allowed(u.group.first(), least); over != nil {
			return false
		}
		tried := c.tried
		placed := c.placeGroup(u.group)
		c.tried = tried
		return placed
	}
	if _, over := c.allowed(&u.single.Spec, 1); over != nil {
		return false
	}
	blocked, made := c.blocked, u.single.made
	c.full = make(map[string]Outcome)
	c.place(u.single)
	c.blocked = blocked
	_, placed := c.resides[u.single.Spec.ID]
	return placed || u.single.made != made
}

// source is a tenant of whom an account may have so much of a dimension.
type source struct {
	*budget
	idle int64
}

// sources are those of whom an account may have some of a dimension: who has borrowed it of this one, and does not use
// it, and who lends some; in the order of their names, and how much in all.
func (c *course) sources(of account, d berth.Dimension) (all []source, sum int64) {
	q := c.quotas[of].quota
	if _, counts := q.Guaranteed[d]; !c.loans || !counts {
		return nil, 0
	}
	for _, a := range c.limited[of.pool] {
		other, idle := c.quotas[a], int64(0)
		switch lent := min(q.Lent[a.tenant][d], other.borrowed[d]); {
		case a == of:
		case lent > 0:
			idle = min(lent, other.limits[d]-other.used[d])
		case !c.own[a]:
			idle = other.idle(d) - c.awaited[a][d]
		}
		if idle > 0 {
			all, sum = append(all, source{other, idle}), sum+idle
		}
	}
	return all, sum
}

// idle is how much of a dimension a tenant could lend.
func (b *budget) idle(d berth.Dimension) int64 {
	if _, counts := b.quota.Guaranteed[d]; !counts || b.borrowed[d] > 0 {
		return 0
	}
	return b.limits[d] - b.used[d]
}

// borrow takes what an account uses beyond what it is allowed from who lends it, and as much again as
// it has borrowed already where nobody else waits.
func (c *course) borrow(of account, d berth.Dimension) {
	b := c.quotas[of]
	limit, limited := b.limits[d]
	lack := min(b.used[d], b.quota.Limits[d]) - limit
	if !limited || lack <= 0 {
		return
	}
	if len(c.own) == 1 {
		lack = min(max(lack, b.borrowed[d]), b.quota.Limits[d]-limit)
	}
	from, _ := c.sources(of, d)
	for _, other := range from {
		part := min(lack, other.idle)
		other.limits[d] -= part
		b.limits[d] += part
		if other.borrowed[d] > 0 {
			other.borrowed[d] -= part // it comes back
		} else {
			b.borrowed[d] += part
		}
		lack -= part
	}
}

// giveBack gives back what lenders want back of an account and it does not use any more, before anybody's turn comes.
func (c *course) giveBack(of account, d berth.Dimension) {
	b := c.quotas[of]
	for _, a := range c.limited[of.pool] {
		lender := c.quotas[a]
		part := min(lender.recalled[of.tenant][d], b.borrowed[d], b.limits[d]-b.used[d])
		if part <= 0 {
			continue
		}
		lender.recalled = lender.recalled.With(of.tenant, d, lender.recalled[of.tenant][d]-part)
		b.borrowed[d], b.limits[d] = b.borrowed[d]-part, b.limits[d]-part
		lender.limits[d] = min(lender.limits[d]+part, lender.quota.Limits[d])
	}
}

// limited are the accounts that have a quota, by pools.
func (s *Snapshot) limited() map[berth.PoolID][]account {
	all := make(map[berth.PoolID][]account)
	for of := range s.quotas {
		all[of.pool] = append(all[of.pool], of)
	}
	for _, accounts := range all {
		slices.SortFunc(accounts, func(a, b account) int { return cmp.Compare(a.tenant, b.tenant) })
	}
	return all
}

// Limited are the tenants that have a quota in a pool, by name.
func (s *Snapshot) Limited(p berth.PoolID) (tenants []berth.TenantID) {
	for _, of := range s.limited()[p] {
		tenants = append(tenants, of.tenant)
	}
	return tenants
}

// guaranteed is how much of each dimension is guaranteed to all in a pool: more than that nobody can have.
func (s *Snapshot) guaranteed() map[berth.PoolID]berth.Amounts {
	all := make(map[berth.PoolID]berth.Amounts)
	for of, q := range s.quotas {
		if all[of.pool] == nil {
			all[of.pool] = make(berth.Amounts)
		}
		for d, v := range q.Guaranteed {
			all[of.pool][d] += v
		}
	}
	return all
}
