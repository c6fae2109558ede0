package invariant

import (
	"reflect"
	"slices"
)

// stepOnce is invariant 8 for one change: ends stay ends, numbers only grow.
func (s *State) stepOnce(c change, f *finder) {
	switch {
	case c.before == nil:
	case c.after == nil:
		if c.before.kind == kindState && s.entries[kindRequest+"/"+c.before.id] != nil {
			f.add("8.3", c.before.Key, "was deleted, and with it the number of the attempt")
		}
	case c.after.kind == kindState:
		stepProgress(c, f)
	case c.after.kind == kindAllocation:
		stepAllocation(c, f)
	}
}

// stepEnds is clauses 8.6 and 8.8: an archive is put by the revision that
// deletes its request, once, and knows of every attempt.
func (s *State) stepEnds(changes []change, f *finder) {
	ended := map[string]bool{}
	for _, c := range changes {
		if c.before != nil && c.after == nil && c.before.kind == kindRequest {
			ended[c.before.id] = true
		}
	}
	for _, c := range changes {
		if c.before != nil || c.after == nil || c.after.kind != kindArchive {
			continue
		}
		id := c.after.id
		if !ended[id] && s.entries[kindRequest+"/"+id] == nil {
			f.add("8.6", c.after.Key, "was put without a request that could end")
		}
		if a, ok := c.after.record.(*archive); ok && a.Attempt < s.attempts[id] {
			f.add("8.8", c.after.Key, "ends attempt %d, there were %d", a.Attempt, s.attempts[id])
		}
	}
}

func stepProgress(c change, f *finder) {
	was, okWas := c.before.record.(*progress)
	is, okIs := c.after.record.(*progress)
	if !okWas || !okIs {
		return
	}
	if is.Attempt < was.Attempt || was.State == "PLACED" && is.State == "PENDING" && is.Attempt == was.Attempt {
		f.add("8.3", c.after.Key, "went from %s, attempt %d, to %s, attempt %d", was.State, was.Attempt, is.State, is.Attempt)
	}
}

func stepAllocation(c change, f *finder) {
	was, okWas := c.before.record.(*allocation)
	is, okIs := c.after.record.(*allocation)
	if !okWas || !okIs {
		return
	}
	if was.Attempt != is.Attempt || was.Epoch != is.Epoch || was.PlanID != is.PlanID || was.Tenant != is.Tenant ||
		was.QuotaBlock != is.QuotaBlock || was.Group != is.Group || was.GroupAttempt != is.GroupAttempt ||
		!reflect.DeepEqual(was.Share, is.Share) {
		f.add("8.4", c.after.Key, "became another attempt, or holds something else, without having been deleted")
	}
	from, to := slices.Index(wordsOfAllocation, was.State), slices.Index(wordsOfAllocation, is.State)
	if to < from {
		f.add("8.7", c.after.Key, "went back from %s to %s", was.State, is.State)
	}
	if was.State == "EXITED" && is.State == "EXITED" && !reflect.DeepEqual(was.Exit, is.Exit) {
		f.add("8.7", c.after.Key, "ended twice, in two ways")
	}
}

// stepAttempts is clause 8.5: an allocation of one attempt is created once. It
// learns what was created and forgets the requests that are gone.
func (s *State) stepAttempts(changes []change, f *finder) {
	for _, c := range changes {
		if c.before != nil || c.after == nil {
			continue
		}
		if a, ok := c.after.record.(*allocation); ok && a.Attempt <= s.attempts[c.after.id] {
			f.add("8.5", c.after.Key, "attempt %d was created again", a.Attempt)
		}
	}
	for _, c := range changes {
		if c.after == nil {
			continue
		}
		if a, ok := c.after.record.(*allocation); ok {
			s.attempts[c.after.id] = max(s.attempts[c.after.id], a.Attempt)
		}
	}
	for _, c := range changes {
		if c.before != nil && c.after == nil && c.before.kind == kindRequest {
			delete(s.attempts, c.before.id)
		}
	}
}
