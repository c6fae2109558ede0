package daemon

import (
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// A worker whose starts fail in a row would eat the queue, failing each request
// in a millisecond. After suspendAfter failures of different requests it gets
// nothing new for a while that doubles; then one start at a time, until one works.
// What fails for what the request names counts only once it has started elsewhere.
const (
	suspendAfter = 5
	suspendFirst = time.Second
	suspendMost  = 5 * time.Minute
)

// starts counts a worker's failed starts since its last good one.
type starts struct {
	failures int
	last     berth.RequestID
	rounds   int       // of suspension
	until    time.Time // suspended until then
}

// failed notes a failure, and says whether the worker should be suspended. The
// same request failing again says nothing new about the worker, unless it was let in to
// see whether one start works: no more can be said of that.
func (s *starts) failed(id berth.RequestID) bool {
	if id == s.last && s.failures < suspendAfter {
		return false
	}
	s.last = id
	s.failures++
	return s.failures >= suspendAfter
}

// suspend doubles with each round. What fails while the worker is suspended was
// given to it before, and says nothing new: a worker that hung with twenty
// allocations must not be out for an hour.
func (s *starts) suspend(now time.Time) {
	if s.suspended(now) {
		return
	}
	d := suspendFirst
	for range s.rounds {
		d = min(2*d, suspendMost)
	}
	s.rounds++
	s.until = now.Add(d)
}

func (s *starts) suspended(now time.Time) bool { return now.Before(s.until) }

// probing: the suspension is over, and no start has worked since.
func (s *starts) probing(now time.Time) bool {
	return s.failures >= suspendAfter && !s.until.IsZero() && !s.suspended(now)
}

// suspicion is a failed start that was the request's own fault by what its worker says: what
// it names is not on that machine. A typo is nowhere; what the machine lacks is elsewhere.
type suspicion struct {
	worker berth.WorkerID
	row    *starts // another one since: the worker has started something
}

// noteStart counts a worker's good and failed starts, as they are reported.
func (l *loop) noteStart(w berth.WorkerID, id berth.RequestID, a *berth.Allocation) {
	switch {
	case a.State == berth.StateRunning:
		l.startWorked(w, id)
	case a.State == berth.StateExited && a.Exit != nil:
		switch a.Exit.Kind {
		case berth.ExitStartFailed, berth.ExitRejected:
			if a.Exit.OwnFault() {
				l.suspect(w, id)
				return
			}
			l.startFailed(w, id)
		case berth.ExitExited, berth.ExitSignaled:
			l.startWorked(w, id)
		}
	}
}

// startWorked ends the row of a worker's failures. Those of the request elsewhere were the
// fault of the machines they were on: what it names is there.
func (l *loop) startWorked(w berth.WorkerID, id berth.RequestID) {
	if s := l.starts[w]; s != nil {
		delete(l.starts, w)
		l.oddUntilSeated(w)
	}
	for _, on := range l.suspicions[id] {
		if l.starts[on.worker] == on.row {
			l.startFailed(on.worker, id)
		}
	}
	delete(l.suspicions, id)
}

// suspect notes a failure that does not count against the worker, unless the request starts
// elsewhere. Spark counts failures against machines in the same way, when what failed there
// has worked; to count all of them let five typos of one user suspend a machine for everybody.
func (l *loop) suspect(w berth.WorkerID, id berth.RequestID) {
	before := l.suspicions[id]
	if n := len(before); n >= maxAvoid {
		before = before[n-maxAvoid+1:]
	}
	l.suspicions[id] = append(before, suspicion{worker: w, row: l.row(w)})
}

// row is the row of a worker's failed starts, begun here where there is none.
func (l *loop) row(w berth.WorkerID) *starts {
	s := l.starts[w]
	if s == nil {
		s = &starts{}
		l.starts[w] = s
	}
	return s
}

func (l *loop) startFailed(w berth.WorkerID, id berth.RequestID) {
	s := l.row(w)
	l.due.add(workerKey(w))
	if now := l.now(); s.failed(id) && !s.suspended(now) && l.maySuspend(w) {
		s.suspend(now)
		l.log.Warn("worker suspended: its starts fail in a row",
			zap.String("worker", string(w)), zap.Int("failures", s.failures), zap.Time("until", s.until))
	}
}

// maySuspend keeps at least half of a pool's workers working: when all fail, it
// is the requests that are bad.
func (l *loop) maySuspend(w berth.WorkerID) bool {
	rec, _ := l.view.worker(w)
	if rec == nil {
		return false
	}
	now, others := l.now(), 0
	for o, s := range l.starts {
		if r, _ := l.view.worker(o); o != w && r != nil && r.Pool == rec.Pool && s.suspended(now) {
			others++
		}
	}
	return others < max(1, l.brakes.alive[rec.Pool]/2)
}
