package snapshot

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
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
	recalled berth.Loans // wanted back of what is lent
}

func newBudget(q *berth.Quota) *budget {
	b := &budget{quota: q, limits: maps.Clone(q.Allowed()), used: make(berth.Amounts), borrowed: make(berth.Amounts), recalled: q.Recalled}
	for d := range q.Guaranteed {
		b.borrowed[d] = q.Borrowed.Of(d)
	}
	return b
}

// bounds says whether a dimension is limited.
func (b *budget) bounds(d berth.Dimension) bool {
	_, limited := b.limits[d]
	return limited
}

func (b *budget) room(d berth.Dimension) int64 {
	limit, limited := b.limits[d]
	if !limited {
		return berth.MaxCustom
	}
	return max(limit-b.used[d], 0)
}

// unlent is how much of a dimension an account has room for without more loans, beside what is kept for groups that come before who asks.
func (c *course) unlent(of account, d berth.Dimension) int64 {
	return max(c.quotas[of].room(d)-c.gathered(of, d), 0)
}

// room is that with what others lend now.
func (c *course) room(of account, d berth.Dimension) int64 {
	b := c.quotas[of]
	limit, limited := b.limits[d]
	if !limited {
		return berth.MaxCustom
	}
	_, more := c.sources(of, d)
	return max(min(limit+more, max(b.quota.Limits[d], limit))-b.used[d]-c.gathered(of, d), 0)
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
		} else {
			c.giveBack(of, d)
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
	j := c.judge(r, n, b)
	return j.as, j.verdict
}

// judge judges by a tenant's budget whether that has room for so many.
func (c *course) judge(r *berth.Request, n int64, b *budget) *judgement {
	j := &judgement{budget: b, c: c, of: accountOf(r), as: r, need: make(berth.Amounts)}
	wants := berth.AmountsOfDemand(&r.Resources.Quantities)
	for _, d := range b.limits.Dimensions() {
		j.wants(d, n*wants[d])
	}
	for i := range r.Resources.Devices {
		need := j.chooseType(i, n)
		for _, d := range need.Dimensions() {
			j.wants(d, need[d])
		}
	}
	return j
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
	room := j.c.unlent(j.of, d)
	if j.verdict == nil {
		j.verdict = &berth.Verdict{}
	}
	most := j.quota.Limits[d]
	j.verdict.Reasons = append(j.verdict.Reasons, berth.Reason{
		Code: berth.ReasonQuota, Detail: string(d), Want: j.need[d], Best: min(room, j.limits[d]), Total: most, Stands: j.quota.Stand(d, j.limits, j.used),
	})
	j.verdict.NeverFits = j.verdict.NeverFits || j.need[d] > most
}

// chooseType is what so many of demand i need of a limited type, where there are no others for it, or they have to wait for it: they may get devices of several, where no
// one type is enough. Types that none of them may have are left out of the request; one that names none may have all that there are.
func (j *judgement) chooseType(i int, n int64) berth.Amounts {
	d := &j.as.Resources.Devices[i]
	kinds, want := j.c.kindsOf(d, j.of.pool), d.Count*d.Milli
	if len(kinds) == 0 {
		return nil
	}
	var could []string
	left := n
	for _, kind := range kinds {
		dim := berth.DeviceDimension(kind)
		most := n
		if j.bounds(dim) {
			most = min(n, (j.c.room(j.of, dim)-j.need[dim])/want)
		}
		if most > 0 {
			could, left = append(could, kind), left-most
		}
	}
	if left > 0 {
		if need := j.comesBack(i, kinds, want, n); need != nil {
			return need
		}
		return j.everOf(kinds, want, n)
	}
	if len(could) < len(kinds) {
		next := *j.as
		next.Resources.Devices = slices.Clone(next.Resources.Devices)
		next.Resources.Devices[i].Types, next.Resources.Devices[i].AnyOrder = could, len(d.Types) == 0
		j.as = &next
	}
	if dim := berth.DeviceDimension(could[0]); len(could) == 1 && j.bounds(dim) {
		return berth.Amounts{dim: n * want} // counted, so that the next demand of the request sees it
	}
	return nil
}

// comesBack is what so many of demand i need, beside the demands before, that its own part has room for when what is lent of it is back; nil: it has none, or no
// worker could ever take it.
func (j *judgement) comesBack(i int, kinds []string, want, n int64) berth.Amounts {
	own := func(d berth.Dimension) int64 {
		most, guaranteed := j.quota.Guaranteed[d]
		if !guaranteed {
			most = j.limits[d]
		}
		return most - j.used[d] - j.need[d]
	}
	if !slices.ContainsFunc(kinds, func(kind string) bool { return j.lends(berth.DeviceDimension(kind)) }) {
		return nil
	}
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return !j.c.fitsEver(scheduler.WithType(j.as, i, kind), 0) })
	now := func(d berth.Dimension) int64 { return min(own(d), j.c.room(j.of, d)-j.need[d]) }
	back := func(d berth.Dimension) int64 {
		if j.lends(d) {
			return own(d)
		}
		return now(d)
	}
	return scheduler.NeedInParts(kinds, want, n, now, back)
}

// lends says whether some of a dimension is lent.
func (b *budget) lends(d berth.Dimension) bool {
	return b.limits[d] < b.quota.Guaranteed[d]+b.borrowed[d]
}

// everOf is what so many need that have to wait for some types: of its own before what it could borrow.
func (j *judgement) everOf(kinds []string, want, n int64) berth.Amounts {
	own := func(d berth.Dimension) int64 { return max(j.limits[d], j.quota.Guaranteed[d]) }
	return scheduler.NeedOfTypes(kinds, want, n, own, func(d berth.Dimension) int64 { return j.quota.Limits[d] })
}
