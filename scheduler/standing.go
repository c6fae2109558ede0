package scheduler

import (
	"fmt"
	"slices"

	"github.com/berthd/berth"
)

// Standings are the first few workers for a candidate, the choice first, each with
// what it was judged by. Nothing is reserved.
func (f *Fleet) Standings(c Candidate, most int) []berth.Standing {
	q := f.ask(c)
	if malformed(&c.Request.Resources) {
		return nil
	}
	var chosen []*node
	for len(chosen) < most {
		n, as := f.pick(q)
		if n == nil {
			break
		}
		q.refused = append(q.refused, n)
		if _, _, err := q.reserve(as); err == nil {
			chosen = append(chosen, as)
		}
	}
	q.refused = nil
	// Only workers with devices are compared by what they lose: beside another, that the
	// other has none decides.
	dealt := q.deals() && !slices.ContainsFunc(chosen, func(n *node) bool { return len(n.devices) == 0 })
	if len(chosen) > 0 && !dealt {
		q.judgeAlone()
		if !q.deals() && !q.binpack { // the last search may have been of the others, or of none
			q.bound = q.boundOf(&q.pool.tierOf(chosen[0]).sums[q.pool.selectionOf(q)])
		}
	}
	out := make([]berth.Standing, 0, len(chosen))
	for _, n := range chosen {
		out = append(out, q.standingOf(n, dealt))
	}
	return out
}

// standingOf says how a worker stands, by the parts of its score in the order in which
// they decide; what is weighed stands together as its sum, with the parts behind it.
// What decides between equal ones is where they stand: see query.earlier.
func (q *query) standingOf(n *node, dealt bool) berth.Standing {
	s, _ := q.judge(n)
	if dealt {
		c := q.judgeLoss(q.pool, n)
		s.loss, s.free = c.loss, int64(c.free)
	}
	q.add(&s, n.own.load, len(n.devices))
	out := berth.Standing{Worker: n.worker.ID}
	add := func(name string, v value, decides bool) {
		out.Terms = append(out.Terms, berth.Term{Name: name, Value: v.words, Is: v.is, Number: v.number, Decides: decides})
	}
	devicesAt := scoreRank // that comes before all but who is avoided
	if q.weighing != nil {
		devicesAt = min(devicesAt, q.weighing.first)
	}
	for _, i := range q.inOrder(dealt) {
		if i == devicesAt && len(q.request.Resources.Devices) == 0 {
			add("devices", whether(len(n.devices) > 0), true)
		}
		if q.weighing != nil && i == q.weighing.first {
			add("weighed", count(s.sum), true)
		}
		t := q.term(i, &s, n, dealt)
		switch {
		case q.weighing != nil && q.weighing.named[i]:
			t.words = fmt.Sprintf("%s (%d x %d)", t.words, q.weighing.weights[i], q.points(i, &s, n.own.load, len(n.devices)))
			add(termNames[i], t.value, false)
		case t.shown:
			add(termNames[i], t.value, t.decides)
		}
		if w := q.pool.dealer.prices.whole; i == scoreLoss && dealt && w.device > 0 {
			add("by_groups", lossValue(q.keptWhole(n)), false) // of the loss before
		}
		if i == scoreDislike {
			for _, part := range q.dislikeParts(n) {
				add("by_"+string(part.code), count(part.weight), false) // of the sum before
			}
		}
	}
	return out
}

// inOrder are the scorers as they are told: last the load, where it decides nothing.
func (q *query) inOrder(dealt bool) []int {
	var order []int
	last := dealt && (q.weighing == nil || !q.weighing.named[scoreLoad])
	for i := range scores {
		if i != scoreLoad || !last {
			order = append(order, i)
		}
	}
	if last {
		order = append(order, scoreLoad)
	}
	return order
}

// TooFull is what the scorer other_daemons says of a worker that is no other daemon's, and counts as one for its load.
const TooFull = "too full"

// termNames are the names of the scorers in a standing.
var termNames = [scores]string{"avoided", "device_type", "disliked", "other_daemons", "above_bound", "load", "warm", "loss", "free", "image"}

// told is what a scorer says of a worker. What says nothing is not shown, unless it is weighed.
type told struct {
	value
	shown, decides bool
}

func (q *query) term(scorer int, s *score, n *node, dealt bool) told {
	switch scorer {
	case scoreAvoided:
		return told{avoidedValue(s.avoided, len(q.avoid)), len(q.avoid) > 0, true}
	case scoreRank:
		return told{count(int64(s.rank) + 1), len(q.request.Resources.Devices) > 0, true}
	case scoreDislike:
		return told{count(s.dislike), true, true}
	case scoreYields:
		value := whether(s.yields)
		if s.yields && !n.worker.Foreign {
			value.words = TooFull // so it is no better than theirs: see bound.spread
		}
		return told{value, true, true}
	case scoreOver:
		return told{whether(s.over), !q.binpack && !dealt, true}
	case scoreLoad:
		return told{loadValue(n.own.load), true, !dealt && (q.binpack || s.over)} // those below the bound are as good as each other
	case scoreCold:
		return told{whether(!s.cold), len(q.key.holders) > 0, true}
	case scoreLoss:
		return told{lossValue(s.loss), dealt, true}
	case scorePulls:
		return told{whether(!s.pulls), len(q.image.holders) > 0, true}
	}
	return told{count(s.free), dealt, true}
}

// keptWhole is the part of what n loses that counts against it because groups are usual, who need
// workers and domains whole: see judgeLoss.
func (q *query) keptWhole(n *node) int64 {
	if c := q.judgeLoss(q.pool, n); !c.fits || c.free == 0 {
		return 0
	}
	return q.pool.dealer.prices.whole.counts(n)
}

// dislikePart is what speaks against a worker by one kind of preference.
type dislikePart struct {
	code   berth.ReasonCode
	weight int64
}

// dislikeParts are the parts of query.dislike, of the kinds of preferences that the
// request has; and of taints, where the worker has one.
func (q *query) dislikeParts(n *node) []dislikePart {
	var parts []dislikePart
	rest := q.dislike(n)
	for _, code := range []berth.ReasonCode{berth.ReasonAffinity, berth.ReasonAntiAffinity, berth.ReasonSpread} {
		part, prefers := dislikePart{code: code}, false
		for i := range q.terms {
			if t := &q.terms[i]; t.weight > 0 && t.code == code {
				prefers = true
				part.weight += t.weight * min(t.excess(n), maxExcess)
			}
		}
		if prefers {
			parts, rest = append(parts, part), rest-part.weight
		}
	}
	if len(parts) > 0 {
		parts = append(parts, dislikePart{berth.ReasonTaint, rest})
	}
	return parts
}
