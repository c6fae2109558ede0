package invariant

// checkGroup is of invariant 6 what one revision shows. That a group's attempt
// began with too few is certain only when even the members that are not
// allocated now, and may have been, would not make them enough.
func (s *State) checkGroup(id string, f *finder) {
	e, g, unreadable := at[group](s, kindGroup+"/"+id)
	if unreadable {
		return
	}
	firsts := map[int64]*beginning{} // by attempt
	for k, entry := range s.allocationsIn[id] {
		a, ok := entry.record.(*allocation)
		switch {
		case !ok:
			continue
		case e == nil:
			f.add("6.2", k, "there is no groups/%s", id)
			continue
		case a.GroupAttempt > g.Attempt:
			f.add("6.3", k, "is of attempt %d of a group at attempt %d", a.GroupAttempt, g.Attempt)
		}
		if firsts[a.GroupAttempt] == nil {
			firsts[a.GroupAttempt] = &beginning{}
		}
		firsts[a.GroupAttempt].see(entry.Create)
	}
	for attempt, b := range firsts {
		missing := g.Size - b.seen - s.neverPlaced(id)
		if b.first+max(missing, 0) < g.MinCount {
			f.add("6.1", e.Key, "attempt %d began with %d allocations at revision %d, of at least %d", attempt, b.first, b.revision, g.MinCount)
		}
	}
}

// beginning is the first revision at which a group's attempt has allocations.
type beginning struct{ revision, first, seen int64 }

func (b *beginning) see(created int64) {
	switch {
	case b.seen == 0 || created < b.revision:
		b.revision, b.first = created, 1
	case created == b.revision:
		b.first++
	}
	b.seen++
}

// neverPlaced counts the members of a group that no daemon has ever placed.
func (s *State) neverPlaced(g string) (n int64) {
	for _, e := range s.membersOf[g] {
		if s.entries[kindState+"/"+e.id] == nil && len(s.allocationsOf[e.id]) == 0 {
			n++
		}
	}
	return n
}

// stepGroups is invariant 6 at the revision that begins a group's attempt.
func (s *State) stepGroups(changes []change, f *finder) {
	type attempt struct {
		group  string
		number int64
	}
	created := map[attempt]int64{}
	for _, c := range changes {
		if c.before != nil || c.after == nil {
			continue
		}
		if a, ok := c.after.record.(*allocation); ok && a.Group != "" && a.GroupAttempt > s.beginning[a.Group] {
			created[attempt{a.Group, a.GroupAttempt}]++
		}
	}
	for a, n := range created {
		s.beginning[a.group] = max(s.beginning[a.group], a.number)
		if e, g, _ := at[group](s, kindGroup+"/"+a.group); g != nil && n < g.MinCount {
			f.add("6.1", e.Key, "attempt %d began with %d allocations at revision %d, of at least %d", a.number, n, s.revision, g.MinCount)
		}
	}
	for _, c := range changes {
		if c.after == nil && c.before != nil && c.before.kind == kindGroup {
			delete(s.beginning, c.before.id)
		}
	}
}
