package daemon

import (
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What has a pending limit waits so long, and no longer: nobody makes room for it who may have ended only then.

// patienceOf is for how many ms a request waits yet; 0: for ever.
func (l *loop) patienceOf(w *waiting, now time.Time) int64 {
	if w.request.PendingLimitMS == 0 {
		return 0
	}
	sub, _ := l.view.submission(w.id)
	if sub == nil {
		return 0
	}
	ends := l.waitsSince(w.id, sub, now).Add(time.Duration(w.request.PendingLimitMS) * time.Millisecond)
	return max(ends.Sub(now).Milliseconds(), 1)
}

// expiresAt is when a request that waits is EXPIRED, unless it is placed before; zero: it waits for ever.
func (l *loop) expiresAt(id berth.RequestID, now time.Time) time.Time {
	sub, _ := l.view.submission(id)
	if sub == nil || sub.Spec.PendingLimitMS == 0 || l.isOrphan(sub) {
		return time.Time{}
	}
	return l.waitsSince(id, sub, now).Add(time.Duration(sub.Spec.PendingLimitMS) * time.Millisecond)
}

// patient is a candidate for those who make room.
func (l *loop) patient(w *waiting) scheduler.Candidate {
	c := w.candidate()
	c.Patience = l.patienceOf(w, l.now())
	return c
}

// givesUpRoom says whether a request is too late for those who could make room for it, and lets it wait without: others of its
// class, for whom they could, are not to wait behind it.
func (l *loop) givesUpRoom(w *waiting, own scheduler.Candidate, b *builder) bool {
	if w.request.PendingLimitMS == 0 || l.braked(w.request.Pool, b.now) {
		return false
	}
	own.Patience = 0
	if _, as := l.roomNow(w, own, b); as == nil {
		return false
	}
	next := *w
	next.preempts = false
	l.queue.put(&next)
	return true
}
