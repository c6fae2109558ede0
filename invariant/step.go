package invariant

// change is what one revision did to one key; nil where there was none.
type change struct{ before, after *entry }

// Step moves the state to the next revision that changed it, by all the events
// of that revision, and returns what has begun to be wrong: in the state, for
// whatever the events touched, and in the change itself. What was wrong before
// and still is, is not said again; Standing has it.
func (s *State) Step(revision int64, events []Event) []Violation {
	s.revision = revision
	changes := make([]change, 0, len(events))
	for _, ev := range events {
		before, after := s.apply(ev)
		changes = append(changes, change{before, after})
	}
	f := &finder{revision: revision}
	for _, c := range changes {
		s.stepEpoch(c, f)
		s.stepAccepted(c, f)
		s.stepOnce(c, f)
	}
	s.stepReplaced(changes, f)
	s.stepGroups(changes, f)
	s.stepPreempted(changes, f)
	s.stepReclaimed(changes, f)
	s.stepQuotas(changes, f)
	s.stepEnds(changes, f)
	s.stepAttempts(changes, f)
	return sortViolations(once(append(f.found, s.recheck()...)))
}

// once drops what is said twice: a clause that both the change and the state break.
func once(list []Violation) []Violation {
	seen := map[standing]bool{}
	out := list[:0]
	for _, v := range list {
		if !seen[v.standing()] {
			seen[v.standing()] = true
			out = append(out, v)
		}
	}
	return out
}

// stepAccepted is invariant 4 at the revision that deletes a request or an archive.
func (s *State) stepAccepted(c change, f *finder) {
	if c.before == nil || c.after != nil {
		return
	}
	switch r := c.before.record.(type) {
	case *submission:
		e := s.entries[kindArchive+"/"+c.before.id]
		if e == nil || e.Mod != s.revision {
			f.add("4.2", c.before.Key, "was deleted, and not archived at that revision")
			return
		}
		if a, ok := e.record.(*archive); ok && a.Digest != r.Digest {
			f.add("4.6", e.Key, "archives digest %s, the request's was %s", a.Digest, r.Digest)
		}
	case *archive:
		age := s.opts.Now().Sub(r.EndedAt)
		if least := s.opts.MinRetention; least > 0 && age < least {
			f.add("4.3", c.before.Key, "was purged %s after its end, of at least %s", age, least)
		}
	}
}
