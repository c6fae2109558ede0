package scheduler

import (
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
	var out []berth.Standing
	for len(out) < most {
		n := q.choose()
		if n == nil {
			break
		}
		q.refused = append(q.refused, n)
		if _, _, err := q.reserve(n); err == nil {
			out = append(out, q.standingOf(n))
		}
	}
	return out
}

// standingOf says how a worker stands, by the parts of its score in the order in which
// they decide. What decides between equal ones is where they stand: see query.earlier.
func (q *query) standingOf(n *node) berth.Standing {
	refused := q.refused
	q.refused = nil
	s, _ := q.judge(n)
	q.refused = refused
	out := berth.Standing{Worker: n.worker.ID}
	add := func(name, value string) {
		out.Terms = append(out.Terms, berth.Term{Name: name, Value: value, Decides: true})
	}
	if len(q.avoid) > 0 {
		add("avoided", yesNo(s.avoided > 0))
	}
	if demands := q.request.Resources.Devices; len(demands) > 0 {
		add("device_type", strconv.Itoa(s.rank+1))
	} else {
		add("devices", yesNo(len(n.devices) > 0))
	}
	add("disliked", yesNo(s.dislike > 0))
	add("other_daemons", yesNo(s.yields))
	if !q.binpack {
		add("above_bound", yesNo(s.over))
	}
	add("load", percent(n.own.load))
	out.Terms[len(out.Terms)-1].Decides = q.binpack || s.over // those below the bound are as good as each other
	return out
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
