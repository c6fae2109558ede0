package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// share says which daemon owns what, by rendezvous hashing over the members that
// are awake: when one goes, only what it owned moves, and over all the others. It
// is a preference. Nothing but the compares of a transaction makes two daemons
// safe, so that two which see different members only meet more often.
//
// A request belongs to one of those that own a worker of its pool: another could
// only place it on what it does not own. That is the daemon that it was left to by
// the one that was asked (see admitNew); otherwise its affinity key decides, so that
// equal keys meet the same daemon's workers.
//
// An owner is computed when it is asked for: the hash of the thing once, and one
// multiplication for each member. Kept for each thing it would be larger than the queue.
type share struct {
	self     berth.DaemonID
	awake    []rival // sorted by id
	workers  map[berth.WorkerID]berth.PoolID
	counts   map[berth.PoolID]map[berth.DaemonID]int // workers of each
	planners map[berth.PoolID][]rival                // those of awake with a worker of the pool, sorted
}

// rival is a daemon that bids for things.
type rival struct {
	id   berth.DaemonID
	hash uint64
}

func newShare(self berth.DaemonID) *share {
	return &share{
		self: self, workers: make(map[berth.WorkerID]berth.PoolID),
		counts: make(map[berth.PoolID]map[berth.DaemonID]int), planners: make(map[berth.PoolID][]rival),
	}
}

// setAwake replaces the members that things are shared among.
func (s *share) setAwake(ids []berth.DaemonID) {
	s.awake = s.awake[:0]
	for _, id := range slices.Sorted(slices.Values(ids)) {
		s.awake = append(s.awake, rival{id, scheduler.Hash(string(id))})
	}
	clear(s.counts)
	clear(s.planners)
	for w, p := range s.workers {
		s.count(w, p, 1)
	}
}

// put notes a worker that lives, and says whether it changes who owns requests.
func (s *share) put(w berth.WorkerID, p berth.PoolID) bool {
	was, known := s.workers[w]
	if known && was == p {
		return false
	}
	changed := s.remove(w)
	s.workers[w] = p
	return s.count(w, p, 1) || changed
}

// remove forgets a worker, and says whether that changes who owns requests.
func (s *share) remove(w berth.WorkerID) bool {
	p, known := s.workers[w]
	if !known {
		return false
	}
	delete(s.workers, w)
	return s.count(w, p, -1)
}

// count says whether the planners of a pool are others than before.
func (s *share) count(w berth.WorkerID, p berth.PoolID, by int) bool {
	owner := s.ofWorker(w)
	if s.counts[p] == nil {
		s.counts[p] = make(map[berth.DaemonID]int, len(s.awake))
	}
	was := s.counts[p][owner]
	s.counts[p][owner] = was + by
	if (was > 0) == (was+by > 0) {
		return false
	}
	var planners []rival
	for _, r := range s.awake {
		if s.counts[p][r.id] > 0 {
			planners = append(planners, r)
		}
	}
	s.planners[p] = planners
	return true
}

// owned is how many workers this daemon owns.
func (s *share) owned() (n int) {
	for _, of := range s.counts {
		n += of[s.self]
	}
	return n
}

func (s *share) ofWorker(w berth.WorkerID) berth.DaemonID { return s.highest(s.awake, string(w)) }

// ofRequest is who plans a request; leftTo is the daemon that it was left to, or none.
func (s *share) ofRequest(r *berth.Request, leftTo berth.DaemonID) berth.DaemonID {
	among := s.planners[r.Pool]
	switch {
	case len(among) == 0:
		return s.highest(s.awake, keyOf(r))
	case leftTo != "" && s.plans(r.Pool, leftTo):
		return leftTo
	}
	return s.highest(among, keyOf(r))
}

// keyOf is what decides whose a request is: its affinity key; of one that must be
// near to some requests or apart from them, those: who plans them all sees of each
// where the others go.
func keyOf(r *berth.Request) string {
	if r.Related() {
		if a := awaitsOf(r); len(a) > 1 {
			return a[1].label.String()
		}
	}
	return r.Key()
}

// plans says whether a daemon owns a worker of a pool.
func (s *share) plans(p berth.PoolID, d berth.DaemonID) bool {
	return slices.ContainsFunc(s.planners[p], func(r rival) bool { return r.id == d })
}

// ofTask is who does what one daemon does for all.
func (s *share) ofTask(name string) berth.DaemonID { return s.highest(s.awake, name) }

// highest is the bidder for a thing; without any, self is alone.
func (s *share) highest(among []rival, thing string) berth.DaemonID {
	best, most := s.self, uint64(0)
	h := scheduler.Hash(thing)
	for i, r := range among {
		if bid := scheduler.Mix(h ^ r.hash); i == 0 || bid > most {
			best, most = r.id, bid
		}
	}
	return best
}
