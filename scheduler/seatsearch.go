package scheduler

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// seatSearch finds workers for as many equal members as may be together, by what each requires of the others: depth first, with
// what was in vain not tried again. It knows of a worker how many have room there, and which domains it is in.
//
// Where members only keep apart, it says nothing who of them comes first: workers are then taken in one order.
type seatSearch struct {
	terms   []seatTerm
	seats   []station
	size    int // so many are searched for
	least   int // fewer are of no use
	steps   int // left; below 0: it was given up
	ordered bool
	turned  bool // it was in vain somewhere: from then on it pays to reckon how many could find places yet

	path, best []int
	vain       map[string]struct{} // states from which no more are found: see key
	looks      int
}

// station is a worker.
type station struct {
	id      berth.WorkerID
	room    int
	used    int
	in      []int // its domain by each term; -1: it is in none
	avoided int
	near    int // workers that could have none, were one here
	kind    int // workers of one are alike
}

// seatTerm is a required term with how many of those that it is about are in each domain, by number.
type seatTerm struct {
	code    berth.ReasonCode
	self    bool
	skew    int64
	names   map[string]int
	of      map[string]int64 // before the first member
	counts  []int64
	total   int64
	counted []bool        // a spread looks at the domain for the fewest
	at      map[int64]int // of a spread: how many such domains have so many
	fewest  int64
	fixed   bool // the fewest are as they are
	seats   []int
	seen    []int
}

// seatTermOf begins with who is there now; were all empty, with nobody, and a spread looks at the domains of these workers.
func (q *query) seatTermOf(t *term, on []*node, empty bool) seatTerm {
	out := seatTerm{code: t.code, self: t.self == 1, skew: t.skew, names: make(map[string]int)}
	if !empty {
		out.of, out.total, out.fewest = t.counts, t.total, t.fewest
	}
	if !empty && len(t.coming) > 0 {
		out.of = maps.Clone(t.counts)
		for d, n := range t.coming {
			out.of[d] += n
		}
	}
	if out.fixed = t.relation.fewest != nil; t.code != berth.ReasonSpread || out.fixed {
		return out
	}
	out.at = make(map[int64]int)
	selection := q.pool.selectionOf(q)
	if !empty {
		for name := range q.pool.domains(t.key.topology, selection) {
			out.count(name)
		}
	}
	for _, n := range on {
		if name, ok := t.domainOf(n); empty && ok && n.own.selections>>selection&1 == 1 {
			out.count(name)
		}
	}
	out.fixed = len(out.at) == 0
	return out
}

// count has a spread look at a domain.
func (t *seatTerm) count(name string) {
	if d := t.numberOf(name, true); !t.counted[d] {
		t.counted[d] = true
		t.at[t.counts[d]]++
	}
}

// numberOf is the number of a domain; which one says nothing.
func (t *seatTerm) numberOf(name string, ok bool) int {
	if !ok {
		return -1
	}
	d, known := t.names[name]
	if !known {
		d = len(t.counts)
		t.names[name] = d
		t.counts, t.counted = append(t.counts, t.of[name]), append(t.counted, false)
	}
	return d
}

// meets says whether one more may be in a domain: as term.excess.
func (t *seatTerm) meets(d int) bool {
	switch t.code {
	case berth.ReasonAffinity:
		return d >= 0 && (t.counts[d] > 0 || t.self && t.total == 0)
	case berth.ReasonAntiAffinity:
		return d < 0 || t.counts[d] == 0
	}
	more := int64(0)
	if t.self {
		more = 1
	}
	return d >= 0 && t.counts[d]+more-t.fewest <= t.skew
}

// add counts a member that comes to a domain, 1, or that leaves it, -1.
func (t *seatTerm) add(d int, by int64) {
	if !t.self || d < 0 {
		return
	}
	was := t.counts[d]
	t.counts[d], t.total = was+by, t.total+by
	if t.fixed || t.at == nil || !t.counted[d] {
		return
	}
	t.at[was]--
	t.at[was+by]++
	if was+by < t.fewest {
		t.fewest = was + by
	}
	for t.at[t.fewest] == 0 {
		t.fewest++
	}
}

// run is the workers of as many as are found, in the order in which they are to be placed.
func (s *seatSearch) run() []berth.WorkerID {
	if s.reach(0) >= s.least {
		s.on(0)
	}
	out := make([]berth.WorkerID, len(s.best))
	for i, at := range s.best {
		out[i] = s.seats[at].id
	}
	return out
}

// on finds workers for one member after the other, from one worker on; true: for all.
func (s *seatSearch) on(from int) bool {
	if len(s.path) > len(s.best) {
		s.best = slices.Clone(s.path)
	}
	if len(s.path) == s.size {
		return true
	}
	key, vain := s.known()
	if vain || s.turned && len(s.path)+s.reach(from) < max(len(s.best)+1, s.least) {
		return false
	}
	for i := from; i < len(s.seats); i++ {
		if s.steps--; s.steps < 0 {
			return false
		}
		if !s.takes(&s.seats[i]) || i > from && s.alike(i-1, i) {
			continue
		}
		s.put(i, 1)
		s.path = append(s.path, i)
		next := 0
		if s.ordered {
			next = i
		}
		found := s.on(next)
		s.path = s.path[:len(s.path)-1]
		s.put(i, -1)
		if found {
			return true
		}
	}
	if s.turned = true; !s.ordered {
		s.vain[key] = struct{}{}
	}
	return false
}

func (s *seatSearch) takes(one *station) bool {
	if one.used >= one.room {
		return false
	}
	for i, d := range one.in {
		if !s.terms[i].meets(d) {
			return false
		}
	}
	return true
}

// alike says whether it makes no difference which of two workers takes the next.
func (s *seatSearch) alike(a, b int) bool {
	return s.seats[a].kind == s.seats[b].kind && s.seats[a].used == s.seats[b].used
}

func (s *seatSearch) put(at int, by int) {
	one := &s.seats[at]
	one.used += by
	for i, d := range one.in {
		s.terms[i].add(d, int64(by))
	}
}

// known says whether it was in vain with as many on as many workers of each kind.
func (s *seatSearch) known() (key string, vain bool) {
	if s.ordered {
		return "", false // each state is come to once
	}
	s.steps -= len(s.path)
	at := slices.Sorted(slices.Values(s.path))
	var have []int64
	for _, one := range slices.Compact(at) {
		have = append(have, int64(s.seats[one].kind)<<20|int64(s.seats[one].used))
	}
	slices.Sort(have)
	var b []byte
	for _, v := range have {
		b = binary.AppendVarint(b, v)
	}
	_, vain = s.vain[string(b)]
	return string(b), vain
}

// reach bounds how many more could find places on the workers from one on: no more than there is room for, and by an
// anti_affinity no more than domains are left.
func (s *seatSearch) reach(from int) int {
	s.looks++
	rooms := make([]int, len(s.terms)+1)
	for i := from; i < len(s.seats); i++ {
		one := &s.seats[i]
		s.steps--
		room := one.room - one.used
		if room <= 0 || s.barred(one) {
			continue
		}
		rooms[len(s.terms)] += room
		for k, d := range one.in {
			t := &s.terms[k]
			switch {
			case d < 0 || !t.self || t.code != berth.ReasonAntiAffinity:
				rooms[k] += room
			case t.seen[d] != s.looks:
				t.seen[d] = s.looks
				rooms[k]++
			}
		}
	}
	return slices.Min(rooms)
}

// barred says whether a worker takes no more, whatever comes.
func (s *seatSearch) barred(one *station) bool {
	for i, d := range one.in {
		if t := &s.terms[i]; t.code == berth.ReasonAntiAffinity && !t.meets(d) {
			return true
		}
	}
	return false
}
