package scheduler

import (
	"slices"
	"strconv"

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
		n := q.choose()
		if n == nil {
			break
		}
		q.refused = append(q.refused, n)
		if _, _, err := q.reserve(n); err == nil {
			chosen = append(chosen, n)
		}
	}
	q.refused = nil
	// Only workers with devices are compared by what they lose: beside another, that the
	// other has none decides.
	dealt := q.deals() && !slices.ContainsFunc(chosen, func(n *node) bool { return len(n.devices) == 0 })
	out := make([]berth.Standing, 0, len(chosen))
	for _, n := range chosen {
		out = append(out, q.standingOf(n, dealt))
	}
	return out
}

// standingOf says how a worker stands, by the parts of its score in the order in which
// they decide. What decides between equal ones is where they stand: see query.earlier.
func (q *query) standingOf(n *node, dealt bool) berth.Standing {
	s, _ := q.judge(n)
	out := berth.Standing{Worker: n.worker.ID}
	add := func(name, value string, decides bool) {
		out.Terms = append(out.Terms, berth.Term{Name: name, Value: value, Decides: decides})
	}
	if len(q.avoid) > 0 {
		add("avoided", yesNo(s.avoided > 0), true)
	}
	if demands := q.request.Resources.Devices; len(demands) > 0 {
		add("device_type", strconv.Itoa(s.rank+1), true)
	} else {
		add("devices", yesNo(len(n.devices) > 0), true)
	}
	add("disliked", strconv.FormatInt(s.dislike, 10), true)
	for _, part := range q.dislikeParts(n) {
		add("by_"+string(part.code), strconv.FormatInt(part.weight, 10), false) // of the sum before
	}
	add("other_daemons", yesNo(s.yields), true)
	if dealt {
		c := q.judgeLoss(q.pool, n)
		add("loss", strconv.FormatFloat(float64(c.loss)/lossUnit, 'f', -1, 64), true)
		add("free", strconv.FormatInt(int64(c.free), 10), true)
		add("load", percent(n.own.load), false)
		return out
	}
	if !q.binpack {
		add("above_bound", yesNo(s.over), true)
	}
	add("load", percent(n.own.load), q.binpack || s.over) // those below the bound are as good as each other
	return out
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

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// percent is a load in hundredths, with one digit behind the point.
func percent(f fraction) string {
	if f.den == 0 {
		return "full"
	}
	return strconv.FormatFloat(100*float64(f.num)/float64(f.den), 'f', 1, 64) + "%"
}
