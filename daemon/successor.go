package daemon

import (
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// A request that asks for it is not stopped by a drain before another runs in its
// place. Invariant 3 lets a request have one allocation, so that other one is a
// request of its own, its successor. At every moment at most one of the two ends
// for the other's sake, and whoever decides that compares the other's key (Guard),
// so that two daemons, or one that was restarted, never end both:
//
//	the successor is submitted   while the original's allocation is as it was seen
//	the original is handed over  while the successor's allocation may run
//	the successor is cancelled   while the original is as it was seen, not handed over
//	a waiting original is ended  while the successor's allocation may run

// heir is how the successor of an attempt stands.
type heir string

const (
	heirNone     heir = ""         // there is none, or none any more
	heirWaiting  heir = "waiting"  // it has not started
	heirStarting heir = "starting" // it is past the fence
	heirRunning  heir = "running"
	heirLeaving  heir = "leaving" // it is stopping or has stopped, or its worker is lost
)

// move is what a drain owes a container that is to be replaced.
type move string

const (
	moveWait   move = "wait"
	moveSubmit move = "submit" // its successor
	moveHand   move = "hand"   // over to its successor, which runs: stop it, for good
	moveStop   move = "stop"   // it, to run elsewhere: nobody takes its place
)

// moveOf is pure. late: the drain's deadline has passed.
func moveOf(h heir, late bool) move {
	switch h {
	case heirRunning:
		return moveHand
	case heirNone: // also after one that ended and never took its place: it runs on until another does
		if late {
			return moveStop
		}
		return moveSubmit
	case heirStarting:
		if late {
			return moveHand
		}
	case heirLeaving:
		if late {
			return moveStop
		}
	}
	return moveWait // a successor that has not started by the deadline ends by itself: see orphaned
}

// origin is how the original of a successor stands.
type origin string

const (
	originUnknown  origin = "unknown"  // gone for long, or another request of that id
	originHere     origin = "here"     // it runs, or is to: also where it was placed again meanwhile
	originStopping origin = "stopping" // and is stopped, to run elsewhere
	originDropped  origin = "dropped"  // and is stopped for good: cancelled, or at its limit
	originHanded   origin = "handed"   // over to this successor, or ended so
	originWaiting  origin = "waiting"  // for another attempt
	originEnded    origin = "ended"    // otherwise
)

// orphaned is pure: it says whether a successor is not needed (any more). drained:
// the original's worker still is; late: past the deadline.
func orphaned(o origin, h heir, drained, late bool) bool {
	started := h == heirStarting || h == heirRunning
	switch o {
	case originHere:
		return !drained || late && !started && h != heirLeaving
	case originWaiting:
		return !started // one that has started takes its place instead
	case originDropped, originEnded:
		return true
	}
	return false
}

// successorOf is the request that is to take the place of another, and has not
// ended, or none.
func (l *loop) successorOf(o *berth.Submission) berth.RequestID {
	by := l.successors[o.Spec.ID]
	if s, _ := l.view.submission(by); s == nil || !succeeds(s, o.Spec.ID, o.SubmittedAt) {
		return ""
	}
	return by
}

// heirOf finds the successor of a request.
func (l *loop) heirOf(o *berth.Submission) (berth.RequestID, heir) {
	switch by := l.successorOf(o); {
	case by == "":
		return "", heirNone
	case l.corrupt(by): // what it is doing is not known: nobody is stopped for it
		return by, heirLeaving
	default:
		return by, l.stand(by)
	}
}

// vacancy is what the next successor of a request may be called, and when it may be made.
type vacancy struct {
	id     berth.RequestID // empty: no id is free
	at     time.Time       // zero: at once
	former berth.RequestID // the last one that was tried
}

// tried is when this daemon saw the last one end of those that were to succeed a
// request, and did not.
type tried struct {
	last berth.Revision
	at   time.Time
}

// The pauses between successors that do not come to run: the first, which doubles, and the
// longest.
const (
	firstPause   = 2 * time.Second
	longestPause = 5 * time.Minute
)

// vacancyOf counts who was to succeed an attempt since its worker is emptied, by what
// the archive keeps under the ids that they had: so any daemon goes on where another
// died. An operator who takes a drain back and begins another need not wait.
func (l *loop) vacancyOf(o *berth.Submission, attempt int64, w berth.WorkerID, now time.Time) (v vacancy) {
	began, last, n := l.view.fact(intentKey(w)).Create, berth.Revision(0), 0
	for id := range o.Spec.SuccessorIDs(attempt) {
		a := l.view.archived(id)
		if a != nil && a.mod > began {
			n++
			if a.mod > last {
				last, v.former = a.mod, id
			}
		}
		if a == nil && !l.view.has(requestKey(id)) && !l.corrupt(id) {
			v.id = id
			break
		}
	}
	if v.id == "" {
		v.at = now.Add(longestPause) // the archive is purged
		return v
	}
	if n == 0 {
		return v
	}
	if l.tried[o.Spec.ID].last != last {
		l.tried[o.Spec.ID] = tried{last, now}
	}
	v.at = l.tried[o.Spec.ID].at.Add(min(firstPause<<min(n-1, 16), longestPause))
	return v
}

// guardsOf is what a stop order depends on besides its allocation: a container is
// handed over while its successor is as it was seen.
func (l *loop) guardsOf(d duty, of []berth.Guard) []berth.Guard {
	by := d.stop.ReplacedBy
	if by == "" {
		return of
	}
	w, _, mod := l.view.allocationOf(by)
	return []berth.Guard{{Key: allocationKey(w, by), Was: mod}}
}

// findHeir fills in how the successor of an allocation stands, and has the pace of
// its worker looked at, which counts those that are being replaced.
func (l *loop) findHeir(c *circumstances, o *berth.Submission, w berth.WorkerID) {
	if c.successor, c.heir = l.heirOf(o); c.heir == heirNone {
		c.vacant = l.vacancyOf(o, c.allocation.Attempt, w, c.now)
	}
	if c.intent.Paced() && !paceOf(c.intent, 0, c.now).all { // past the deadline the worker makes this due
		l.due.add(workerKey(w))
	}
}

// tellSuccessor tells who is to take the place of a request; or, of one that runs on
// after that one has ended, how, while that is remembered.
func (l *loop) tellSuccessor(s *Status) {
	sub, _ := l.view.submission(s.ID)
	if sub == nil {
		return
	}
	if s.ReplacedBy = l.successorOf(sub); s.ReplacedBy != "" {
		s.Replacement = l.stateOf(s.ReplacedBy)
		return
	}
	if in := l.view.intent(s.Worker); !s.State.MayRun() || s.Stop != nil || !in.Empties() {
		return
	}
	former := l.vacancyOf(sub, s.Attempt, s.Worker, l.now()).former
	if a := l.archive.recent[former]; a != nil && a.Spec.Replaces == s.ID {
		s.ReplacedBy, s.Replacement = former, a.State
	}
}

// succeeds says whether s was made to take the place of that request; one that was
// submitted later is another request of the same id.
func succeeds(s *berth.Submission, original berth.RequestID, submittedAt time.Time) bool {
	return s.Spec.Replaces == original && submittedAt.Before(s.SubmittedAt)
}

// stateOf is the state of a request that has not ended.
func (l *loop) stateOf(id berth.RequestID) berth.State {
	if _, a, _ := l.view.allocationOf(id); a != nil {
		return a.State
	}
	return berth.StatePending
}

// stand is how a request that has not ended stands, as a successor.
func (l *loop) stand(id berth.RequestID) heir {
	w, a, _ := l.view.allocationOf(id)
	if a == nil || a.State == berth.StatePlaced {
		return heirWaiting
	}
	_, epoch := l.view.worker(w)
	switch {
	case a.Stop != nil || a.State == berth.StateExited || a.Epoch != epoch:
		return heirLeaving
	case a.State == berth.StateStarting:
		return heirStarting
	}
	return heirRunning
}

// originOf finds the original of a successor, and what a decision about the
// successor must compare of it.
func (l *loop) originOf(s *berth.Submission) (origin, *berth.Intent, []berth.Guard) {
	id := s.Spec.Replaces
	o, _ := l.view.submission(id)
	if o == nil {
		return l.endedOrigin(s), nil, nil
	}
	if !succeeds(s, id, o.SubmittedAt) || l.corrupt(id) {
		return originUnknown, nil, nil
	}
	prog, progMod := l.view.progress(id)
	state := []berth.Guard{{Key: stateKey(id), Was: progMod}}
	w, a, mod := l.view.allocationOf(id)
	switch {
	case prog == nil || prog.State == berth.StatePending:
		return originWaiting, nil, state
	case a == nil:
		return originUnknown, nil, nil // half of a change that the watch has yet to complete
	}
	in := l.view.intent(w) // which the watch may have yet to tell of, where a conflict has told of the successor
	return standing(a, s.Spec.ID), &in, []berth.Guard{{Key: allocationKey(w, id), Was: mod}, {Key: intentKey(w), Was: l.view.mod(intentKey(w))}}
}

func standing(a *berth.Allocation, successor berth.RequestID) origin {
	switch {
	case a.Stop == nil && a.State == berth.StateExited:
		return originStopping // its end decides
	case a.Stop == nil:
		return originHere
	case a.Stop.ReplacedBy == successor:
		return originHanded
	case a.Stop.Reason == berth.StopDrain || a.Stop.Reason == berth.StopPreempt || a.Stop.Reason == berth.StopReclaim:
		return originStopping
	}
	return originDropped
}

func (l *loop) endedOrigin(s *berth.Submission) origin {
	a := l.view.archived(s.Spec.Replaces)
	switch {
	case a == nil || !a.submittedAt.Before(s.SubmittedAt):
		return originUnknown
	case a.replacedBy == s.Spec.ID:
		return originHanded
	}
	return originEnded
}

// cancelOf is the order to cancel a request: a user's, or that of a successor
// that is not needed, with what it must compare.
func (l *loop) cancelOf(id berth.RequestID, s *berth.Submission, now time.Time) (*cancelOrder, []berth.Guard) {
	if c := l.cancels[id]; c != nil || s.Spec.Replaces == "" {
		return c, nil
	}
	o, in, guards := l.originOf(s)
	drained, late := false, false
	if in != nil && in.Empties() {
		drained, late = true, paceOf(in, 0, now).late
	}
	if !orphaned(o, l.stand(id), drained, late) {
		return nil, nil
	}
	return &cancelOrder{message: "it does not take the place of " + string(s.Spec.Replaces)}, guards
}

// replacement is the successor that has started, of a request that waits for
// another attempt.
func (l *loop) replacement(o *berth.Submission) (berth.RequestID, []berth.Guard) {
	by, h := l.heirOf(o)
	if h != heirStarting && h != heirRunning {
		return "", nil
	}
	w, _, mod := l.view.allocationOf(by)
	return by, []berth.Guard{{Key: allocationKey(w, by), Was: mod}}
}

// succeed submits the successor of what runs under an allocation, while that is as
// it was seen. Where the store takes no submissions, or another request is about to
// take the id, it is tried again.
func (l *loop) succeed(k berth.Key, mod berth.Revision, o *berth.Submission, id berth.RequestID, b *builder) {
	if l.space.RefusesSubmissions() {
		l.timers.set(k, b.now.Add(lookAtSpace))
		return
	}
	if !b.claim(id, k) {
		return
	}
	spec := o.Spec.Successor(id)
	digest, err := spec.Digest()
	if err == nil {
		err = spec.Validate()
	}
	if err != nil {
		l.log.Error("cannot make the successor of a request", zap.String("request", k.ID), zap.Error(err))
		return
	}
	at := b.now.UTC()
	if !o.SubmittedAt.Before(at) {
		at = o.SubmittedAt.Add(1) // another machine's clock is ahead: it is newer all the same
	}
	b.plan.Submits = append(b.plan.Submits, berth.Submit{Submission: berth.Submission{Digest: digest, SubmittedAt: at, Spec: spec}})
	b.guard(berth.Guard{Key: k, Was: mod})
	b.add(opsSubmit, l.view.requestSize(o.Spec.ID)+bytesPlace, k)
}

// noteKin keeps who succeeds whom, and looks again at those whom a change of a
// request concerns.
func (l *loop) noteKin(f berth.Fact, old former) {
	id := berth.RequestID(f.Key.ID)
	if f.Key.Kind == berth.KindRequest {
		is, _ := f.Record.(*berth.Submission)
		was := old.spec
		switch {
		case is != nil && is.Spec.Group != nil:
			l.noteMember(is.Spec.Group.ID, id, true)
		case is == nil && was != nil && was.Group != nil:
			l.noteMember(was.Group.ID, id, false)
		case is != nil && is.Spec.Replaces != "":
			l.noteSuccessor(is.Spec.Replaces, id)
		case is == nil && was != nil && was.Replaces != "":
			l.markKin(was.Replaces)
			if l.successors[was.Replaces] == id {
				delete(l.successors, was.Replaces)
			}
		}
	}
	if by := l.successors[id]; by != "" {
		l.markKin(by)
	}
	if of := l.view.replaces(id); of != "" {
		l.markKin(of)
	}
}

// noteSuccessor keeps the youngest: one may live that took the place of a request of the same id before.
func (l *loop) noteSuccessor(of, id berth.RequestID) {
	_, other := l.view.submission(l.successors[of])
	if _, created := l.view.submission(id); created >= other {
		l.successors[of] = id
	}
}

func (l *loop) markKin(id berth.RequestID) {
	l.due.add(requestKey(id))
	for w := range l.view.holders(id) {
		l.due.add(allocationKey(w, id))
	}
}
