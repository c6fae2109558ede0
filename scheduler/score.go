package scheduler

import (
	"cmp"
	"slices"
)

// score is what a worker that fits is compared with others by. Its fields stand in
// the order in which they are compared: the first that tells two workers apart
// decides. Those of equal score stand in the order of their tree: see query.earlier.
type score struct {
	avoided int      // 0: not; where all are, the one that failed longest ago is the least
	rank    int      // of the device types, 0 is what was asked for first
	dislike int64    // what speaks against it
	yields  bool     // to the daemon's own that are not too full: see foreign, and bound.loose
	over    bool     // spread: above the bound
	load    fraction // spread, above the bound: less is better
	cold    bool     // the key is not warm there, and is elsewhere: see heat
	loss    int64    // of worth, where devices are dealt: see prices
	free    int64    // then: thousandths of its devices
	pulls   bool     // the image is not there, and is elsewhere

	sum int64 // of what the pool weighs: see weighing
}

// The scorers by their places: the fields of score, and berth.Scorers.
const (
	scoreAvoided = iota
	scoreRank
	scoreDislike
	scoreYields
	scoreOver
	scoreLoad
	scoreCold
	scoreLoss
	scoreFree
	scorePulls
	scores
)

// scorers tells of the fields of score, in their order, and of their points where they
// are weighed, for the table in docs/scheduling.md; a test holds them together. As functions that compare would ask
// one after the other they cost a quarter of the placements of CPU requests, for scores
// were no longer kept on the stack.
var scorers = []struct{ field, prefers, points string }{
	{
		"avoided", "on which this request has not failed to start; where it has on all, the one where that was longest ago",
		"0 if not; else its place among those where it has, the latest 1,000",
	},
	{
		"rank", "with devices of the type that stands first in `types`; of several demands, the least sum of the places in their lists",
		"the sum as a part of the largest there may be",
	},
	{
		"dislike", "with less that speaks against it: the weights of the preferred `affinity` and `anti_affinity` that it does not meet, " +
			"of a preferred `spread` for each request above `max_skew`, and 100 for each taint of `prefer_no_place` that is not tolerated",
		"that sum, up to 1,000",
	},
	{
		"yields", "of the daemon's own share of workers (without an affinity key); under `spread`, only while it is not a quarter of the average above the bound",
		"1,000 if it is not",
	},
	{"over", "under `spread`: under the bound", "1,000 if it is not"},
	{
		"load", "under `spread`, above the bound: with the least load",
		"its load, the largest part that is used of any amount, in thousandths, below the bound too; under `binpack`, what is missing to a full worker",
	},
	{
		"cold", "that has said that the request's `affinity_key` is warm there, of the first 64 from the key's place on the ring on; under `spread`, and where it is weighed",
		"1,000 where it is not, and on some worker it is",
	},
	{
		"loss", "among workers with devices, without an affinity key: whose free room loses the least worth, and that breaks the least that groups need whole, where groups are usual",
		"the loss in thousandths of a device, of each device that is asked for; without devices, in all",
	},
	{"free", "the same: with the least room on its devices", "the thousandths free on its devices, on average"},
	{
		"pulls", "that has said that the request's `image` is there, of the first 64 from the request's place on the ring on; not under `binpack` among workers without devices or " +
			"with an affinity key, unless it is weighed", "1,000 where it is not, and on some worker it is",
	},
}

// compare is negative when a is better, for a pool without weights.
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
	case a.over && a.load.less(b.load):
		return -1
	case a.over && b.load.less(a.load):
		return 1
	case a.cold != b.cold:
		return order(b.cold)
	case a.loss != b.loss:
		return cmp.Compare(a.loss, b.loss)
	case a.free != b.free:
		return cmp.Compare(a.free, b.free)
	case a.pulls != b.pulls:
		return order(b.pulls)
	}
	return 0
}

// compareIn is compare in one field alone.
func (a *score) compareIn(field int, b *score) int {
	var x, y score
	switch field {
	case scoreAvoided:
		x.avoided, y.avoided = a.avoided, b.avoided
	case scoreRank:
		x.rank, y.rank = a.rank, b.rank
	case scoreDislike:
		x.dislike, y.dislike = a.dislike, b.dislike
	case scoreYields:
		x.yields, y.yields = a.yields, b.yields
	case scoreOver:
		x.over, y.over = a.over, b.over
	case scoreLoad:
		x.over, y.over, x.load, y.load = true, true, a.aboveBound(), b.aboveBound()
	case scoreCold:
		x.cold, y.cold = a.cold, b.cold
	case scoreLoss:
		x.loss, y.loss = a.loss, b.loss
	case scoreFree:
		x.free, y.free = a.free, b.free
	case scorePulls:
		x.pulls, y.pulls = a.pulls, b.pulls
	}
	return x.compare(&y)
}

// aboveBound is the load of who is above the bound; below it there is nothing to be said
// of it, and that is better than any: also where the pool weighs who is above, or has
// taken that out.
func (a *score) aboveBound() fraction {
	if !a.over {
		return fraction{0, 1}
	}
	return a.load
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
	s.cold, s.pulls = q.key.lacks(n), q.image.lacks(n)
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
