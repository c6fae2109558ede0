package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// What follows is for the requests that wait with another daemon: this one plans
// none of them, and judges a class of them only where somebody asks. One for which others may
// make room now is not blocked: else nobody would step in for it.

// whyNot says why a request waits, or nil.
type whyNot func(*waiting) *berth.Verdict

// misplaced lists the requests in the queue of holder that belong to another.
func (q *queue) misplaced(holder berth.DaemonID, s *share) []berth.RequestID {
	var ids []berth.RequestID
	for id, c := range q.of {
		if w := c.ids[id]; s.ofRequest(w.request, w.planner) != holder {
			ids = append(ids, id)
		}
	}
	return ids
}

// firstFitting is the first request that fits somewhere, or nil. Classes that come
// before it and fit nowhere are blocked.
func (q *queue) firstFitting(why whyNot) *waiting {
	for w := q.next(); w != nil; w = q.next() {
		v := why(w)
		if v == nil {
			return w
		}
		q.block(w.id, v)
	}
	return nil
}

// judged blocks the class of a request that fits nowhere; it is judged once a revision.
func (q *queue) judged(id berth.RequestID, at berth.Revision, why whyNot) {
	c := q.of[id]
	if c == nil || c.verdict != nil {
		return
	}
	fitAt := &c.fitAt
	if !c.members[0].preempts {
		fitAt = &c.same.fitAt // of all tenants'
	}
	if *fitAt >= at {
		return
	}
	if v := why(c.members[0]); v != nil {
		q.block(id, v)
	} else {
		*fitAt = at
	}
}

// current is why a request is blocked, or nil, as of the revision at: what blocked its
// class when that was judged may be gone since, and other things stand in the way. One
// that would fit is about to be woken, and not blocked.
func (q *queue) current(id berth.RequestID, at berth.Revision, why whyNot) *berth.Verdict {
	c := q.of[id]
	if c == nil || c.verdict == nil {
		return nil
	}
	if c.verdict.At >= at {
		return c.verdict
	}
	v := why(c.members[0])
	if v != nil {
		c.verdict = v
	}
	return v
}

func (q *queue) judgeAll(at berth.Revision, why whyNot) {
	for _, key := range slices.SortedFunc(maps.Keys(q.classes), classKey.compare) {
		q.judged(q.classes[key].members[0].id, at, why)
	}
}
