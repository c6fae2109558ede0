package daemon

import (
	"hash/maphash"
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// spec is what requests ask for that differ in their ids alone. They are many: the
// containers of one service, the tasks of one job. So it is kept once.
type spec struct {
	request berth.Request // without its id
	uses    int
	terms   *terms // of the allocation that was packed last: the next one's are most likely equal
	hash    uint64
	next    *spec // of the same hash
}

// specs are those in use, by their hash.
type specs struct {
	seed maphash.Seed
	of   map[uint64]*spec
	last *spec // the one taken last, while it is in use: the next one's is most likely equal
}

func newSpecs() specs { return specs{seed: maphash.MakeSeed(), of: make(map[uint64]*spec)} }

// take finds or makes the spec of a request, for one more use.
func (s *specs) take(r *berth.Request) *spec {
	if s.last == nil || !alike(&s.last.request, r) {
		s.last = s.find(r)
	}
	s.last.uses++
	return s.last
}

func (s *specs) find(r *berth.Request) *spec {
	h := s.hash(r)
	for p := s.of[h]; p != nil; p = p.next {
		if alike(&p.request, r) {
			return p
		}
	}
	p := &spec{request: *r, hash: h, next: s.of[h]}
	p.request.ID = ""
	s.of[h] = p
	return p
}

// drop gives one use back.
func (s *specs) drop(p *spec) {
	if p.uses--; p.uses > 0 {
		return
	}
	if s.last == p {
		s.last = nil
	}
	first := s.of[p.hash]
	switch {
	case first != p:
		for ; first.next != p; first = first.next {
		}
		first.next = p.next
	case p.next == nil:
		delete(s.of, p.hash)
	default:
		s.of[p.hash] = p.next
	}
}

// hash is of what requests differ in most: equal ones have equal hashes, and alike
// decides.
func (s *specs) hash(r *berth.Request) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	word := func(w string) {
		_, _ = h.WriteString(w)
		_ = h.WriteByte(0)
	}
	for _, w := range r.Command {
		word(w)
	}
	for _, w := range []string{string(r.Tenant), string(r.Pool), r.Dir, r.User, r.Image, r.AffinityKey, string(r.Replaces)} {
		word(w)
	}
	maphash.WriteComparable(&h, [...]int64{
		int64(r.Priority), r.Resources.CPUMilli, r.Resources.MemoryBytes, r.Resources.DiskBytes, r.RunLimitMS, r.PendingLimitMS,
	})
	return h.Sum64() + s.sum(r.Env)*3 + s.sum(r.Labels)
}

// sum is of a map's entries, in any order.
func (s *specs) sum(m map[string]string) (n uint64) {
	for k, v := range m {
		n += maphash.Comparable(s.seed, [2]string{k, v})
	}
	return n
}

// alike says whether requests are equal but for their ids.
func alike(a, b *berth.Request) bool {
	return a.Tenant == b.Tenant && a.Pool == b.Pool && a.Priority == b.Priority &&
		(a.Command == nil) == (b.Command == nil) && slices.Equal(a.Command, b.Command) &&
		a.Dir == b.Dir && a.User == b.User && a.Image == b.Image && a.AffinityKey == b.AffinityKey &&
		maps.Equal(a.Env, b.Env) && maps.Equal(a.Labels, b.Labels) &&
		sameQuantities(&a.Resources.Quantities, &b.Resources.Quantities) &&
		slices.Equal(a.Resources.Ports, b.Resources.Ports) &&
		slices.EqualFunc(a.Resources.Devices, b.Resources.Devices, sameDevices) &&
		slices.EqualFunc(a.Constraints, b.Constraints, sameConstraint) && slices.Equal(a.Tolerations, b.Tolerations) &&
		slices.EqualFunc(a.Affinity, b.Affinity, sameAffinity) && slices.EqualFunc(a.AntiAffinity, b.AntiAffinity, sameAffinity) &&
		slices.Equal(a.Spread, b.Spread) &&
		(a.Group == b.Group || a.Group != nil && b.Group != nil && *a.Group == *b.Group) &&
		a.Retry.Equal(b.Retry) && a.StopTimeoutMS == b.StopTimeoutMS && a.StartTimeoutMS == b.StartTimeoutMS &&
		a.RunLimitMS == b.RunLimitMS && a.PendingLimitMS == b.PendingLimitMS && a.KeepMS == b.KeepMS &&
		a.OnDrain == b.OnDrain && a.Preemption == b.Preemption && a.Replaces == b.Replaces
}

func sameQuantities(a, b *berth.Quantities) bool {
	return a.CPUMilli == b.CPUMilli && a.MemoryBytes == b.MemoryBytes && a.DiskBytes == b.DiskBytes && maps.Equal(a.Custom, b.Custom)
}

func sameDevices(a, b berth.DeviceDemand) bool {
	return a.Count == b.Count && a.Milli == b.Milli && a.MemoryBytes == b.MemoryBytes && slices.Equal(a.Types, b.Types) && a.AnyOrder == b.AnyOrder &&
		a.Linked == b.Linked && a.Link == b.Link
}

func sameAffinity(a, b berth.Affinity) bool {
	return (a.Requests == b.Requests || a.Requests != nil && b.Requests != nil && *a.Requests == *b.Requests) &&
		a.Topology == b.Topology && a.Weight == b.Weight && slices.EqualFunc(a.Workers, b.Workers, sameConstraint)
}

func sameConstraint(a, b berth.Constraint) bool {
	return a.Label == b.Label && a.Operator == b.Operator && slices.Equal(a.Values, b.Values)
}
