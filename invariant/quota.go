package invariant

// checkQuota is invariant 7: blocks within the quota, use within the block. A
// dimension that a quota or a block does not name is zero in it.
func (s *State) checkQuota(t string, f *finder) {
	key := kindTenant + "/" + t
	e, quota, unreadable := at[tenant](s, key)
	used, complete := map[string]tally{}, !unreadable
	for k, entry := range s.allocationsFrom[t] {
		a, ok := entry.record.(*allocation)
		if !ok {
			continue
		}
		of := key + "/" + a.QuotaBlock
		if s.entries[of] == nil {
			f.add("7.5", k, "is counted in %s, which is not there", of)
		}
		if used[of] == nil {
			used[of] = tally{}
		}
		used[of].addQuantities(a.Share.quantities)
	}
	blocks := tally{}
	for k, entry := range s.blocksOf[t] {
		b, ok := entry.record.(*block)
		complete = complete && ok
		if !ok {
			continue
		}
		if e == nil {
			f.add("7.4", k, "there is no %s", key)
		}
		blocks.addQuantities(b.Block)
		checkBlock(k, b, used[k], f)
	}
	if e == nil || !complete {
		return
	}
	most := quantitiesOf(quota.Quota)
	for _, d := range blocks.excess(most) {
		f.add("7.1", key, "blocks take %s of a quota of %s %s", blocks[d], most[d], d)
	}
}

func checkBlock(key string, b *block, want tally, f *finder) {
	most, used := quantitiesOf(b.Block), quantitiesOf(b.Used)
	for _, d := range used.excess(most) {
		f.add("7.2", key, "uses %s of %s %s", used[d], most[d], d)
	}
	if want == nil {
		want = tally{}
	}
	for _, d := range used.differences(want) {
		f.add("7.3", key, "used %s is %s, the allocations are %s", d, used[d], want[d])
	}
}
