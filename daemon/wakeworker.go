package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What a worker's change wakes of what waits: where it has more to give, what it could take; where
// a pool has grown by it, the groups for which that was too small.

// grows says whether now could take something, were it empty, that was could not.
func grows(was, now *scheduler.Worker) bool {
	return closed(was) || was.Epoch != now.Epoch || !slices.Equal(was.Ordered, now.Ordered)
}

// closed says whether a worker takes nothing, whatever it is.
func closed(w *scheduler.Worker) bool {
	return !w.Ready || w.Held || w.Cordoned || w.Draining || w.Removing || w.Suspended || w.Probing && w.Starting > 0
}

// freer says whether now holds less than was, of anything.
func freer(was, now berth.Share) bool {
	if !was.Quantities.Within(now.Quantities) {
		return true
	}
	for _, p := range was.Ports {
		if !slices.Contains(now.Ports, p) {
			return true
		}
	}
	for _, d := range was.Devices {
		held := slices.ContainsFunc(now.Devices, func(n berth.DeviceShare) bool { return n.Name == d.Name && n.Milli >= d.Milli })
		if !held {
			return true
		}
	}
	return false
}

// wake lets worker w wake what it could take now, of what all daemons have blocked.
func (l *loop) wake(w berth.WorkerID, pool berth.PoolID) {
	l.queue.wake(pool, w)
	l.gangs.wake(pool, w, l.roomFor)
	for _, p := range l.peers.sorted {
		l.owing(p, func() {
			p.queue.wake(pool, w)
			p.gangs.wake(pool, w, l.roomFor)
		})
	}
}

// wakeNever lets the groups of a pool be tried again, of all daemons, for which it was too small whatever would
// have ended there. They may fit no more than before; but others may make room for them now, and something may be kept.
func (l *loop) wakeNever(pool berth.PoolID) {
	l.gangs.wakeNever(pool)
	for _, p := range l.peers.sorted {
		l.owing(p, func() { p.gangs.wakeNever(pool) })
	}
}
