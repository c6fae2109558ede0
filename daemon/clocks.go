package daemon

import (
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// Moments that stand in records were read off other machines' clocks, which may be
// hours wrong. What counts from one (a run limit, a pending limit, the retention)
// counts from when this daemon saw it happen, by its own clock, where it did.
//
// What was there when the daemon started it has not seen happen. Beside other
// daemons, whose clocks may differ from this one's, an age counts from that start: so
// nothing ends early, and what it delays, the others do in time. Alone, the records
// are taken to be by its own clock, as those of its former life are.

// startedBeside notes what the view held when it was loaded first.
func (l *loop) startedBeside(delta etcdstore.Delta) {
	l.loadedAt, l.alone = delta.Revision, true
	for _, f := range delta.Facts {
		if f.Key.Kind == berth.KindDaemon && f.Key.ID != string(l.d.opts.ID) {
			l.alone = false
		}
	}
}

// since is from when something counts that a record of revision mod says happened
// at stamp, and that this daemon first saw at seen.
func (l *loop) since(stamp, seen time.Time, mod berth.Revision) time.Time {
	if mod <= l.loadedAt && l.alone && stamp.Before(seen) {
		return stamp
	}
	return seen
}

// waitFrom is from when this daemon has seen a request wait for one of its attempts.
type waitFrom struct {
	at      time.Time
	attempt int64
}

// waitsSince is from when a request's pending limit counts: its submission, or the end of its former attempt. When that was is not
// kept, only until when it was put off.
func (l *loop) waitsSince(id berth.RequestID, sub *berth.Submission, now time.Time) time.Time {
	attempt, stamp, mod := int64(1), sub.SubmittedAt, l.view.mod(requestKey(id))
	if p, was := l.view.progress(id); p != nil && p.Attempt > 1 {
		attempt, stamp, mod = p.Attempt, p.NotBefore, was
	}
	seen, ok := l.waits[id]
	if !ok || seen.attempt != attempt {
		seen = waitFrom{now, attempt}
		l.waits[id] = seen
	}
	if stamp.IsZero() {
		return seen.at
	}
	return l.since(stamp, seen.at, mod)
}

// backoffEnds is when a request may be placed again: no later than the longest backoff allows, or of one that has made room and
// is kept off (see victimsEnd), than the longest time to stop. That one is due before, when nobody keeps it off any more.
func (l *loop) backoffEnds(id berth.RequestID, p *berth.Progress, now time.Time) time.Time {
	longest := time.Duration(berth.MaxBackoffMS) * time.Millisecond
	if p.LastEnd.MadeRoom() {
		if !l.keptOff(id) {
			return now
		}
		longest = time.Duration(berth.MaxStopMS)*time.Millisecond + claimSettles
	}
	most := l.firstSeen(stateKey(id), p.State, now).at.Add(longest)
	if p.NotBefore.After(most) {
		return most
	}
	return p.NotBefore
}

// runsSince is from when a run limit counts. A worker's word on it is taken between
// the placement and what this daemon has seen, and only where it has not seen the
// start.
func (c circumstances) runsSince() time.Time {
	a, since := c.allocation, c.allocation.StartedAt
	if since.Before(a.PlacedAt) {
		since = a.PlacedAt
	}
	if c.sawStart || since.After(c.firstSeen) {
		return c.firstSeen
	}
	return since
}
