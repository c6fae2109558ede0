package scheduler

import (
	"encoding/binary"
	"slices"
	"strings"
)

// byWorker places the members of a gang that must be placed worker by worker, each with every number of members by every typing, until
// all have a place. It finds one if there is any, as long as it is not too much to try, and whatever else would speak for other
// workers; but which of a worker's devices a member gets is found one member at a time.
type byWorker struct {
	fleet   *Fleet
	members []Candidate
	left    *leftover
	d       *GangDecision
	workers []*node
	rooms   []int // of each worker and those behind it together, at most
	steps   int
	vain    map[string]struct{}
}

// maxByWorkerSteps bounds how many members are placed, and taken back.
const maxByWorkerSteps = 2000

// placeByWorker fills a decision in which nothing is placed yet, or leaves it so.
func (f *Fleet) placeByWorker(members []Candidate, left *leftover, d *GangDecision) {
	if members[0].Request.Related() { // where one may be depends on the others
		return
	}
	s := byWorker{fleet: f, members: members, left: left, d: d, steps: maxByWorkerSteps, vain: make(map[string]struct{})}
	s.find()
	s.on(0, 0)
}

// find lists the workers that have room for one, by id.
func (s *byWorker) find() {
	var rooms []int
	s.workers, rooms = s.fleet.roomyOf(s.members[0])
	s.rooms = make([]int, len(rooms)+1)
	for i, room := range slices.Backward(rooms) {
		s.rooms[i] = min(s.rooms[i+1]+room, maxRoom)
	}
}

// roomyOf are the workers that have room for a candidate, by id, and for how many like it each has at most.
func (f *Fleet) roomyOf(c Candidate) (all []*node, rooms []int) {
	q := f.ask(c)
	if q.pool == nil || malformed(&q.request.Resources) {
		return nil, nil
	}
	for _, n := range q.pool.nodes {
		if n.open && q.fits(q.seen(n)) {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b *node) int { return strings.Compare(string(a.worker.ID), string(b.worker.ID)) })
	var want int64
	for i := range q.request.Resources.Devices {
		want += q.request.Resources.Devices[i].Count * q.request.Resources.Devices[i].Milli
	}
	rooms = make([]int, len(all))
	for i, n := range all {
		rooms[i] = within64(q.room(q.seen(n)), q.seen(n).idle, want)
	}
	return all, rooms
}

// on places members on a worker, by the typings from number w on, and on those behind it.
func (s *byWorker) on(at, w int) bool {
	rest := s.left.least - len(s.d.Placed)
	if rest <= 0 {
		return true
	}
	if s.rooms == nil || at == len(s.workers) || rest > s.rooms[at] && w == 0 {
		return false
	}
	for ; w < len(s.left.order); w++ {
		if !s.left.affords(&s.left.order[w]) {
			continue
		}
		if s.steps--; s.steps < 0 {
			return false
		}
		back, ok := s.put(s.workers[at], &s.left.order[w])
		if !ok {
			continue
		}
		if s.on(at, w) {
			return true
		}
		back()
	}
	return s.behind(at + 1)
}

// behind goes on with the next worker, unless that was in vain with as much left for as many.
func (s *byWorker) behind(at int) bool {
	key := binary.AppendVarint(binary.AppendVarint(nil, int64(at)), int64(len(s.d.Placed)))
	for _, kind := range s.left.kinds {
		key = binary.AppendVarint(key, s.left.left[kind])
	}
	if _, vain := s.vain[string(key)]; vain {
		return false
	}
	if s.on(at, 0) {
		return true
	}
	s.vain[string(key)] = struct{}{}
	return false
}

// put places the next member on a worker; back takes that back.
func (s *byWorker) put(n *node, w *typing) (back func(), ok bool) {
	c, was := s.members[len(s.d.Placed)], n.worker
	one, ok := s.fleet.placeOn(w.of(c), was.ID, func(q *query, n *node) *node {
		q.evenly = s.d.evenly
		return q.seen(n)
	})
	if !ok {
		return nil, false
	}
	s.fleet.setStarting(n, was.Starting)
	s.fleet.Count(was.ID, c.Request.Labels, 1)
	s.d.Placed, s.d.were = append(s.d.Placed, one), append(s.d.were, was)
	for kind, v := range w.takes {
		s.left.left[kind] -= v
	}
	return func() {
		for kind, v := range w.takes {
			s.left.left[kind] += v
		}
		s.d.Placed, s.d.were = s.d.Placed[:len(s.d.Placed)-1], s.d.were[:len(s.d.were)-1]
		s.fleet.Count(was.ID, c.Request.Labels, -1)
		s.fleet.Put(was)
	}, true
}
