package invariant

import (
	"maps"
	"slices"
	"strings"
)

// dimensionOf reads what a quota calls a dimension. Of devices it is the type, not the name.
func dimensionOf(word string) (dimension, bool) {
	switch family(word) {
	case familyCPU, familyMemory, familyDisk:
		return dimension{family: family(word)}, true
	}
	kind, name, named := strings.Cut(word, ".")
	f := family(kind)
	return dimension{f, name}, named && (f == familyCustom || f == familyDevice)
}

func amountsOf(amounts map[string]int64) tally {
	t := tally{}
	for word, v := range amounts {
		if d, ok := dimensionOf(word); ok {
			t.add(d.family, d.name, v)
		}
	}
	return t
}

// within is what is left of a tally in the dimensions that amounts name.
func (t tally) within(amounts map[string]int64) tally {
	out := tally{}
	for word := range amounts {
		if d, ok := dimensionOf(word); ok && t[d] != (sum{}) {
			out[d] = t[d]
		}
	}
	return out
}

// counted is what an allocation counts for, and in which pool; not ok: its request or its
// ledger cannot be read.
func (s *State) counted(e *entry, a *allocation) (pool string, t tally, ok bool) {
	_, r, _ := at[submission](s, kindRequest+"/"+e.id)
	if r == nil {
		return "", nil, false
	}
	_, l, _ := at[ledger](s, kindLedger+"/"+e.owner)
	if l == nil && len(a.Share.Devices) > 0 {
		return "", nil, false
	}
	return r.Spec.Pool, countedOf(a.Share, l), true
}

// countedOf is what a share of a ledger counts for; nil: it has no devices.
func countedOf(held share, l *ledger) tally {
	t := quantitiesOf(held.quantities)
	for _, d := range held.Devices {
		for _, have := range l.Capacity.Devices {
			if have.Name == d.Name {
				t.add(familyDevice, have.Type, d.Milli)
			}
		}
	}
	return t
}

// eachCounted are the claims that are counted in a tenant's quotas.
func (s *State) eachCounted(t string, do func(e *entry, l *ledger, c *claim)) {
	for _, e := range s.claimsFrom[t] {
		l, ok := e.record.(*ledger)
		if !ok {
			continue
		}
		for i := range l.Claims {
			if c := &l.Claims[i]; c.Counted != nil && c.Counted.Tenant == t {
				do(e, l, c)
			}
		}
	}
}

// tallies are some by name.
type tallies map[string]tally

func (t tallies) add(name string, more tally) {
	if t[name] == nil {
		t[name] = tally{}
	}
	for d, v := range more {
		t[name][d] = t[name][d].plusSum(v)
	}
}

// checkQuota is of invariant 7 what one revision shows: blocks are what is taken, and use
// is within them.
func (s *State) checkQuota(t string, f *finder) {
	key := kindTenant + "/" + t
	e, rec, unreadable := at[tenant](s, key)
	used, unsure := map[string]tallies{}, map[string]bool{}
	for k, entry := range s.allocationsFrom[t] {
		a, ok := entry.record.(*allocation)
		if !ok || a.QuotaBlock == "" {
			continue
		}
		of := key + "/" + a.QuotaBlock
		if s.entries[of] == nil {
			f.add("7.5", k, "is counted in %s, which is not there", of)
		}
		pool, held, ok := s.counted(entry, a)
		if !ok {
			unsure[of] = true
			continue
		}
		if used[of] == nil {
			used[of] = tallies{}
		}
		used[of].add(pool, held)
	}
	s.eachCounted(t, func(e *entry, l *ledger, c *claim) {
		of := key + "/" + c.Counted.Block
		if s.entries[of] == nil {
			f.add("7.5", e.Key, "the claim of %s is counted in %s, which is not there", c.Request, of)
		}
		if used[of] == nil {
			used[of] = tallies{}
		}
		used[of].add(c.Counted.Pool, countedOf(c.Wants, l))
	})
	taken, blocks, complete := tallies{}, map[string]int64{}, !unreadable
	for k, entry := range s.blocksOf[t] {
		b, ok := entry.record.(*block)
		complete = complete && ok
		if !ok {
			continue
		}
		for pool, of := range b.Pools {
			if e == nil || rec != nil && !has(rec.Pools, pool) {
				f.add("7.4", k, "there is no %s for pool %s", key, pool)
			}
			taken.add(pool, amountsOf(of.Block))
			blocks[pool]++
		}
		if !unsure[k] {
			checkBlock(k, b, used[k], f)
		}
	}
	if rec != nil {
		s.checkLoans(t, rec, f)
	}
	if e == nil || !complete {
		return
	}
	for pool, q := range rec.Pools {
		for _, d := range amountsOf(q.Taken).differences(taken[pool]) {
			f.add("7.1", key, "%s taken of pool %s is %s, the blocks are %s", d, pool, amountsOf(q.Taken)[d], taken[pool][d])
		}
		if q.Blocks != blocks[pool] {
			f.add("7.1", key, "counts %d blocks of pool %s, there are %d", q.Blocks, pool, blocks[pool])
		}
	}
}

func has[V any](m map[string]V, name string) bool {
	_, there := m[name]
	return there
}

func checkBlock(key string, b *block, want tallies, f *finder) {
	for pool, of := range b.Pools {
		most, used := amountsOf(of.Block), amountsOf(of.Used)
		for _, d := range used.within(of.Block).excess(most) {
			f.add("7.2", key, "uses %s of %s %s of pool %s", used[d], most[d], d, pool)
		}
	}
	pools := slices.Collect(maps.Keys(b.Pools))
	for _, pool := range slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(pools, maps.Keys(want))))) {
		used := amountsOf(b.Pools[pool].Used)
		for _, d := range used.differences(want[pool]) {
			f.add("7.3", key, "used %s of pool %s is %s, the allocations and claims are %s", d, pool, used[d], want[pool][d])
		}
	}
}

// stepQuotas is invariant 7 at the revision that creates an allocation or a claim, or takes more.
func (s *State) stepQuotas(changes []change, f *finder) {
	created := createdTallies{}
	for _, c := range changes {
		if c.after == nil {
			continue
		}
		switch r := c.after.record.(type) {
		case *allocation:
			if c.before == nil {
				s.stepCounted(c.after, r, created, f)
			}
		case *ledger:
			s.stepClaimed(c, r, created, f)
		case *block:
			s.stepTaken(c, r, f)
		case *tenant:
			s.stepLoans(c, r, f)
		}
	}
	for of, held := range created {
		s.stepLimits(of[0], of[1], held, f)
	}
}

// stepCounted is clause 7.9: whatever is placed under limits is counted.
func (s *State) stepCounted(e *entry, a *allocation, created createdTallies, f *finder) {
	limits := s.limitsOf(a.Tenant)
	if len(limits) == 0 {
		return
	}
	pool, held, ok := s.counted(e, a)
	if !ok || len(limits[pool].Limits) == 0 {
		return
	}
	if a.QuotaBlock == "" {
		f.add("7.9", e.Key, "is counted in no block, though tenant %s is limited in pool %s", a.Tenant, pool)
	}
	created.add([2]string{a.Tenant, pool}, held)
}

// stepClaimed is clause 7.9 for claims: what is set aside under limits is counted, at the latest when what was lent of that is back.
func (s *State) stepClaimed(c change, l *ledger, created createdTallies, f *finder) {
	had := map[string]claim{}
	if c.before != nil {
		if was, ok := c.before.record.(*ledger); ok {
			for _, old := range was.Claims {
				had[old.Request] = old
			}
		}
	}
	for _, is := range l.Claims {
		_, r, _ := at[submission](s, kindRequest+"/"+is.Request)
		was := had[is.Request]
		if r == nil || is.Lent || was.Attempt == is.Attempt && !was.Lent || len(s.limitsOf(r.Spec.Tenant)[r.Spec.Pool].Limits) == 0 {
			continue
		}
		if is.Counted == nil {
			f.add("7.9", c.after.Key, "the claim of %s is counted in no block, though tenant %s is limited in pool %s", is.Request, r.Spec.Tenant, r.Spec.Pool)
		}
		created.add([2]string{r.Spec.Tenant, r.Spec.Pool}, countedOf(is.Wants, l))
	}
}

// createdTallies are what was created holds, by tenant and pool.
type createdTallies map[[2]string]tally

func (t createdTallies) add(of [2]string, held tally) {
	if t[of] == nil {
		t[of] = tally{}
	}
	for d, v := range held {
		t[of][d] = t[of][d].plusSum(v)
	}
}

func (s *State) limitsOf(t string) map[string]quota {
	if _, rec, _ := at[tenant](s, kindTenant+"/"+t); rec != nil {
		return rec.Pools
	}
	return nil
}

// stepLimits is clause 7.7: with what was created now, all that a tenant has in a pool, with what is counted for claims, is
// within its limits. Limits that were set lower than what was there only keep more away.
func (s *State) stepLimits(t, pool string, created tally, f *finder) {
	q := s.limitsOf(t)[pool]
	limits := q.allowed()
	all, most := s.usedOf(t, pool), amountsOf(limits)
	for _, d := range all.within(limits).excess(most) {
		if created[d] != (sum{}) {
			f.add("7.7", kindTenant+"/"+t, "was given %s of %s %s of pool %s", all[d], most[d], d, pool)
		}
	}
}

// usedOf is all that a tenant has in a pool, with what is counted for claims.
func (s *State) usedOf(t, pool string) tally {
	all := tallies{"": {}}
	for _, entry := range s.allocationsFrom[t] {
		if a, ok := entry.record.(*allocation); ok {
			if p, held, ok := s.counted(entry, a); ok && p == pool {
				all.add("", held)
			}
		}
	}
	s.eachCounted(t, func(_ *entry, l *ledger, c *claim) {
		if c.Counted.Pool == pool {
			all.add("", countedOf(c.Wants, l))
		}
	})
	return all[""]
}

// stepTaken is clause 7.8: a block grows beyond what is used of it only within the limits.
func (s *State) stepTaken(c change, is *block, f *finder) {
	was := &block{}
	if c.before != nil {
		if r, ok := c.before.record.(*block); ok {
			was = r
		}
	}
	quotas := s.limitsOf(c.after.owner)
	for pool, of := range is.Pools {
		q := quotas[pool]
		before, now, used := amountsOf(was.Pools[pool].Block), amountsOf(of.Block), amountsOf(of.Used)
		limits := q.allowed()
		for _, d := range amountsOf(q.Taken).within(limits).excess(amountsOf(limits)) {
			if now[d].above(before[d]) && now[d].above(used[d]) {
				f.add("7.8", c.after.Key, "takes %s %s of pool %s, of which %s are taken of %s", now[d], d, pool, amountsOf(q.Taken)[d], amountsOf(limits)[d])
			}
		}
	}
}
