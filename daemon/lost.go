package daemon

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// lostEpoch is a worker whose presence key is gone while its ledger still holds
// allocations.
type lostEpoch struct {
	epoch    berth.Epoch
	pool     berth.PoolID
	ttl      time.Duration
	since    time.Time // key first seen gone
	seen     bool      // by this daemon, which was there when it went
	leaseEnd time.Time // lease known to be over; zero: not yet
	grace    time.Duration
	asking   bool
}

// Of a worker whose ledger says nothing of its lease.
const (
	defaultKillBound = 5 * time.Second
	leaseQueryPause  = time.Second
)

// lookLost starts the grace of a lost epoch: it runs from when both the key and
// the lease are known to be gone.
func (l *loop) lookLost(w berth.WorkerID, ledger *berth.Ledger, now time.Time) {
	if ledger == nil || ledger.Empty() {
		l.forgetLost(w)
		l.departed(w, ledger)
		return
	}
	e := l.lost[w]
	if e == nil || e.epoch != ledger.Epoch {
		e = &lostEpoch{epoch: ledger.Epoch, since: now, grace: graceOf(ledger), ttl: time.Duration(ledger.TTLSeconds) * time.Second}
		if d, ok := l.brakes.gone[w]; ok {
			e.since, e.seen = d.at, true
		}
		l.lost[w] = e
		l.log.Warn("worker lost", zap.String("worker", string(w)), zap.Int64("epoch", int64(e.epoch)),
			zap.Int64("allocations", ledger.Count), zap.Duration("grace", e.grace))
	}
	if pool := l.poolOf(w); pool != "" && pool != e.pool {
		e.pool = pool
		l.due.add(brakeKey(e.pool))
	}
	switch {
	case !e.leaseEnd.IsZero() || e.asking:
	case ledger.Lease == "":
		e.leaseEnd = now
		l.markAllocationsOf(w)
	default:
		e.asking = true
		go l.askLease(w, e.epoch, ledger.Lease)
	}
}

// findLost takes for lost, before anything is judged, who is so when the view is
// loaded: a brake in the store would else seem to be about nobody.
func (l *loop) findLost() {
	var lost []berth.WorkerID
	for k := range l.view.whole[berth.KindLedger] {
		w := berth.WorkerID(k.ID)
		if l.view.unreadable(workerKey(w), k) {
			continue
		}
		if rec, _ := l.view.worker(w); rec == nil {
			lost = append(lost, w)
		}
	}
	slices.Sort(lost)
	for _, w := range lost {
		ledger, _ := l.view.ledger(w)
		l.lookLost(w, ledger, l.now())
	}
}

// forgetLost: the worker is back, or nothing is left on it.
func (l *loop) forgetLost(w berth.WorkerID) {
	if e := l.lost[w]; e != nil {
		l.due.add(brakeKey(e.pool))
		delete(l.lost, w)
	}
}

// graceOf is the kill bound and 1 % of the TTL, for clocks that differ.
func graceOf(ledger *berth.Ledger) time.Duration {
	kill := time.Duration(ledger.KillMS) * time.Millisecond
	if ledger.Lease == "" {
		kill = defaultKillBound
	}
	return kill + time.Duration(ledger.TTLSeconds)*time.Second/100
}

// askLease finds out how long a lease still lives, and tells the loop.
func (l *loop) askLease(w berth.WorkerID, epoch berth.Epoch, lease string) {
	ctx, cancel := context.WithTimeout(context.Background(), finishIn)
	defer cancel()
	left, gone, err := l.store.LeaseRemaining(ctx, lease)
	// Also when the time is up: a query that the loop hears nothing of would never
	// be asked again. The loop may have ended; then nobody needs the answer.
	_ = l.post(context.WithoutCancel(ctx), func() { l.leaseAnswered(w, epoch, left, gone, err) })
}

func (l *loop) leaseAnswered(w berth.WorkerID, epoch berth.Epoch, left time.Duration, gone bool, err error) {
	e := l.lost[w]
	if e == nil || e.epoch != epoch {
		return
	}
	e.asking = false
	now := l.now()
	switch {
	case err != nil:
		l.timers.set(workerKey(w), now.Add(leaseQueryPause))
	case gone:
		e.leaseEnd = now
		l.markAllocationsOf(w)
	default:
		l.timers.set(workerKey(w), now.Add(max(left, 100*time.Millisecond)))
	}
}

// lossOf is the loss of the worker that a request may still run on, or nil.
func (l *loop) lossOf(id berth.RequestID) *Loss {
	if len(l.lost) == 0 {
		return nil
	}
	w, a, _ := l.view.allocationOf(id)
	e := l.lost[w]
	if a == nil || e == nil || e.epoch != a.Epoch || !a.State.MayRun() {
		return nil
	}
	loss := &Loss{Since: e.since}
	if grace := l.graceOf(w, a.Epoch); !grace.IsZero() {
		loss.Until = grace.Add(time.Duration(a.KeepMS) * time.Millisecond)
	}
	if b, ok := l.brakeStatus(e.pool); ok && b.Until.After(loss.Until) {
		loss.Until, loss.Braked = b.Until, true
	}
	return loss
}

// graceOf says when what may run on a lost epoch may be moved; zero: not known.
// After a restore it is not known before the hold has passed.
func (l *loop) graceOf(w berth.WorkerID, epoch berth.Epoch) time.Time {
	e := l.lost[w]
	if e == nil || e.epoch != epoch || e.leaseEnd.IsZero() || l.hold.active() {
		return time.Time{}
	}
	return e.leaseEnd.Add(e.grace)
}
