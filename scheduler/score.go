package scheduler

import (
	"cmp"
	"slices"
)

// score ranks a worker that fits. Those of equal score stand in the order of
// their tree: see query.earlier.
type score struct {
	avoided int      // 0: not; where all are, the one that failed longest ago is the least
	rank    int      // of the device types, 0 is what was asked for first
	dislike int64    // what speaks against it
	yields  bool     // to the daemon's own that are not too full: see foreign, and bound.loose
	over    bool     // spread: above the bound
	load    fraction // spread, above the bound: less is better
	loss    int64    // of worth, where devices are dealt: see prices
	free    int64    // then: thousandths of its devices
}

// compare is negative when a is better.
func (a *score) compare(b *score) int {
	switch {
	case a.avoided != b.avoided:
		return cmp.Compare(a.avoided, b.avoided)
	case a.rank != b.rank:
		return cmp.Compare(a.rank, b.rank)
	case a.dislike != b.dislike:
		return cmp.Compare(a.dislike, b.dislike)
	case a.yields != b.yields:
		return order(b.yields)
	case a.over != b.over:
		return order(b.over)
	case a.loss != b.loss:
		return cmp.Compare(a.loss, b.loss)
	case a.free != b.free:
		return cmp.Compare(a.free, b.free)
	case !a.over:
		return 0
	case a.load.less(b.load):
		return -1
	case b.load.less(a.load):
		return 1
	}
	return 0
}

// order is -1 when what speaks for a holds.
func order(forA bool) int {
	if forA {
		return -1
	}
	return 1
}

// judge scores a worker, if it fits.
func (q *query) judge(n *node) (s score, ok bool) {
	if !q.fits(n) || slices.Contains(q.refused, n) {
		return score{}, false
	}
	if demands := q.request.Resources.Devices; len(demands) > 0 {
		s.rank, _ = q.devices.fit(n, demands)
	}
	s.dislike = q.dislike(n)
	s.avoided = slices.Index(q.avoid, n.worker.ID) + 1
	q.weigh(&n.own, n.worker.Foreign, &s)
	return s, true
}

// weigh scores what depends on the load and on whose a worker is. It is monotone
// in the load: of a subtree's least it gives the best that there may be.
func (q *query) weigh(own *summary, foreign bool, s *score) {
	s.yields = foreign && q.request.AffinityKey == "" // a key goes where it is warm, whoever asks
	if !q.binpack {
		q.bound.spread(own, s)
	}
}
