package invariant

import (
	"maps"
	"slices"
	"strings"
)

// checkLinked is clause 6.10: the devices that one attempt of a linked group has are all
// of one link domain; of the attempt that is placed, the one that the group's record
// names. Which domain a device is of, the ledger says that its worker carries.
func (s *State) checkLinked(id string, f *finder) {
	_, g, _ := at[group](s, kindGroup+"/"+id)
	links := map[int64]map[string]bool{} // by attempt
	for _, e := range s.allocationsIn[id] {
		a, ok := e.record.(*allocation)
		if !ok || !s.isLinked(e.id) {
			continue
		}
		if links[a.GroupAttempt] == nil {
			links[a.GroupAttempt] = map[string]bool{}
			if g != nil && g.State == "PLACED" && g.Attempt == a.GroupAttempt {
				links[a.GroupAttempt][g.Link] = true
			}
		}
		s.linksOf(e.owner, a, links[a.GroupAttempt])
	}
	for attempt, of := range links {
		if len(of) > 1 || of[""] {
			f.add("6.10", kindGroup+"/"+id, "attempt %d has devices of link domains %q", attempt, strings.Join(slices.Sorted(maps.Keys(of)), ", "))
		}
	}
}

// isLinked says whether a request is of a linked group.
func (s *State) isLinked(id string) bool {
	_, r, _ := at[submission](s, kindRequest+"/"+id)
	return r != nil && r.Spec.Group != nil && r.Spec.Group.Linked
}

// linksOf notes the link domains of an allocation's devices, "" of one that is in none.
func (s *State) linksOf(w string, a *allocation, into map[string]bool) {
	_, l, _ := at[ledger](s, kindLedger+"/"+w)
	if l == nil {
		return
	}
	for _, d := range a.Share.Devices {
		for _, have := range l.Capacity.Devices {
			if have.Name == d.Name {
				into[have.Link] = true
			}
		}
	}
}
