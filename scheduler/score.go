package scheduler

import "slices"

// score ranks a worker that fits. The order is total: where all fields are
// equal, the lower id has come first.
type score struct {
	avoided int      // 0: not; where all are, the one that failed longest ago is the least
	rank    int      // of the device types, 0 is what was asked for first
	yields  bool     // to the daemon's own that are not too full: see foreign, and bound.loose
	over    bool     // spread: above the bound
	first   fraction // more is better
	second  fraction // more is better
	hash    uint64   // more is better
}

func (a *score) beats(b *score) bool {
	switch {
	case a.avoided != b.avoided:
		return a.avoided < b.avoided
	case a.rank != b.rank:
		return a.rank < b.rank
	case a.yields != b.yields:
		return b.yields
	case a.over != b.over:
		return b.over
	case b.first.less(a.first):
		return true
	case a.first.less(b.first):
		return false
	case b.second.less(a.second):
		return true
	case a.second.less(b.second):
		return false
	}
	return a.hash > b.hash
}

// scan returns the best of a tier's workers that fit, or nil.
func (q *query) scan(t *tier, binpack bool) (best *node, top score) {
	var b bound
	if !binpack {
		b = q.bound(t)
	}
	for _, n := range t.nodes {
		if !n.open {
			continue
		}
		s := score{first: fraction{0, 1}, second: fraction{0, 1}}
		if !binpack {
			s.hash = Mix(q.hash ^ n.hash)
			if best != nil && s.hash <= top.hash && top.avoided == 0 && top.rank == 0 && !top.yields && !top.over {
				continue // not even the best rank and load would help it
			}
		}
		if !q.fits(n) || slices.Contains(q.refused, n) {
			continue
		}
		s.yields = q.foreign(n)
		s.avoided = slices.Index(q.avoid, n.worker.ID) + 1
		if demands := q.request.Resources.Devices; len(demands) > 0 {
			s.rank, _ = q.devices.fit(n, demands)
		}
		if binpack {
			q.pack(n, &s)
		} else {
			b.spread(n, &s)
		}
		if best == nil || s.beats(&top) {
			best, top = n, s
		}
	}
	return best, top
}

// foreign says whether a worker comes after those of the asking daemon's share. A
// candidate with an affinity key goes where that is warm, whoever asks.
func (q *query) foreign(n *node) bool { return n.worker.Foreign && q.request.AffinityKey == "" }

// pack scores by best fit: the worker that is fullest afterwards, and of those
// the one whose other amounts are least stranded.
func (q *query) pack(n *node, s *score) {
	s.first, s.second = n.highest(q.want), n.lowest(q.want)
}
