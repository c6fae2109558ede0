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
	s.checkLinked(id, f)
	if e != nil && g.State != "ENDING" && g.Size-g.Failed < g.MinCount {
		f.add("6.7", e.Key, "%d of %d members have failed, of which %d must not, and it is %s", g.Failed, g.Size, g.MinCount, g.State)
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

// stepGroups is invariant 6 at the revision that begins a group's attempt, or that
// creates or ends a member of it.
func (s *State) stepGroups(changes []change, f *finder) {
	created := map[string][]*entry{}
	for _, c := range changes {
		if c.before != nil || c.after == nil {
			continue
		}
		if a, ok := c.after.record.(*allocation); ok && a.Group != "" {
			created[a.Group] = append(created[a.Group], c.after)
		}
	}
	for id, list := range created {
		s.stepPlaced(id, list, f)
	}
	for _, c := range changes {
		s.stepBack(c, f)
	}
	for id, n := range failedIn(changes) {
		s.stepFailed(id, n, changes, f)
	}
	for _, c := range changes {
		if c.after == nil && c.before != nil && c.before.kind == kindGroup {
			delete(s.beginning, c.before.id)
		}
	}
}

// stepPlaced is clauses 6.1, 6.5 and 6.6, of the allocations that one revision created.
func (s *State) stepPlaced(id string, list []*entry, f *finder) {
	e, g, _ := at[group](s, kindGroup+"/"+id)
	if g == nil {
		return // 6.2, or unreadable
	}
	n := int64(0)
	for _, c := range list {
		a, _ := c.record.(*allocation)
		if g.State != "PLACED" || a.GroupAttempt != g.Attempt {
			f.add("6.5", c.Key, "is of attempt %d, and was created while the group is %s in attempt %d", a.GroupAttempt, g.State, g.Attempt)
			continue
		}
		n++
	}
	if n == 0 || g.Attempt <= s.beginning[id] {
		return
	}
	s.beginning[id] = g.Attempt
	if need := g.MinCount - s.succeeded(id, g); n < need {
		f.add("6.1", e.Key, "attempt %d began with %d allocations at revision %d, of at least %d", g.Attempt, n, s.revision, need)
	}
	for k, c := range s.allocationsIn[id] {
		if a, ok := c.record.(*allocation); ok && a.GroupAttempt < g.Attempt {
			f.add("6.6", k, "is left of attempt %d, and attempt %d began at revision %d", a.GroupAttempt, g.Attempt, s.revision)
		}
	}
}

// succeeded counts the members that have: those that are neither there nor failed.
func (s *State) succeeded(id string, g *group) int64 {
	return max(g.Size-int64(len(s.membersOf[id]))-g.Failed, 0)
}

// stepBack is clause 6.9: a member that is to run again takes its group along.
func (s *State) stepBack(c change, f *finder) {
	if c.before == nil || c.after != nil {
		return
	}
	a, ok := c.before.record.(*allocation)
	if !ok || a.Group == "" || s.entries[kindRequest+"/"+c.before.id] == nil {
		return
	}
	if e, g, _ := at[group](s, kindGroup+"/"+a.Group); g != nil && g.State == "PLACED" && g.Attempt == a.GroupAttempt {
		f.add("6.9", e.Key, "goes on in attempt %d, though %s is to run again", g.Attempt, c.before.id)
	}
}

// failedIn counts, by group, the members that these changes end other than SUCCEEDED.
func failedIn(changes []change) map[string]int64 {
	failed := map[string]int64{}
	for _, c := range changes {
		if c.before != nil || c.after == nil {
			continue
		}
		if a, ok := c.after.record.(*archive); ok && a.Spec.Group != nil && a.State != "SUCCEEDED" {
			failed[a.Spec.Group.ID]++
		}
	}
	return failed
}

// stepFailed is clause 6.8: a member's failure is counted by the revision that ends it.
func (s *State) stepFailed(id string, n int64, changes []change, f *finder) {
	for _, c := range changes {
		if c.after == nil || c.before == nil || c.after.Key != kindGroup+"/"+id {
			continue
		}
		was, okWas := c.before.record.(*group)
		is, okIs := c.after.record.(*group)
		fewer := is != nil && is.State == "ENDING" && is.Failed >= was.Failed // those that come after it are not counted
		if okWas && okIs && was.State != "ENDING" && (is.Failed > was.Failed+n || is.Failed < was.Failed+n && !fewer) {
			f.add("6.8", c.after.Key, "counts %d failed members, of %d before and %d that ended now", is.Failed, was.Failed, n)
		}
		return
	}
	if e, g, _ := at[group](s, kindGroup+"/"+id); g != nil && g.State != "ENDING" {
		f.add("6.8", e.Key, "does not count %d members that failed at revision %d", n, s.revision)
	}
}
