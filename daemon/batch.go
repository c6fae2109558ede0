package daemon

import "time"

// Of a plan's members: fullBatch bounds them, so that one transaction stays short
// enough for the next one's latency; a plan of fewer than smallBatch is worth its
// transaction only while none is in flight.
const (
	fullBatch  = 512
	smallBatch = 32
)

// batches learns from answers what a transaction's time is made of: a part that each
// one takes (the sync, the way), and a part for each member. A full batch is one
// whose members take amortise times the fixed part: a larger one would gain little,
// and those that come last in it would wait for all the others.
type batches struct {
	weight, n, t, nn, nt float64 // decayed sums, of members and seconds
}

const (
	forget   = 0.98 // the weight of the past, each time: some 50 transactions count
	amortise = 4
)

// saw takes in a transaction that was answered.
func (s *batches) saw(members int, took time.Duration) {
	n, t := float64(members), took.Seconds()
	for _, sum := range []struct {
		of  *float64
		add float64
	}{{&s.weight, 1}, {&s.n, n}, {&s.t, t}, {&s.nn, n * n}, {&s.nt, n * t}} {
		*sum.of = *sum.of*forget + sum.add
	}
}

// full is how many members a full batch has. Until transactions of several sizes
// have shown what a member takes, and where it takes nothing that can be measured,
// only the bound.
func (s *batches) full() int {
	spread := s.weight*s.nn - s.n*s.n
	if spread <= 0.01*s.n*s.n {
		return fullBatch
	}
	member := (s.weight*s.nt - s.n*s.t) / spread
	fixed := (s.t - member*s.n) / s.weight
	if member <= 0 || fixed <= 0 {
		return fullBatch
	}
	return int(min(max(amortise*fixed/member, smallBatch), fullBatch))
}

// mayGather says whether to make a plan now. An idle daemon commits whatever there
// is at once; while plans are in flight, another is sent when it would not be a
// small one: what comes meanwhile shares the next transaction.
func (l *loop) mayGather() bool {
	switch {
	case !l.open || l.now().Before(l.notBefore):
		return false
	case len(l.flights.keeps) > 0: // what is kept then is not there for anybody, and the fleet does not know it yet
		return false
	case l.flights.count == 0:
		return true
	}
	n := l.work()
	return !l.gangs.holdOff && l.flights.count < flightsMost && n >= l.worthwhile() && (n >= l.fullBatch() || l.leavesRoom(n))
}

// leavesRoom says whether a plan of n members beside those in flight would leave ledgers of
// this daemon to the next. Behind a plan that takes all, everything waits for its answer; so
// such a one waits itself, for what else is coming: of 100 calls at once on 20 workers, 32
// went off beside the very first, and the other 68 were a third transaction behind both.
func (l *loop) leavesRoom(n int) bool { return n < l.share.owned()-len(l.flights.workers) }

// worthwhile is how many members make a plan worth its transaction while others are in
// flight; no more than fit into one.
func (l *loop) worthwhile() int {
	fit := max(1, (l.store.Limits().Ops-spareOps)/opsPlacement.most())
	return min(smallBatch, l.fullBatch(), fit)
}

// fullBatch is how many members a plan gets where there are more.
func (l *loop) fullBatch() int {
	return min(l.batch, l.batches.full())
}

// work is about how many members a plan would get.
func (l *loop) work() int {
	return l.incoming.len() + l.queue.openCount() + l.due.allocations
}
