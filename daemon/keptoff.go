package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
)

// Who makes room for a request that has to be apart from it, or evenly spread among its like, waits for the others that do: placed
// at once it would be there again before the request is, and make room for ever. A claim sets amounts aside, and no other keeps
// off. So its record puts it off until the last of the others has to have ended; and when there is no such claim any more, for they
// ended sooner or it was given up, it waits no longer: see backoffEnds.

// claimSettles is how long after the last of these are to have ended: by then the request has its place.
const claimSettles = time.Second

// victimsEnd is when one that has made room for a claim may be placed again; zero: at once.
func (l *loop) victimsEnd(c *berth.Claim, e *ending) (at time.Time) {
	sub, _ := l.view.submission(c.Request)
	if sub == nil || !apartFrom(&sub.Spec, e.submission.Spec.Labels) {
		return at
	}
	at = e.now
	for _, id := range c.Victims {
		if x := l.view.lives[id]; x != nil && x.stop != nil {
			at = latest(at, x.stop.Deadline)
		}
	}
	return at.Add(claimSettles)
}

// roomEnds is victimsEnd of one that has made room for a group: what it frees is kept, and keeps no other off either.
func (l *loop) roomEnds(e *ending) (at time.Time) {
	r := l.roomTaker(e.submission.Spec.Pool)
	if s := e.allocation.Stop; s == nil || !makesRoom(s) || r == nil || !apartFrom(r, e.submission.Spec.Labels) {
		return at
	}
	rec, _ := l.keep(r.Pool)
	at = e.now
	for i := range rec.Workers {
		for _, x := range l.view.on[rec.Workers[i].Worker] {
			if x.stop != nil && makesRoom(x.stop) {
				at = latest(at, x.stop.Deadline)
			}
		}
	}
	return at.Add(claimSettles)
}

// makesRoom says whether an allocation is told to stop for what is to have room: a lender's that waits, too.
func makesRoom(s *berth.StopOrder) bool { return preempts(s) || s.Reason == berth.StopReclaim }

func preempts(s *berth.StopOrder) bool { return s.Reason == berth.StopPreempt }

// victimsEndFor is victimsEnd of one that makes room at once, while others are told to.
func (c *clearance) victimsEndFor(r *berth.Request, x *life, now time.Time) (at time.Time) {
	if len(c.claim.Victims) == 0 || !apartFrom(r, x.spec.request.Labels) {
		return at
	}
	at = now
	for _, o := range c.orders {
		at = latest(at, now.Add(time.Duration(o.spec.request.StopTimeoutMS)*time.Millisecond))
	}
	for _, o := range c.leaves {
		if o.stop != nil {
			at = latest(at, o.stop.Deadline)
		}
	}
	return at.Add(claimSettles)
}

// keptOff says whether a request that has made room waits still for one that has to be apart from it.
func (l *loop) keptOff(id berth.RequestID) bool {
	sub, _ := l.view.submission(id)
	if sub == nil {
		return false
	}
	for of := range l.claimants {
		if c, _ := l.view.submission(of); c != nil && c.Spec.Pool == sub.Spec.Pool && apartFrom(&c.Spec, sub.Spec.Labels) {
			return true
		}
	}
	r := l.roomTaker(sub.Spec.Pool)
	return r != nil && apartFrom(r, sub.Spec.Labels)
}

// keepsOff says whether there is anything that may keep others off.
func (l *loop) keepsOff() bool {
	for _, f := range l.view.whole[berth.KindKeep] {
		if rec, ok := f.Record.(*berth.Keep); ok && !rec.MadeRoom.IsZero() {
			return true
		}
	}
	return len(l.claimants) > 0
}

// callBack looks again at what may have been kept off, and what had a backoff meanwhile, for something that keeps off is gone.
func (l *loop) callBack() {
	for k := range l.keptOffs {
		l.due.add(k)
	}
	clear(l.keptOffs)
}

// apartFrom says whether a request has to be apart from others that have such labels, or evenly spread among them.
func apartFrom(r *berth.Request, labels map[string]string) bool {
	return slices.ContainsFunc(r.AntiAffinity, func(a berth.Affinity) bool { return a.Weight == 0 && a.Requests != nil && a.Requests.Matches(labels) }) ||
		slices.ContainsFunc(r.Spread, func(s berth.Spread) bool { return s.Weight == 0 && s.Requests.Matches(labels) })
}

// putOff looks again at what waits when its backoff ends, or before: see callBack.
func (l *loop) putOff(k berth.Key, ends time.Time) {
	l.timers.set(k, ends)
	if l.keepsOff() {
		l.keptOffs[k] = struct{}{}
	}
}

// nextAttempt is what a user is told of a backoff's end; zero: there is none any more.
func (l *loop) nextAttempt(id berth.RequestID, end berth.EndReason, notBefore time.Time) time.Time {
	if end.MadeRoom() && notBefore.After(l.now()) && !l.keptOff(id) {
		return time.Time{}
	}
	return notBefore
}
