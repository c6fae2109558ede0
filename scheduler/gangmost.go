package scheduler

import (
	"sort"

	"github.com/berthd/berth"
)

// MostWithRoom is for how many members of a gang, at most as many as must begin together, there is room when all have ended who may have to
// for it, beside what leaves anyway. Who of them would is not chosen: that takes PreemptGang far longer, which finds some where
// all members have room so, as long as it does not take too many tries. Nothing is reserved.
func (f *Fleet) MostWithRoom(g Gang, on func(berth.WorkerID) []Occupant) (most int) {
	r, done := f.gangRoomOf(&g, on)
	if r == nil {
		return 0
	}
	defer done()
	for i := range r.sites {
		s := &siteSearch{gangRoom: r, ground: r.sites[i]}
		if most = max(most, s.mostRoom()); most == r.need {
			break
		}
	}
	return most
}

// mostRoom is that in one site: the sum of what its workers take, or, where the places depend on each other, as many as are placed on trial.
func (s *siteSearch) mostRoom() int {
	most, need := s.need, s.need
	related := s.g.Members[0].Request.Related()
	if !related {
		first, demands := s.g.narrowable()
		s.q = s.f.ask(first)
		demands.to(s.link)
		most = min(s.fill(s.everybody()), need)
	}
	if !related && s.g.Left == nil {
		return most
	}
	defer func() { s.gangRoom.need = need }()
	of := s.crowd()
	return sort.Search(most, func(i int) bool {
		s.gangRoom.need, s.otherWay = i+1, s.g.Left != nil
		_, fits := s.placed(of)
		return !fits
	})
}
