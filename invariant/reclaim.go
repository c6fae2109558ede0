package invariant

import (
	"maps"
	"slices"
	"time"
)

// stepReclaimed is clause 7.12: what is told to stop for a loan is needed for that: without its end, and with all
// else that was told so, the borrower could not give back what has been wanted back for as long as the lender says.
// So nothing is stopped that is on what is guaranteed to the borrower itself, and nothing too early.
func (s *State) stepReclaimed(changes []change, f *finder) {
	for _, c := range changes {
		if c.after == nil || reclaimed(c.after) == nil || reclaimed(c.before) != nil {
			continue
		}
		_, r, _ := at[submission](s, kindRequest+"/"+c.after.id)
		_, q, unreadable := at[tenant](s, kindTenant+"/"+r.tenantOf())
		if r == nil || q == nil || unreadable {
			continue
		}
		a := reclaimed(c.after)
		when := a.Stop.Deadline.Add(-time.Duration(r.Spec.StopTimeoutMS) * time.Millisecond)
		of := q.Pools[r.Spec.Pool]
		keeps := of.without(s.reclaims(a.Tenant, r.Spec.Pool, when))
		stays, own := s.staying(a, r.Spec.Pool)
		needed := false
		for d, v := range own {
			most, counts := keeps[d]
			needed = needed || counts && v != (sum{}) && stays[d].plusSum(v).above(most)
		}
		if !needed {
			f.add("7.12", c.after.Key, "is told to stop for what tenant %s has borrowed, of which nobody reclaims what it holds: %v stay beside its %v, of %v", a.Tenant, stays, own, keeps)
		}
	}
}

// reclaimed is an allocation that is told to stop for a loan, or nil.
func reclaimed(e *entry) *allocation {
	if e == nil {
		return nil
	}
	if a, ok := e.record.(*allocation); ok && a.Stop != nil && a.Stop.Reason == "reclaim" {
		return a
	}
	return nil
}

func (r *submission) tenantOf() string {
	if r == nil {
		return ""
	}
	return r.Spec.Tenant
}

// reclaims is what those want back from a tenant at a moment who have waited for as long as they say.
func (s *State) reclaims(t, pool string, when time.Time) map[string]int64 {
	back := map[string]int64{}
	for other, owed := range s.limitsOf(t)[pool].Borrowed {
		q := s.limitsOf(other)[pool]
		since, known := q.RecalledSince[t]
		if q.ReclaimAfterMS == nil || !known || when.Before(since.Add(time.Duration(*q.ReclaimAfterMS)*time.Millisecond)) {
			continue
		}
		for d, v := range q.Recalled[t] {
			back[d] += min(v, owed[d])
		}
	}
	return back
}

// without is what a tenant may use when it has given so much back, of each dimension of which some is.
func (q *quota) without(back map[string]int64) map[dimension]sum {
	out := map[dimension]sum{}
	for word, v := range back {
		has, guaranteed := q.Guaranteed[word]
		if !guaranteed || v == 0 {
			continue
		}
		for _, of := range q.Borrowed {
			has += of[word]
		}
		for _, of := range q.Lent {
			has -= of[word]
		}
		if d, ok := dimensionOf(word); ok {
			out[d] = (sum{}).plus(max(has-v, 0))
		}
	}
	return out
}

// mates are the allocations of one attempt of a group, or one that is in none.
type mates struct {
	key     string
	attempt int64
}

func matesOf(e *entry, a *allocation) mates {
	if a.Group == "" {
		return mates{e.Key, 0}
	}
	return mates{"group " + a.Group, a.GroupAttempt}
}

// staying is what a tenant has in a pool of which nothing is told to stop for a loan, with what is counted
// for claims; and what an allocation has that is, with the others of its group.
func (s *State) staying(of *allocation, pool string) (stays, own tally) {
	by, going := map[mates]tally{}, map[mates]bool{}
	var which mates
	for _, k := range slices.Sorted(maps.Keys(s.allocationsFrom[of.Tenant])) {
		e := s.allocationsFrom[of.Tenant][k]
		a, ok := e.record.(*allocation)
		if !ok {
			continue
		}
		p, held, ok := s.counted(e, a)
		if !ok || p != pool {
			continue
		}
		m := matesOf(e, a)
		if by[m] == nil {
			by[m] = tally{}
		}
		for d, v := range held {
			by[m][d] = by[m][d].plusSum(v)
		}
		going[m] = going[m] || reclaimed(e) != nil
		if a == of {
			which = m
		}
	}
	stays = tally{}
	for m, held := range by {
		for d, v := range held {
			if !going[m] {
				stays[d] = stays[d].plusSum(v)
			}
		}
	}
	s.eachCounted(of.Tenant, func(_ *entry, l *ledger, c *claim) {
		if c.Counted.Pool == pool {
			for d, v := range countedOf(c.Wants, l) {
				stays[d] = stays[d].plusSum(v)
			}
		}
	})
	return stays, by[which]
}
