package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
)

// GroupWait is what a group waits for, and how long, by its members: it waits as one.
type GroupWait struct {
	NotBefore time.Time       // of its next attempt: the latest of its members'
	Member    berth.RequestID // whose that is
	Ending    int64           // members whose attempt before has not ended
	ExpiresAt time.Time       // when too few of it are left, unless it is placed before; zero: never, or not known
}

// add counts what a member waits for.
func (w *GroupWait) add(id berth.RequestID, notBefore time.Time, ending bool) {
	if ending {
		w.Ending++
	}
	if notBefore.After(w.NotBefore) {
		w.NotBefore, w.Member = notBefore, id
	}
}

// groupWait tells it of a group that waits; nil of another.
func (l *loop) groupWait(id berth.GroupID) *GroupWait {
	g, _ := l.view.group(id)
	if g == nil || g.State != berth.GroupPending {
		return nil
	}
	w, now := &GroupWait{}, l.now()
	var expire []time.Time
	for _, m := range l.inGroup(id) {
		prog, _ := l.view.progress(m)
		placed := l.view.allocated(m) || prog != nil && prog.State != berth.StatePending
		notBefore := time.Time{}
		if prog != nil {
			notBefore = l.nextAttempt(m, prog.LastEnd, prog.NotBefore)
		}
		w.add(m, notBefore, placed)
		if !placed {
			if at := l.expiresAt(m, now); !at.IsZero() {
				expire = append(expire, at)
			}
		}
	}
	// so many may end otherwise than as SUCCEEDED; the next takes all with it: see shareFate
	if may := g.Size - g.Failed - g.MinCount; may >= 0 && may < int64(len(expire)) {
		slices.SortFunc(expire, time.Time.Compare)
		w.ExpiresAt = expire[may]
	}
	return w
}
