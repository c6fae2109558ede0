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
	heirNone     heir = ""         // it is not there, and was not
	heirWaiting  heir = "waiting"  // it has not started
	heirStarting heir = "starting" // it is past the fence
	heirRunning  heir = "running"
	heirLeaving  heir = "leaving" // it is stopping or has stopped, or its worker is lost
	heirEnded    heir = "ended"   // it has ended; or its id is another request's
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
	case heirEnded:
		return moveStop
	case heirNone:
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
	originUnknown   origin = "unknown"   // gone for long, or another request of that id
	originHere      origin = "here"      // the attempt that is replaced may run
	originStopping  origin = "stopping"  // and is stopped, to run elsewhere
	originDropped   origin = "dropped"   // and is stopped for good: cancelled, or at its limit
	originHanded    origin = "handed"    // over to this successor, or ended so
	originWaiting   origin = "waiting"   // for another attempt
	originElsewhere origin = "elsewhere" // another attempt of it is placed
	originEnded     origin = "ended"     // otherwise
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
	case originDropped, originElsewhere, originEnded:
		return true
	}
	return false
}

// heirOf finds the successor of an attempt.
func (l *loop) heirOf(o *berth.Submission, attempt int64) (berth.RequestID, heir) {
	id := o.Spec.SuccessorID(attempt)
	s, _ := l.view.submission(id)
	switch {
	case l.corrupt(id):
		return id, heirEnded
	case s == nil && l.view.has(archiveKey(id)):
		return id, heirEnded
	case s == nil:
		return id, heirNone
	case !succeeds(s, o.Spec.ID, o.SubmittedAt):
		return id, heirEnded
	}
	return id, l.stand(id)
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
	c.successor, c.heir = l.heirOf(o, c.allocation.Attempt)
	if c.intent.Paced() && !paceOf(c.intent, 0, c.now).all { // past the deadline the worker makes this due
		l.due.add(workerKey(w))
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
	case o.Spec.SuccessorID(a.Attempt) != s.Spec.ID:
		return originElsewhere, nil, state
	}
	in := l.view.intent(w)
	return standing(a, s.Spec.ID), &in, []berth.Guard{{Key: allocationKey(w, id), Was: mod}}
}

func standing(a *berth.Allocation, successor berth.RequestID) origin {
	switch {
	case a.Stop == nil && a.State.MayRun():
		return originHere
	case a.Stop == nil:
		return originStopping // it exited: its end decides
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
func (l *loop) replacement(id berth.RequestID, o *berth.Submission) (berth.RequestID, []berth.Guard) {
	by := l.successors[id]
	s, _ := l.view.submission(by)
	if s == nil || !succeeds(s, id, o.SubmittedAt) || l.corrupt(by) {
		return "", nil
	}
	if h := l.stand(by); h != heirStarting && h != heirRunning {
		return "", nil
	}
	w, _, mod := l.view.allocationOf(by)
	return by, []berth.Guard{{Key: allocationKey(w, by), Was: mod}}
}

// succeed submits the successor of an attempt that runs, while that is as it was
// seen. Where the store takes no submissions, it is tried again.
func (l *loop) succeed(k berth.Key, a *berth.Allocation, mod berth.Revision, o *berth.Submission, b *builder) {
	if l.space.RefusesSubmissions() {
		l.timers.set(k, b.now.Add(lookAtSpace))
		return
	}
	spec := o.Spec.Successor(a.Attempt)
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
			l.successors[is.Spec.Replaces] = id
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

func (l *loop) markKin(id berth.RequestID) {
	l.due.add(requestKey(id))
	for w := range l.view.holders(id) {
		l.due.add(allocationKey(w, id))
	}
}
