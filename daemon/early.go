package daemon

import (
	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// A load tells first of workers, their ledgers and what else there is one of for each
// worker; requests, states, allocations and the archive, of which there may be
// millions, come behind. From the first part on new requests are placed; all else
// waits until everything is known:
//
//   - A submission with its placement compares all that it depends on (the request and
//     its archive absent, the ledger, the worker's epoch), and capacity is what the
//     ledger says. What the view does not hold yet decides nothing: an id that the
//     store knows is refused by the transaction, and answered when all is known.
//   - What is counted in a quota waits: what its tenant has that no block counts is known with
//     the allocations.
//   - Nothing is released, opened, ended, stopped, judged, taken over or purged, and
//     nothing is told: each would take for absent what was only not read yet.
//   - So what is placed early has the room that the last daemon left, after what
//     waits had had its turn: ends that were reported since are not released yet, and
//     workers that came since are not open. It overtakes only what that daemon had not
//     come to, and what a backoff or an operator held up; and only while the load goes on.
//
// early is what waits for the end of the first load.
type early struct {
	due   dueKeys       // keys that became due
	known []*submission // of ids that the store knows already
}

func newEarly() early { return early{due: newDueKeys(nil)} }

// knowledge is what a call needs the loop to know.
type knowledge int

const (
	needsWorkers knowledge = iota // them and their ledgers
	needsAll
)

func (l *loop) knows(what knowledge) bool { return l.loaded || what == needsWorkers && l.open }

// whenKnown runs ask, at the latest when the first load has told what it needs. Later
// loads, of another cluster, are not waited for: ask says so.
func (l *loop) whenKnown(what knowledge, ask func(*loop)) {
	told := l.d.ready
	if what == needsWorkers {
		told = l.d.accepting
	}
	select {
	case <-told:
		ask(l)
	default:
		l.waiting[what] = append(l.waiting[what], ask)
	}
}

// answerWaiting runs what has waited for that, in its order.
func (l *loop) answerWaiting(what knowledge) {
	asks := l.waiting[what]
	l.waiting[what] = nil
	for _, ask := range asks {
		ask(l)
	}
}

// seated: the workers are known, and new requests are placed.
func (l *loop) seated() {
	if !l.open {
		l.open = true
		l.log.Info("workers are known; new requests are placed while the rest is loaded", zap.Int("workers", len(l.share.workers)))
	}
	tell(l.d.accepting)
	l.answerWaiting(needsWorkers)
}

// allKnown: from here on everything is decided.
func (l *loop) allKnown() {
	l.open, l.loaded = true, true
	if len(l.quotas.of) > 0 {
		l.countAll(func(a account) bool { return l.quotas.of[a] != nil })
		for _, st := range l.quotas.of {
			st.ownAt = l.now() // what waits is to be tried, and waits on
		}
	}
	if len(l.quotas.residents) > 0 {
		l.residesAll(func(a account) bool { return l.quotas.residents[a] != nil })
	}
	for k, ok := l.early.due.pop(); ok; k, ok = l.early.due.pop() {
		l.due.add(k)
	}
	known := l.early.known
	l.early = newEarly()
	l.receive(known)
}

// tell closes a channel that an earlier loop may have closed.
func tell(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// gatherEarly seats workers and places what is new.
func (l *loop) gatherEarly(b *builder) {
	for k, ok := l.due.pop(); ok; k, ok = l.due.pop() {
		l.early.due.add(k)
		if (k.Kind == berth.KindWorker || k.Kind == berth.KindIntent) && !l.flights.defers(k) {
			l.seatEarly(berth.WorkerID(k.ID), b)
		}
	}
	l.admit(b)
}

// seatEarly is what lookWorker does for the fleet, and no more.
func (l *loop) seatEarly(w berth.WorkerID, b *builder) {
	rec, epoch := l.view.worker(w)
	if rec == nil || l.view.unreadable(workerKey(w), ledgerKey(w)) {
		l.takeOut(w)
		return
	}
	ledger, _ := l.view.ledger(w)
	l.seat(w, b.now, rec, epoch, ledger)
	l.noteSeat(w, b)
}

// knownEarly puts off a submission of an id that the store knows, or may know: what
// is to be answered may not have been read yet.
func (l *loop) knownEarly(s *submission) bool {
	id := s.record.Spec.ID
	if l.loaded || l.view.lives[id] == nil && !l.view.has(archiveKey(id)) {
		return false
	}
	if l.incoming.byID[id] == s {
		delete(l.incoming.byID, id)
	}
	l.early.known = append(l.early.known, s)
	return true
}

// asOf is the revision of what is known: while the rest is loaded, of the load.
func (l *loop) asOf() berth.Revision { return max(l.view.revision, l.loadedAt) }
