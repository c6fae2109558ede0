package invariant

import (
	"maps"
	"slices"
)

// allowed is what a quota lets be used: of what is guaranteed, that with what is borrowed and without
// what is lent, within the limits; of anything else, the limits.
func (q *quota) allowed() map[string]int64 {
	out := maps.Clone(q.Limits)
	for d, most := range out {
		has, guaranteed := q.Guaranteed[d]
		if !guaranteed {
			has = most
		}
		for _, of := range q.Borrowed {
			if guaranteed {
				has += of[d]
			}
		}
		for _, of := range q.Lent {
			has -= of[d]
		}
		out[d] = max(min(has, most), 0)
	}
	return out
}

// partners are those with whom a tenant has loans.
func (r *tenant) partners() []string {
	all := map[string]bool{}
	for _, q := range r.Pools {
		for t := range q.Lent {
			all[t] = true
		}
		for t := range q.Borrowed {
			all[t] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// checkLoans is clause 7.10: what one tenant has lent, the other has borrowed.
func (s *State) checkLoans(t string, rec *tenant, f *finder) {
	for _, pool := range slices.Sorted(maps.Keys(rec.Pools)) {
		q := rec.Pools[pool]
		s.compareLoans(t, pool, q.Lent, "lent to", func(o quota) loans { return o.Borrowed }, f)
		s.compareLoans(t, pool, q.Borrowed, "borrowed from", func(o quota) loans { return o.Lent }, f)
	}
}

func (s *State) compareLoans(t, pool string, mine loans, word string, side func(quota) loans, f *finder) {
	for _, other := range slices.Sorted(maps.Keys(mine)) {
		_, rec, unreadable := at[tenant](s, kindTenant+"/"+other)
		if unreadable {
			continue
		}
		theirs := map[string]int64(nil)
		if rec != nil {
			theirs = side(rec.Pools[pool])[t]
		}
		if !maps.Equal(mine[other], theirs) {
			f.add("7.10", kindTenant+"/"+t, "%v of pool %s are %s %s, whose record says %v", mine[other], pool, word, other, theirs)
		}
	}
}

// stepLoans is clause 7.11: a loan leaves whom it takes something from what that has in use, or has taken.
func (s *State) stepLoans(c change, is *tenant, f *finder) {
	was := &tenant{}
	if c.before != nil {
		if r, ok := c.before.record.(*tenant); ok {
			was = r
		}
	}
	for _, pool := range slices.Sorted(maps.Keys(is.Pools)) {
		q, old := is.Pools[pool], was.Pools[pool]
		if !maps.Equal(q.Limits, old.Limits) || !maps.Equal(q.Guaranteed, old.Guaranteed) {
			continue // by an operator, who may set them lower than what is used
		}
		now, before := q.allowed(), old.allowed()
		in := s.usedOf(c.after.id, pool).within(now)
		for d := range now {
			if now[d] >= before[d] {
				continue
			}
			of, _ := dimensionOf(d)
			most := (sum{}).plus(now[d])
			if taken := amountsOf(q.Taken)[of]; taken.above(most) || in[of].above(most) {
				f.add("7.11", c.after.Key, "a loan leaves %s of %s of pool %s, of which %s are taken and %s in use", most, d, pool, taken, in[of])
			}
		}
	}
}
