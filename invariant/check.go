package invariant

import (
	"reflect"
	"strconv"
)

// about is what a group of checks looks at.
type about string

const (
	aboutStore   about = "store"
	aboutKey     about = "key"
	aboutWorker  about = "worker"
	aboutRequest about = "request"
	aboutGroup   about = "group"
	aboutTenant  about = "tenant"
)

// subject is the unit of checking again: one worker with its ledger and its
// allocations, one request with all its keys, one group, one tenant.
type subject struct {
	about about
	id    string
}

func (s *State) mark(list ...subject) {
	for _, sub := range list {
		s.dirty[sub] = true
	}
}

// touch marks every subject that a change of one key can concern.
func (s *State) touch(before, after *entry) {
	for _, e := range []*entry{before, after} {
		if e == nil {
			continue
		}
		s.mark(subject{aboutStore, ""}, subject{aboutKey, e.Key})
		switch e.kind {
		case kindWorker, kindLedger:
			s.mark(subject{aboutWorker, e.id})
			s.mark(s.claimants(e)...)
			s.mark(s.countedFor(e)...)
		case kindRequest, kindState, kindArchive:
			s.touchRequest(e)
		case kindAllocation:
			s.mark(subject{aboutRequest, e.id})
			if !sameHolding(before, after) {
				s.touchHolding(e)
			}
		case kindGroup:
			s.mark(subject{aboutGroup, e.id})
		case kindTenant:
			s.mark(subject{aboutTenant, e.id})
			if r, ok := e.record.(*tenant); ok {
				for _, t := range r.partners() {
					s.mark(subject{aboutTenant, t})
				}
			}
		case kindBlock:
			s.mark(subject{aboutTenant, e.owner})
		}
	}
}

func (s *State) touchRequest(e *entry) {
	s.mark(subject{aboutRequest, e.id})
	r, ok := e.record.(*submission)
	if !ok {
		_, r, _ = at[submission](s, kindRequest+"/"+e.id)
	}
	if r != nil && r.Spec.Group != nil {
		s.mark(subject{aboutGroup, r.Spec.Group.ID})
	}
}

// touchHolding marks whose sums an allocation is part of.
func (s *State) touchHolding(e *entry) {
	s.mark(subject{aboutWorker, e.owner})
	if a, ok := e.record.(*allocation); ok {
		if a.Group != "" {
			s.mark(subject{aboutGroup, a.Group})
		}
		if a.QuotaBlock != "" {
			s.mark(subject{aboutTenant, a.Tenant})
		}
	}
}

// sameHolding says whether a change of an allocation, as a worker's report is,
// leaves all sums as they are.
func sameHolding(before, after *entry) bool {
	if before == nil || after == nil || before.Create != after.Create {
		return false
	}
	a, okA := before.record.(*allocation)
	b, okB := after.record.(*allocation)
	return okA && okB && a.Epoch == b.Epoch && a.Tenant == b.Tenant && a.QuotaBlock == b.QuotaBlock &&
		a.Group == b.Group && a.GroupAttempt == b.GroupAttempt && (a.Stop == nil) == (b.Stop == nil) && reflect.DeepEqual(a.Share, b.Share)
}

// Check checks everything anew and returns all that is wrong, in one order.
func (s *State) Check() []Violation {
	s.dirty = map[subject]bool{}
	s.broken = map[subject][]Violation{}
	for key := range s.badKeys {
		s.mark(subject{aboutKey, key})
	}
	for _, e := range s.entries {
		s.touch(nil, e)
	}
	s.recheck()
	return s.Standing()
}

// Standing is all that is wrong now, as Step has kept it.
func (s *State) Standing() []Violation {
	var all []Violation
	for _, list := range s.broken {
		all = append(all, list...)
	}
	return sortViolations(all)
}

// recheck checks the marked subjects and returns what has begun to be wrong.
func (s *State) recheck() []Violation {
	var fresh []Violation
	for sub := range s.dirty {
		f := finder{revision: s.revision}
		s.checkSubject(sub, &f)
		was := map[standing]int64{}
		for _, v := range s.broken[sub] {
			was[v.standing()] = v.Revision
		}
		for i, v := range f.found {
			if since, stood := was[v.standing()]; stood {
				f.found[i].Revision = since
			} else {
				fresh = append(fresh, v)
			}
		}
		delete(s.broken, sub)
		if len(f.found) > 0 {
			s.broken[sub] = f.found
		}
	}
	clear(s.dirty)
	return fresh
}

func (s *State) checkSubject(sub subject, f *finder) {
	switch sub.about {
	case aboutStore:
		s.checkStore(f)
	case aboutKey:
		s.checkKey(sub.id, f)
	case aboutWorker:
		s.checkCapacity(sub.id, f)
		s.checkLedger(sub.id, f)
		s.checkClaims(sub.id, f)
		s.checkEpoch(sub.id, f)
	case aboutRequest:
		s.checkRequest(sub.id, f)
		s.checkClaimant(sub.id, f)
		s.checkAccepted(sub.id, f)
		s.checkAgreement(sub.id, f)
	case aboutGroup:
		s.checkGroup(sub.id, f)
	case aboutTenant:
		s.checkQuota(sub.id, f)
	}
}

// checkStore is clause 0.7.
func (s *State) checkStore(f *finder) {
	e, r, _ := at[schemaRecord](s, kindSchema)
	switch {
	case e == nil && len(s.entries) > 0:
		f.add("0.7", kindSchema, "is absent, though there are %d other keys", len(s.entries))
	case r != nil && r.Layout != 1:
		f.add("0.7", kindSchema, "layout %d is not the one that this check knows: 1", r.Layout)
	}
}

// checkKey is clauses 0.1 to 0.6.
func (s *State) checkKey(key string, f *finder) {
	if problem, ok := s.badKeys[key]; ok {
		f.add("0.1", key, "%s", problem)
	}
	e := s.entries[key]
	if e == nil {
		return
	}
	if e.bad != nil {
		f.add(e.bad.clause, key, "%s", e.bad.problem)
	}
	switch w, _ := e.record.(*worker); {
	case leasing[e.kind] && e.Lease == 0:
		f.add("0.6", key, "is not bound to a lease")
	case !leasing[e.kind] && e.Lease != 0:
		f.add("0.6", key, "is bound to lease %x, whose end would erase it", e.Lease)
	case w != nil && strconv.FormatInt(e.Lease, 16) != w.Lease:
		f.add("0.6", key, "is bound to lease %x, and names %s", e.Lease, w.Lease)
	}
}
