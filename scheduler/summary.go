package scheduler

import "github.com/berthd/berth"

// summary is what the workers of a subtree have at most, each field of another
// one perhaps: what it lacks none of them has, what it has one may not.
type summary struct {
	free       vector
	load       fraction // the least
	count      uint64   // of allocations, the least
	selections uint64   // that take in any of them
	whole      int16    // devices of one worker that are free entirely
	some       int16    // devices of one worker with anything free
	share      int16    // thousandths free of one device
}

func (s *summary) join(o *summary) {
	for r := range amounts {
		s.free[r] = max(s.free[r], o.free[r])
	}
	if o.load.less(s.load) {
		s.load = o.load
	}
	s.count = min(s.count, o.count)
	s.selections |= o.selections
	s.whole, s.some, s.share = max(s.whole, o.whole), max(s.some, o.some), max(s.share, o.share)
}

// summarize computes a worker's own, but for its selections.
func (n *node) summarize() {
	s := &n.own
	for r := range amounts {
		s.free[r] = n.capacity[r] - n.used[r]
	}
	if n.kept != nil {
		for r, amount := range vectorOf(&n.kept.Quantities) {
			s.free[r] = min(s.free[r], max(s.free[r]-amount, 0)) // who wants none of it may still come
		}
	}
	s.load = n.highest()
	s.count = uint64(max(n.worker.Ledger.Count, 0))
	s.whole, s.some, s.share = 0, 0, 0
	for i := range n.devices {
		free := n.devices[i].free
		if free >= berth.WholeDevice {
			s.whole++
		}
		if free > 0 {
			s.some++
		}
		s.share = max(s.share, int16(free))
	}
}

// allows says whether a worker with this summary may fit; most of those that do
// not are told by it. It is told of what a subtree has, too.
func (q *query) allows(s *summary) bool {
	return q.selection&s.selections != 0 && q.hasRoom(s)
}

// hasRoom is allows without the selection.
func (q *query) hasRoom(s *summary) bool {
	for r := range amounts {
		if q.want[r] > s.free[r] {
			return false
		}
	}
	for i := range q.request.Resources.Devices {
		if s.lacks(&q.request.Resources.Devices[i]) {
			return false
		}
	}
	return true
}

// lacks says whether the devices do not suffice, whatever their types.
func (s *summary) lacks(d *berth.DeviceDemand) bool {
	return d.Milli == berth.WholeDevice && d.Count > int64(s.whole) || d.Count > int64(s.some) || d.Milli > int64(s.share)
}
