package snapshot

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// budget is a tenant's quota of a pool, and what it uses of it: as if it were in one block,
// for daemons take of it what they need.
//
// What is lent and used may come back some day, for which no forecast waits: only what is beyond the
// limits themselves never fits.
type budget struct {
	quota    *berth.Quota
	limits   berth.Amounts // what is allowed now
	used     berth.Amounts
	borrowed berth.Amounts
}

func newBudget(q *berth.Quota) *budget {
	b := &budget{quota: q, limits: maps.Clone(q.Allowed()), used: make(berth.Amounts), borrowed: make(berth.Amounts)}
	for d := range q.Guaranteed {
		b.borrowed[d] = q.Borrowed.Of(d)
	}
	return b
}

func (b *budget) room(d berth.Dimension) int64 {
	limit, limited := b.limits[d]
	if !limited {
		return berth.MaxCustom
	}
	return max(limit-b.used[d], 0)
}

// room is how much of a dimension an account has room for, with what others lend now.
func (c *course) room(of account, d berth.Dimension) int64 {
	b := c.quotas[of]
	limit, limited := b.limits[d]
	if !limited {
		return berth.MaxCustom
	}
	_, more := c.sources(of, d)
	return max(min(limit+more, max(b.quota.Limits[d], limit))-b.used[d], 0)
}

// spend counts what is placed on a worker, or has left it.
func (c *course) spend(of account, share *berth.Share, capacity *berth.Capacity, by int64) {
	b := c.quotas[of]
	if b == nil {
		return
	}
	for d, n := range berth.AmountsOf(share, capacity) {
		if b.used[d] += by * n; by > 0 {
			c.borrow(of, d)
		}
	}
}

// allowed says whether its tenant's quota has room for so many like a request; as what, for
// it may not have all the types of devices that it would take. The verdict is on who has to wait.
func (c *course) allowed(r *berth.Request, n int64) (as *berth.Request, v *berth.Verdict) {
	b := c.quotas[accountOf(r)]
	if b == nil {
		return r, nil
	}
	j := judgement{budget: b, c: c, of: accountOf(r), as: r, need: make(berth.Amounts)}
	wants := berth.AmountsOfDemand(&r.Resources.Quantities)
	for _, d := range b.limits.Dimensions() {
		j.wants(d, n*wants[d])
	}
	for i := range r.Resources.Devices {
		if d := j.chooseType(i, n); d != "" {
			j.wants(d, n*r.Resources.Devices[i].Count*r.Resources.Devices[i].Milli)
		}
	}
	return j.as, j.verdict
}

// exceeds says that a share is more than is left of a quota, or nil.
func (c *course) exceeds(of account, share *berth.Share, capacity *berth.Capacity) *berth.Verdict {
	b := c.quotas[of]
	if b == nil || len(share.Devices) == 0 {
		return nil
	}
	j := judgement{budget: b, c: c, of: of, need: make(berth.Amounts)}
	amounts := berth.AmountsOf(share, capacity)
	for _, d := range b.limits.Dimensions() {
		j.wants(d, amounts[d])
	}
	if j.verdict != nil {
		j.verdict.NeverFits = false // it may get other devices another time
	}
	return j.verdict
}

// judgement is one by a budget, as daemons judge.
type judgement struct {
	*budget
	c       *course
	of      account
	as      *berth.Request
	need    berth.Amounts
	verdict *berth.Verdict
}

func (j *judgement) wants(d berth.Dimension, want int64) {
	if want == 0 {
		return
	}
	j.need[d] += want
	if j.need[d] <= j.c.room(j.of, d) {
		return
	}
	room := j.room(d)
	if j.verdict == nil {
		j.verdict = &berth.Verdict{}
	}
	most := j.quota.Limits[d]
	j.verdict.Reasons = append(j.verdict.Reasons, berth.Reason{
		Code: berth.ReasonQuota, Detail: string(d), Want: j.need[d], Best: min(room, j.limits[d]), Total: most, Stands: j.quota.Stand(d, j.limits, j.used),
	})
	j.verdict.NeverFits = j.verdict.NeverFits || j.need[d] > most
}

// chooseType is the limited type of which demand i needs more, or none. Types that it may
// not have are left out of the request; one that names none may have all that there are.
func (j *judgement) chooseType(i int, n int64) berth.Dimension {
	d := &j.as.Resources.Devices[i]
	kinds := d.Types
	if len(kinds) == 0 {
		kinds = j.c.fleet.DeviceTypes(j.of.pool)
	}
	want := n * d.Count * d.Milli
	var allowed []string
	for _, kind := range kinds {
		dim := berth.DeviceDimension(kind)
		if _, limited := j.limits[dim]; !limited || want+j.need[dim] <= j.c.room(j.of, dim) {
			allowed = append(allowed, kind)
		}
	}
	switch {
	case len(kinds) == 0:
		return ""
	case len(allowed) == 0:
		return j.everOf(kinds, want)
	case len(allowed) < len(kinds):
		next := *j.as
		next.Resources.Devices = slices.Clone(next.Resources.Devices)
		next.Resources.Devices[i].Types, next.Resources.Devices[i].AnyOrder = allowed, len(d.Types) == 0
		j.as = &next
	}
	if dim := berth.DeviceDimension(allowed[0]); len(allowed) == 1 {
		if _, limited := j.limits[dim]; limited {
			return dim // counted, so that the next demand of the request sees it
		}
	}
	return ""
}

// everOf is the first of some types of which the whole quota is enough, or the first.
func (j *judgement) everOf(kinds []string, want int64) berth.Dimension {
	for _, kind := range kinds {
		if dim := berth.DeviceDimension(kind); j.quota.Limits[dim] >= want {
			return dim
		}
	}
	return berth.DeviceDimension(kinds[0])
}
