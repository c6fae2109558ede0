package scheduler

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// A shadow is another policy of a pool, asked where it would have placed what was placed.
// It has a fleet of its own, for workers stand in the order of a strategy, and what a
// search keeps must not be another's. That follows the real one by a journal of all that
// befell the pool: so each choice is judged on the workers as they were when it was made,
// however late, and with the same policy as the pool's it is the same.
//
// The journal costs a note where something happens; what it says is done when JudgeShadows
// is called. When it has become too long it is dropped, with what was to be judged, and the
// shadow's fleet is made anew.

// maxShadowNotes bounds a journal.
const maxShadowNotes = 8192

// Choice is what a policy chose for a request.
type Choice struct {
	Worker    berth.WorkerID
	LoadMilli int64 // of it with the request: the largest part that is used of any amount, in thousandths
	LossMilli int64 // of the worth of its room for devices, in thousandths of a device; 0 where that is not looked at
}

// Judgement is what a pool's policy and its shadow chose for one request, on the same
// workers; or how many were not judged.
type Judgement struct {
	Pool         berth.PoolID
	Real, Shadow Choice
	Skipped      int64
}

type shadow struct {
	pool    berth.PoolID
	policy  berth.Shadow
	fleet   *Fleet
	notes   []note
	read    int  // of the notes
	stale   bool // the fleet is to be made anew
	skipped int64
}

// note is one thing that befell the pool. One of its fields says what.
type note struct {
	put      *Worker        // as it is from now on
	gone     berth.WorkerID // left the pool
	counted  berth.WorkerID // a request with these labels has come to it, or gone
	labels   map[string]string
	by       int64
	learned  *berth.Demand // was asked for, by as many members of a group; 0: by a request alone
	members  int
	topology string
	keeps    bool // this is kept for a group from now on; nil: nothing
	keep     *berth.Keep
	judge    *Candidate // was placed on this worker, at that time; what it took is noted next
	on       berth.WorkerID
	clock    int64
}

// SetShadow has another policy judged on what a pool places; nil: none. Its strategy must
// be given.
func (f *Fleet) SetShadow(pool berth.PoolID, policy *berth.Shadow) {
	if policy == nil {
		delete(f.shadows, pool)
		return
	}
	if s := f.shadows[pool]; s != nil && s.policy.Equal(policy) {
		return
	}
	f.shadows[pool] = &shadow{pool: pool, policy: *policy, stale: true}
}

// JudgeShadows catches up with so many notes at most, tells what it has judged, and says
// whether there is more.
func (f *Fleet) JudgeShadows(most int, tell func(Judgement)) (more bool) {
	for _, pool := range slices.Sorted(maps.Keys(f.shadows)) {
		s := f.shadows[pool]
		if s.stale {
			s.remake(f)
		}
		end := min(len(s.notes), s.read+most)
		for most -= end - s.read; s.read < end; s.read++ {
			s.apply(&s.notes[s.read], tell)
			s.notes[s.read] = note{}
		}
		if s.read == len(s.notes) {
			s.notes, s.read = s.notes[:0], 0
		}
		if s.skipped > 0 {
			tell(Judgement{Pool: pool, Skipped: s.skipped})
			s.skipped = 0
		}
		more = more || len(s.notes) > 0
	}
	return more
}

// ShadowsBehind says whether JudgeShadows has anything to do.
func (f *Fleet) ShadowsBehind() bool {
	for _, s := range f.shadows {
		if s.stale || len(s.notes) > 0 || s.skipped > 0 {
			return true
		}
	}
	return false
}

func (s *shadow) note(n note) {
	switch {
	case s.stale:
	case len(s.notes) < maxShadowNotes:
		s.notes = append(s.notes, n)
		return
	default:
		s.drop()
	}
	if n.judge != nil {
		s.skipped++
	}
}

// drop forgets the journal: what it would come to is read from the real fleet.
func (s *shadow) drop() {
	for i := range s.notes[s.read:] {
		if s.notes[s.read+i].judge != nil {
			s.skipped++
		}
	}
	s.notes, s.read, s.fleet, s.stale = nil, 0, nil, true
}

// remake makes the shadow's fleet what the real one is now.
func (s *shadow) remake(f *Fleet) {
	s.fleet, s.stale = NewFleet(), false
	s.fleet.Set(s.pool, &berth.Pool{Strategy: s.policy.Strategy, Weights: s.policy.Weights})
	for id, h := range f.holdings {
		if h.pool == s.pool {
			s.fleet.holdings[id] = &holding{id: id, pool: h.pool, labels: h.labels, counts: maps.Clone(h.counts)}
		}
	}
	if k := f.keeps[s.pool]; k != nil {
		s.fleet.keeps[s.pool] = k // nobody changes one
	}
	p := f.pools[s.pool]
	if p == nil {
		return
	}
	for _, n := range p.nodes {
		s.fleet.Put(n.worker)
	}
	s.fleet.SetMix(s.pool, f.Mix(s.pool))
}

func (s *shadow) apply(n *note, tell func(Judgement)) {
	switch {
	case n.put != nil:
		s.fleet.Put(*n.put)
	case n.gone != "":
		s.fleet.Remove(n.gone)
	case n.counted != "":
		s.fleet.Count(n.counted, n.labels, n.by)
	case n.learned != nil:
		switch p := s.fleet.pools[s.pool]; {
		case p == nil:
		case n.members > 0:
			p.dealer.askGroup(n.learned, n.members, n.topology)
		default:
			p.dealer.ask(n.learned)
		}
	case n.keeps:
		s.fleet.Keep(s.pool, n.keep)
	case n.judge != nil:
		s.judge(n, tell)
	}
}

// judge asks the shadow, and reserves nothing.
func (s *shadow) judge(n *note, tell func(Judgement)) {
	s.fleet.SetClock(n.clock)
	q, j := s.fleet.ask(*n.judge), Judgement{Pool: s.pool}
	chosen := s.fleet.nodes[n.on]
	for other, as := s.fleet.pick(q); other != nil && chosen != nil; other, as = s.fleet.pick(q) {
		if _, _, err := q.reserve(as); err == nil {
			j.Real, j.Shadow = q.choice(chosen.unkept()), q.choice(other.unkept())
			tell(j)
			return
		}
		q.refused = append(q.refused, other)
	}
	s.skipped++ // who fits is the same for both: it is gone
}

// choice is what it costs to place the query on a worker.
func (q *query) choice(n *node) Choice {
	c := Choice{Worker: n.worker.ID}
	for r := range amounts {
		used := sumOrFull(n.used[r], max(q.want[r], 0), n.capacity[r])
		if of := n.capacity[r]; of > 0 && used > 0 {
			c.LoadMilli = max(c.LoadMilli, fraction{uint64(used), uint64(of)}.points())
		}
	}
	if len(n.devices) > 0 && q.deals() {
		c.LossMilli = q.judgeLoss(q.pool, n).loss / lossUnit
	}
	return c
}

// The notes of a fleet: of each change of a pool with a shadow.

func (f *Fleet) notePut(n *node) {
	if s := f.shadows[n.worker.Pool]; s != nil {
		w := n.worker
		s.note(note{put: &w})
	}
}

func (f *Fleet) noteGone(n *node) {
	if s := f.shadows[n.worker.Pool]; s != nil {
		s.note(note{gone: n.worker.ID})
	}
}

func (f *Fleet) noteCount(h *holding, labels map[string]string, by int64) {
	if s := f.shadows[h.pool]; s != nil {
		s.note(note{counted: h.id, labels: labels, by: by})
	}
}

func (f *Fleet) noteChoice(c Candidate, n *node) {
	if s := f.shadows[n.worker.Pool]; s != nil && c.Sample {
		kept := c // what escapes is a copy that only pools with a shadow make
		s.note(note{judge: &kept, on: n.worker.ID, clock: f.clock})
	}
}

func (f *Fleet) noteKeep(pool berth.PoolID, k *berth.Keep) {
	if s := f.shadows[pool]; s != nil {
		s.note(note{keeps: true, keep: k})
	}
}

// noteMoved is of requests that are counted in another pool now.
func (f *Fleet) noteMoved(pools ...berth.PoolID) {
	for _, pool := range pools {
		if s := f.shadows[pool]; s != nil && !s.stale {
			s.drop()
		}
	}
}
