package daemon

import (
	"time"

	"github.com/berthd/berth"
)

// A worker whose starts fail in a row would eat the queue, failing each request
// in a millisecond. After suspendAfter failures of different requests it gets
// nothing new for a while that doubles; then one start at a time, until one works.
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
// same request failing again says nothing new about the worker.
func (s *starts) failed(id berth.RequestID) bool {
	if id == s.last {
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
