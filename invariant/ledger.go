package invariant

var clausesOfLedger = map[family]string{
	familyCPU: "2.1", familyMemory: "2.2", familyDisk: "2.3", familyCustom: "2.4", familyPort: "2.5", familyDevice: "2.6",
}

// checkLedger is invariant 2: a ledger equals the sum of the allocations under
// it, and its held claims.
func (s *State) checkLedger(w string, f *finder) {
	key := kindLedger + "/" + w
	e, l, unreadable := at[ledger](s, key)
	if unreadable {
		return
	}
	sumOf, complete := tally{}, true
	for k, entry := range s.allocationsOn[w] {
		a, ok := entry.record.(*allocation)
		complete = complete && ok
		switch {
		case !ok:
		case e == nil:
			f.add("2.9", k, "there is no ledger of worker %s", w)
		case a.Epoch != l.Epoch:
			f.add("2.10", k, "is of epoch %d, its ledger of epoch %d", a.Epoch, l.Epoch)
		}
		if ok {
			sumOf.addShare(a.Share)
		}
	}
	if e == nil {
		return
	}
	if complete {
		s.checkSums(key, l, sumOf, int64(len(s.allocationsOn[w])), f)
	}
	var claims []share
	for _, c := range l.Claims {
		claims = append(claims, c.Share)
	}
	held, want := tallyOf(l.Held), tallyOf(claims...)
	for _, d := range held.differences(want) {
		f.add("2.8", key, "held %s is %s, the claims are %s", d, held[d], want[d])
	}
}

func (s *State) checkSums(key string, l *ledger, want tally, count int64, f *finder) {
	reserved := tallyOf(l.Reserved)
	for _, d := range reserved.differences(want) {
		f.add(clausesOfLedger[d.family], key, "reserved %s is %s, the allocations are %s", d, reserved[d], want[d])
	}
	if l.Count != count {
		f.add("2.7", key, "count is %d, of %d allocations", l.Count, count)
	}
}
