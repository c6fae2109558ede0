package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// What is borrowed and not used goes back after a while, and is had again at once by what needs it, when a worker takes that. So
// while others would lend what a quota lacks, or other daemons give it up, and no worker takes what waits, it is told what the workers
// lack: the quota keeps it from nothing. What it waits for here is another matter: its quota is looked at first, and brings the loan.

// comes says whether all that is lacking would be had at once.
func (a *allowance) comes(s *balance) bool {
	return len(a.need) > 0 && !s.holds(a.need) && bounding(s.obtainable).holds(a.need, s)
}

// lacksWorker is why no worker takes a request, planned by that daemon, whose quota would have room for it at once; or nil.
func (l *loop) lacksWorker(w *waiting, by berth.DaemonID) *berth.Verdict {
	st := l.limited(w.request)
	if st == nil {
		return nil
	}
	of := l.balanceBy(accountOf(w.request), st, by)
	if a := l.allowsOne(w, &of); !a.comes(of.of(askedBy(w))) {
		return nil
	}
	return l.whyNoWorker(w, by)
}

// lacksWorker is that of a class; it is judged once a revision.
func (c *class) lacksWorker(l *loop, by berth.DaemonID) *berth.Verdict {
	if c.lacks == nil || c.lacks.At < l.view.revision {
		c.lacks = l.lacksWorker(c.members[0], by)
	}
	return c.lacks
}

// groupInstead is what is told of a group instead of why it was judged to wait: what the workers lack, where that is its quota, which
// would have room at once, or where they could never take it; and its quota, where that has no room any more. nil: nothing else.
func (l *loop) groupInstead(id berth.GroupID, v *berth.Verdict) *berth.Verdict {
	rec, _ := l.view.group(id)
	members, _, ok := l.readyMembers(id, l.now())
	if rec == nil || !ok || l.limited(members[0].request) == nil {
		return nil
	}
	r, n := members[0].request, min(l.needs(id, rec), int64(len(members)))
	s := l.balanceOfGroup(id, l.limited(r), members)
	a := s.judgeMembers(r, n)
	if a.verdict == nil || !slices.ContainsFunc(a.verdict.Reasons, lacking) || neverAlone(v) {
		return nil
	}
	switch comes := a.comes(s); {
	case comes && isQuota(v):
		return l.whyNoWorkers(id, rec, members)
	case isQuota(v) && !l.couldEver(r, n, s):
		if never := l.whyNoWorkers(id, rec, members); never != nil && neverAlone(never) {
			return groupWithQuota(never, a.verdict)
		}
	case !comes && !isQuota(v):
		s.tellMix(a.verdict, r, n, l.fitting(r))
		a.verdict.At = l.view.revision
		return a.verdict
	}
	return nil
}

// instead is that of a class; it is judged once a revision.
func (c *gangClass) instead(l *loop, v *berth.Verdict) *berth.Verdict {
	first := c.members[0]
	if l.limited(first.request) == nil {
		return nil
	}
	if c.toldAt < l.view.revision {
		c.told, c.toldAt = l.groupInstead(first.id, v), l.view.revision
	}
	return c.told
}
