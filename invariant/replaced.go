package invariant

// stepReplaced is clause 4.7: who takes a request's place is named while it may
// run, by the stop order first or, of a request that has no allocation, by its
// archive. So nothing is lost to a successor that never was.
func (s *State) stepReplaced(changes []change, f *finder) {
	handed := map[string]string{} // request: successor that its allocation named before
	for _, c := range changes {
		if c.before == nil {
			continue
		}
		if a, ok := c.before.record.(*allocation); ok && a.Stop != nil {
			handed[c.before.id] = a.Stop.ReplacedBy
		}
	}
	for _, c := range changes {
		if c.after == nil {
			continue
		}
		by := ""
		switch r := c.after.record.(type) {
		case *allocation:
			if r.Stop != nil {
				by = r.Stop.ReplacedBy
			}
		case *archive:
			by = r.ReplacedBy
		}
		if by != "" && by != handed[c.after.id] && !s.mayRun(by) {
			f.add("4.7", c.after.Key, "names %s as its successor, which cannot be running", by)
		}
	}
}

// mayRun says whether a request has an allocation past the fence.
func (s *State) mayRun(id string) bool {
	for _, e := range s.allocationsOf[id] {
		if a, ok := e.record.(*allocation); !ok || a.State == "STARTING" || a.State == "RUNNING" {
			return true
		}
	}
	return false
}
