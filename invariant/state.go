package invariant

import "time"

// Pair is a key and its value at one revision, as etcd has them.
type Pair struct {
	Key   string // without the prefix
	Value []byte
	// Create and Mod are the key's CreateRevision and ModRevision, Lease is its
	// lease or 0.
	Create, Mod, Lease int64
}

// Event is one change of a key: its new pair, or, Deleted, its key alone.
type Event struct {
	Pair
	Deleted bool
}

// Options of a State. The zero value checks all but clause 4.3.
type Options struct {
	// MinRetention is how old an archived record must be when it is purged
	// (clause 4.3); 0: purges are not judged.
	MinRetention time.Duration
	Now          func() time.Time // time.Now when nil
}

// State is a keyspace at one revision, and what is wrong with it. One goroutine
// may use it at a time.
type State struct {
	opts     Options
	revision int64
	entries  map[string]*entry
	badKeys  map[string]string // key outside the keyspace: why

	allocationsOf   index // request -> allocation keys
	allocationsOn   index // worker -> allocation keys
	allocationsIn   index // group -> allocation keys
	allocationsFrom index // tenant -> allocation keys
	claimsFrom      index // tenant -> keys of ledgers with claims that are counted
	membersOf       index // group -> request keys
	blocksOf        index // tenant -> block keys

	dirty     map[subject]bool
	broken    map[subject][]Violation // what stands, by what it was found at
	attempts  map[string]int64        // request -> highest attempt that was ever allocated
	beginning map[string]int64        // group -> highest attempt that was ever begun
}

// entry is one key of the keyspace.
type entry struct {
	Pair       // without Value
	name       // the key, parsed
	record any // pointer to the kind's record; nil where it cannot be read
	bad    *formatError
}

// index finds entries by something else than their key.
type index map[string]map[string]*entry

func (x index) put(by string, e *entry) {
	if x[by] == nil {
		x[by] = map[string]*entry{}
	}
	x[by][e.Key] = e
}

func (x index) drop(by string, e *entry) {
	delete(x[by], e.Key)
	if len(x[by]) == 0 {
		delete(x, by)
	}
}

// NewState is an empty keyspace at revision 0.
func NewState(opts Options) *State {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &State{
		opts: opts, entries: map[string]*entry{}, badKeys: map[string]string{},
		allocationsOf: index{}, allocationsOn: index{}, allocationsIn: index{}, allocationsFrom: index{}, claimsFrom: index{},
		membersOf: index{}, blocksOf: index{},
		dirty: map[subject]bool{}, broken: map[subject][]Violation{},
		attempts: map[string]int64{}, beginning: map[string]int64{},
	}
}

// Keys is how many keys the state has.
func (s *State) Keys() int { return len(s.entries) }

// Revision is the one that the state is of.
func (s *State) Revision() int64 { return s.revision }

// Load fills an empty state with the pairs that the store held at revision.
// Ask Check for what is wrong with them; Step then goes on from there.
func (s *State) Load(revision int64, pairs []Pair) {
	s.revision = revision
	for _, p := range pairs {
		s.apply(Event{Pair: p})
	}
	s.learn()
}

// apply makes one change and marks what has to be checked again. It returns
// the entries before and after it, nil where there was none.
func (s *State) apply(ev Event) (before, after *entry) {
	n, err := parseKey(ev.Key)
	if err != nil {
		s.mark(subject{aboutKey, ev.Key})
		delete(s.badKeys, ev.Key)
		if !ev.Deleted {
			s.badKeys[ev.Key] = err.Error()
		}
		return nil, nil
	}
	before = s.entries[ev.Key]
	if before != nil {
		s.unindex(before)
		delete(s.entries, ev.Key)
	}
	if !ev.Deleted {
		after = &entry{Pair: ev.Pair, name: n}
		after.record, after.bad = decode(n, ev.Value)
		after.Value = nil
		s.entries[ev.Key] = after
		s.index(after)
	}
	s.touch(before, after)
	return before, after
}

func (s *State) index(e *entry) {
	for _, x := range s.indexesOf(e) {
		x.index.put(x.by, e)
	}
}

func (s *State) unindex(e *entry) {
	for _, x := range s.indexesOf(e) {
		x.index.drop(x.by, e)
	}
}

// place is where an entry stands in one index.
type place struct {
	index index
	by    string
}

func (s *State) indexesOf(e *entry) []place {
	switch e.kind {
	case kindAllocation:
		list := []place{{s.allocationsOf, e.id}, {s.allocationsOn, e.owner}}
		a, ok := e.record.(*allocation)
		if ok && a.Group != "" {
			list = append(list, place{s.allocationsIn, a.Group})
		}
		if ok {
			list = append(list, place{s.allocationsFrom, a.Tenant})
		}
		return list
	case kindRequest:
		if r, ok := e.record.(*submission); ok && r.Spec.Group != nil {
			return []place{{s.membersOf, r.Spec.Group.ID}}
		}
	case kindBlock:
		return []place{{s.blocksOf, e.owner}}
	case kindLedger:
		var list []place
		for _, sub := range s.countedFor(e) {
			list = append(list, place{s.claimsFrom, sub.id})
		}
		return list
	}
	return nil
}

// learn takes from a loaded keyspace what its history must have been: which
// attempts there were, and which groups had begun.
func (s *State) learn() {
	for _, e := range s.entries {
		switch r := e.record.(type) {
		case *allocation:
			s.attempts[e.id] = max(s.attempts[e.id], r.Attempt)
		case *progress:
			s.attempts[e.id] = max(s.attempts[e.id], r.Attempt-1)
		case *group:
			s.beginning[e.id] = r.Attempt
			if r.State == "PENDING" {
				s.beginning[e.id]--
			}
		}
	}
}

// at is the entry of a key that can be read, or nil; unreadable says that the
// key is there but cannot.
func at[R any](s *State, key string) (e *entry, record *R, unreadable bool) {
	e = s.entries[key]
	if e == nil {
		return nil, nil, false
	}
	record, ok := e.record.(*R)
	return e, record, !ok
}
