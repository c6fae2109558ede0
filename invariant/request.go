package invariant

import (
	"crypto/sha256"
	"encoding/hex"
)

// life is all that the keyspace holds of one request.
type life struct {
	id          string
	request     *entry
	archive     *entry
	state       *entry
	allocations map[string]*entry
	readable    bool // all of them can be read
}

func (s *State) lifeOf(id string) life {
	l := life{
		id:          id,
		request:     s.entries[kindRequest+"/"+id],
		archive:     s.entries[kindArchive+"/"+id],
		state:       s.entries[kindState+"/"+id],
		allocations: s.allocationsOf[id],
		readable:    true,
	}
	for _, e := range []*entry{l.request, l.archive, l.state} {
		l.readable = l.readable && (e == nil || e.record != nil)
	}
	for _, e := range l.allocations {
		l.readable = l.readable && e.record != nil
	}
	return l
}

// checkRequest is invariant 3, and of invariant 8 what one revision shows. An
// id of which a key cannot be read is left alone.
func (s *State) checkRequest(id string, f *finder) {
	l := s.lifeOf(id)
	if a := l.archive; a != nil && a.Create != a.Mod {
		f.add("8.1", a.Key, "was put at %d and written again at %d", a.Create, a.Mod)
	}
	if !l.readable {
		return
	}
	if len(l.allocations) > 1 {
		f.add("3.1", kindRequest+"/"+id, "has %d allocations", len(l.allocations))
	}
	if l.archive != nil {
		l.checkEnded(f)
	}
	if l.request != nil {
		l.checkPlaced(f)
	}
}

// checkEnded is clauses 3.5 to 3.7 and 8.2: nothing but the archive is left of
// a request that has ended. What is newer than the archive came back.
func (l life) checkEnded(f *finder) {
	left := func(e *entry, clause, what string) {
		switch {
		case e == nil:
		case e.Create > l.archive.Mod:
			f.add("8.2", e.Key, "was created at %d, after the request had ended at %d", e.Create, l.archive.Mod)
		case e.kind == kindRequest || l.request == nil:
			f.add(clause, e.Key, "%s", what)
		}
	}
	left(l.request, "3.5", "is there, and archived too")
	left(l.state, "3.6", "its request is archived")
	for _, e := range l.allocations {
		left(e, "3.7", "its request is archived")
	}
}

// checkPlaced is clauses 3.2 to 3.4: a placed state and the one allocation name
// each other.
func (l life) checkPlaced(f *finder) {
	var p *progress
	if l.state != nil {
		p, _ = l.state.record.(*progress)
	}
	placed := p != nil && p.State == "PLACED"
	named := false
	for _, e := range l.allocations {
		a, _ := e.record.(*allocation)
		if !placed || p.Worker != e.owner {
			if len(l.allocations) == 1 {
				f.add("3.4", e.Key, "no state PLACED names it")
			}
			continue
		}
		named = true
		if p.Epoch != a.Epoch || p.Attempt != a.Attempt || p.PlanID != a.PlanID {
			f.add("3.3", l.state.Key, "names attempt %d of epoch %d by plan %s; the allocation is attempt %d of epoch %d by plan %s",
				p.Attempt, p.Epoch, p.PlanID, a.Attempt, a.Epoch, a.PlanID)
		}
	}
	if placed && !named && len(l.allocations) == 0 {
		f.add("3.2", l.state.Key, "is PLACED on %s, where it has no allocation", p.Worker)
	}
}

// checkAccepted is of invariant 4 what one revision shows.
func (s *State) checkAccepted(id string, f *finder) {
	l := s.lifeOf(id)
	if l.request == nil && l.archive == nil {
		if l.state != nil {
			f.add("4.1", l.state.Key, "its request is neither there nor archived")
		}
		for k := range l.allocations {
			f.add("4.1", k, "its request is neither there nor archived")
		}
	}
	if r := l.request; r != nil && r.Create != r.Mod {
		f.add("4.4", r.Key, "was put at %d and written again at %d", r.Create, r.Mod)
	}
	if l.request != nil {
		if r, ok := l.request.record.(*submission); ok {
			checkDigest(l.request.Key, r.Digest, r.Spec, f)
		}
	}
	if l.archive != nil {
		if a, ok := l.archive.record.(*archive); ok {
			checkDigest(l.archive.Key, a.Digest, a.Spec, f)
		}
	}
}

// checkDigest is clause 4.5: the request is still the one that was accepted.
func checkDigest(key, digest string, s spec, f *finder) {
	if s.digest != digest {
		f.add("4.5", key, "digest is %s, that of its spec is %s", digest, s.digest)
	}
}

// checkAgreement is clauses 6.4 and 7.6: an allocation is counted against whom
// its request names.
func (s *State) checkAgreement(id string, f *finder) {
	_, r, _ := at[submission](s, kindRequest+"/"+id)
	if r == nil {
		return
	}
	want := ""
	if r.Spec.Group != nil {
		want = r.Spec.Group.ID
	}
	for k, e := range s.allocationsOf[id] {
		a, ok := e.record.(*allocation)
		if ok && a.Group != want {
			f.add("6.4", k, "is of group %q, its request of %q", a.Group, want)
		}
		if ok && a.Tenant != r.Spec.Tenant {
			f.add("7.6", k, "is counted against tenant %s, its request is %s's", a.Tenant, r.Spec.Tenant)
		}
	}
}

func digestOf(raw []byte) string {
	hash := sha256.Sum256(raw)
	return hex.EncodeToString(hash[:])
}
