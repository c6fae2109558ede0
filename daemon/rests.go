package daemon

import (
	"time"

	"github.com/berthd/berth"
)

// Most looks find nothing to do: a request was placed, by this daemon or another, and
// its allocation is as it should be. That is seen from what is kept packed, without
// making records of it. What is in doubt is looked at as a whole.

// placedWhole says whether the life has all of its records packed, and is placed.
func (x *life) placedWhole() bool {
	return x.whole == 0 && x.spec != nil && x.stateIs > pendingCode && x.stateEpoch != 0
}

// placedMeanwhile takes a request off the queue.
func (l *loop) placedMeanwhile(id berth.RequestID, on berth.WorkerID) {
	l.offQueue(id)
	l.hasReturned(id)
	delete(l.seen, stateKey(id))
	delete(l.asked, id)
	if l.cancels[id] != nil {
		l.due.add(allocationKey(on, id))
	}
}

// rests says whether doDuty would find nothing to do about an allocation now, and sets
// the moment at which it may.
func (l *loop) rests(k berth.Key, now time.Time) bool {
	w, id := berth.WorkerID(k.Owner), berth.RequestID(k.ID)
	x := l.view.lives[id]
	if x == nil || !x.placedWhole() || !x.isOn(w) || x.stateWorker != x.worker || x.stateAttempt != x.attempt ||
		x.stop != nil || x.spec.request.Replaces != "" || x.spec.request.Group != nil || l.cancels[id] != nil {
		return false
	}
	if _, epoch := l.view.worker(w); epoch != x.epoch || l.view.has(intentKey(w)) || l.view.unreadable(ledgerKey(w)) {
		return false
	}
	switch x.runs.state() {
	case berth.StatePlaced:
		ends := l.firstSeenOn(x, now).at.Add(time.Duration(x.terms.startTimeoutMS) * time.Millisecond)
		if !now.Before(ends) {
			return false
		}
		l.timers.starts.set(x, ends)
		return true
	case berth.StateStarting, berth.StateRunning:
		if x.spec.request.RunLimitMS > 0 {
			return false
		}
		l.firstSeenOn(x, now)
		return true
	}
	return false
}
