package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// What ends and is tried again waits for a moment, its backoff, and stands in no queue meanwhile. Its quota would be gone by then, be it to what comes
// behind it or to who borrows, and it would wait for as long as these run. So for a short backoff it counts as if it waited for that. Who has
// made room for others gives them its quota, too.

// returnsWithin bounds the backoff in which something keeps its quota; and for returnsLate after that it does so until it is placed: clocks differ, what is
// due at that moment is looked at in some order, and its daemon may have more of the quota than its even part, which is the others' once it only waits.
const (
	returnsWithin = time.Second
	returnsLate   = 50 * time.Millisecond
)

// returning is what waits so, and until when.
type returning struct {
	*waiting
	by    berth.DaemonID // that plans it
	until time.Time
}

// noteReturn notes that a request waits so, if it does.
func (l *loop) noteReturn(id berth.RequestID, sub *berth.Submission, seq berth.Revision, prog *berth.Progress, until, now time.Time) {
	r := &sub.Spec
	if l.limited(r) == nil || r.Group != nil || prog.LastEnd.MadeRoom() || !now.Before(until) || until.Sub(now) > returnsWithin {
		return
	}
	of := accountOf(r)
	until = until.Add(returnsLate)
	if l.quotas.returns[of] == nil {
		l.quotas.returns[of] = make(map[berth.RequestID]returning, 1)
	}
	l.quotas.returns[of][id] = returning{waitingOf(id, sub, seq, prog), l.share.ofRequest(r, sub.Planner), until}
	l.timers.set(tenantKey(of.tenant), until)
}

// returnsNow has what waited so tried: it stands in its queue now, and goes first there yet.
func (l *loop) returnsNow(of account, id berth.RequestID) {
	if _, waits := l.quotas.returns[of][id]; waits {
		l.due.add(tenantKey(of.tenant))
	}
}

// hasReturned notes that a request waits so no more: it is placed.
func (l *loop) hasReturned(id berth.RequestID) {
	if len(l.quotas.returns) == 0 {
		return
	}
	sub, _ := l.view.submission(id)
	if sub == nil {
		return
	}
	of := accountOf(&sub.Spec)
	all := l.quotas.returns[of]
	if _, waits := all[id]; !waits {
		return
	}
	l.due.add(tenantKey(of.tenant))
	if delete(all, id); len(all) == 0 {
		delete(l.quotas.returns, of)
	}
}

// returningOf are those of an account that wait so, in their order. Whatever became of them, they do no longer when their time is over.
func (l *loop) returningOf(of account, now time.Time) []returning {
	all := l.quotas.returns[of]
	if all == nil {
		return nil
	}
	maps.DeleteFunc(all, func(_ berth.RequestID, r returning) bool { return !now.Before(r.until) })
	if len(all) == 0 {
		delete(l.quotas.returns, of)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b returning) int { return order(a.before(b.waiting)) - order(b.before(a.waiting)) })
}
