package daemon

import (
	"maps"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Who is on a worker is known when all is known of what has changed its ledger: by the watch, or by the answer of an
// own transaction, which tells all that it did and compared what was there before. What a conflict has brought of a
// ledger that another daemon changed tells nothing of who came by that.

// untold are the workers whose ledgers have changed so, and when last.
type untold map[berth.WorkerID]berth.Revision

// noteUntold notes that a ledger has changed by more than is known yet.
func (l *loop) noteUntold(f *berth.Fact) {
	if f.Key.Kind == berth.KindLedger && f.Mod > l.view.revision && !l.answers.told(f.Mod) {
		l.untold[berth.WorkerID(f.Key.ID)] = f.Mod
	}
}

// passedUntold forgets what the watch has told.
func (l *loop) passedUntold() {
	maps.DeleteFunc(l.untold, func(_ berth.WorkerID, rev berth.Revision) bool { return rev <= l.view.revision })
}

// halfTold says whether a worker's ledger has changed by more than is known yet: then keys are looked at when that is.
func (l *loop) halfTold(w berth.WorkerID, keys ...berth.Key) bool {
	rev := l.untold[w]
	if rev <= l.view.revision {
		return false
	}
	l.onceTold(rev, keys...)
	return true
}

// unsure says whether it is not known yet who is on a worker, for a request to which that matters. Both are looked at
// again when it is, and the ledger's revision is compared by the placement: so of requests that must not be on one worker, no
// two ever are, however many daemons place them. Until then the fleet has reserved there what it is to get: given up at
// once, that would be taken by what comes behind it.
func (l *loop) unsure(w *waiting, on berth.WorkerID) bool {
	return w.request.Related() && l.halfTold(on, requestKey(w.id), workerKey(on))
}

// unsureOfGroup is unsure of members that get their places together, or none does.
func (l *loop) unsureOfGroup(members []*waiting, placed []scheduler.Decision) bool {
	var last berth.Revision
	for i := range placed {
		if on := placed[i].Worker; l.unsure(members[i], on) {
			last = max(last, l.untold[on])
		}
	}
	if last == 0 {
		return false
	}
	for i := range placed {
		l.noteReserved(placed[i].Worker, reservation{share: placed[i].Share})
		l.onceTold(last, workerKey(placed[i].Worker))
	}
	return true
}
