package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Where not all fits, tenants take turns by what they hold: each daemon counts that of its
// own view, with what its plans place and end that are being made or in flight. So one
// daemon's turns are exact; another's placements it knows when the watch has told, and
// what waits with another is planned by that one.

// fairness is who holds how much.
type fairness struct {
	shares  *scheduler.Shares
	seats   map[berth.WorkerID]seatOf // what each worker adds to its pool
	flying  map[account]int           // placements of plans that have no answer
	resized map[berth.PoolID]struct{} // since their lines got their places
}

type seatOf struct {
	pool berth.PoolID
	bulk scheduler.Bulk
}

// charge is what a plan adds to what a tenant holds, or takes off.
type charge struct {
	of   account
	bulk scheduler.Bulk
	by   int64
}

func newFairness() fairness {
	return fairness{
		shares: scheduler.NewShares(), seats: make(map[berth.WorkerID]seatOf),
		flying: make(map[account]int), resized: make(map[berth.PoolID]struct{}),
	}
}

func (l *loop) turn(of account) scheduler.Turn { return l.fair.shares.Turn(of.tenant, of.pool) }

// turned gives the lines of an account their places, with whomever it waits.
func (l *loop) turned(of account) {
	l.queue.turned(of)
	for _, p := range l.peers.sorted {
		p.queue.turned(of)
	}
}

// turnedAll does so with all lines that it is true of.
func (l *loop) turnedAll(of func(account) bool) {
	for _, q := range l.queues() {
		for a := range q.lines { // in which order decides nothing
			if of(a) {
				q.turned(a)
			}
		}
	}
}

// heldBy follows what tenants hold, as the view tells of allocations that come and go.
func (l *loop) heldBy(was, is occupancy) {
	if was.terms == is.terms && was.pool == is.pool {
		return
	}
	if was.terms != nil {
		l.fair.shares.Hold(was.terms.tenant, was.pool, scheduler.BulkOf(&was.terms.share), -1)
		l.turned(account{was.terms.tenant, was.pool})
	}
	if is.terms != nil {
		of := account{is.terms.tenant, is.pool}
		l.fair.shares.Hold(of.tenant, of.pool, scheduler.BulkOf(&is.terms.share), 1)
		switch {
		case was.terms != nil: // it is where it was
		case !l.loaded:
			l.fair.shares.ServedAt(of.tenant, of.pool, int64(is.placed))
		case l.fair.flying[of] == 0: // by another daemon
			l.fair.shares.Serve(of.tenant, of.pool, int64(is.placed))
		}
		l.turned(of)
	}
}

// seatCounts notes what a worker adds to its pool; a nil capacity: nothing any more.
func (l *loop) seatCounts(w berth.WorkerID, pool berth.PoolID, capacity *berth.Capacity) {
	was, known := l.fair.seats[w]
	var is seatOf
	if capacity != nil {
		is = seatOf{pool, scheduler.BulkOfCapacity(capacity)}
	}
	if was == is {
		return
	}
	if known {
		l.fair.shares.Resize(was.pool, was.bulk, -1)
		l.fair.resized[was.pool] = struct{}{}
		delete(l.fair.seats, w)
	}
	if capacity != nil {
		l.fair.shares.Resize(pool, is.bulk, 1)
		l.fair.resized[pool] = struct{}{}
		l.fair.seats[w] = is
	}
}

// takeTurns gives their places to the lines of pools that have another size: all turns may
// have changed. It does so once for all workers that came and went.
func (l *loop) takeTurns() {
	if len(l.fair.resized) == 0 {
		return
	}
	l.turnedAll(func(of account) bool {
		_, resized := l.fair.resized[of.pool]
		return resized
	})
	for _, p := range slices.Sorted(maps.Keys(l.fair.resized)) {
		l.retype(p)
	}
	clear(l.fair.resized)
}

// weigh follows the weight of a tenant.
func (l *loop) weigh(t berth.TenantID, weight int64) {
	if l.fair.shares.Weight(t) == max(weight, berth.DefaultTenantWeight) {
		return
	}
	l.fair.shares.SetWeight(t, weight)
	l.turnedAll(func(of account) bool { return of.tenant == t })
}

// hold counts what a plan places, 1, or ends, -1, until that has its answer.
func (b *builder) hold(of account, s *berth.Share, by int64) {
	c := charge{of, scheduler.BulkOf(s), by}
	b.charges = append(b.charges, c)
	b.l.fair.shares.Hold(of.tenant, of.pool, c.bulk, by)
	if by > 0 {
		b.l.fair.shares.Serve(of.tenant, of.pool, b.now.UnixNano())
		b.l.fair.flying[of]++
	}
	b.l.turned(of)
}

// unhold takes that off: if the plan applied, the view has it now.
func (b *builder) unhold() {
	f := &b.l.fair
	for _, c := range b.charges {
		f.shares.Hold(c.of.tenant, c.of.pool, c.bulk, -c.by)
		if c.by > 0 {
			if f.flying[c.of]--; f.flying[c.of] == 0 {
				delete(f.flying, c.of)
			}
		}
	}
	for _, c := range b.charges {
		b.l.turned(c.of)
	}
	b.charges = nil
}

// TurnStatus is how a tenant stands among those that wait in a pool.
type TurnStatus struct {
	Weight  int64
	Share   float64          // of the pool, of what it holds most of
	Of      berth.ReasonCode // that; "": it holds nothing
	Tenants int              // others that wait, and whose turn comes before: where one is explained
	Ahead   int              // requests of these

	Own         int             // of its own tenant, with a higher priority: where one is explained
	OwnFirst    berth.RequestID // the first of these, or the group
	OwnPriority int32           // and its priority

	Older      int             // of its own tenant, with the same priority, that came before, up to OlderCounted
	OlderFirst berth.RequestID // the first of these, or the group
}

func (l *loop) turnStatus(of account) TurnStatus {
	s := TurnStatus{Weight: l.fair.shares.Weight(of.tenant)}
	s.Share, s.Of = l.fair.shares.Dominant(of.tenant, of.pool)
	return s
}

// waitingAll counts what waits of each account, with whichever daemon.
func (l *loop) waitingAll() map[account]int {
	l.queueAllFresh()
	out := make(map[account]int)
	for _, q := range l.queues() {
		for of, g := range q.lines {
			out[of] += g.count
		}
	}
	for _, gs := range l.allGangs() {
		for _, g := range gs.of {
			out[account{g.request.Tenant, g.pool}] += int(g.size)
		}
	}
	return out
}

// accounts are those that have a record, hold something, or wait, in order.
func (l *loop) accounts(waiting map[account]int) []account {
	all := make(map[account]struct{})
	for of := range waiting {
		all[of] = struct{}{}
	}
	for k := range l.view.whole[berth.KindTenant] {
		t := berth.TenantID(k.ID)
		rec, mod := l.view.tenant(t)
		for p := range rec.Pools {
			all[account{t, p}] = struct{}{}
		}
		if mod > 0 && len(rec.Pools) == 0 {
			all[account{t, berth.DefaultPool}] = struct{}{}
		}
	}
	pools := make(map[berth.PoolID]struct{})
	for _, s := range l.fair.seats {
		pools[s.pool] = struct{}{}
	}
	for p := range pools {
		l.fair.shares.Tenants(p, func(t berth.TenantID) {
			if share, _ := l.fair.shares.Dominant(t, p); share > 0 {
				all[account{t, p}] = struct{}{}
			}
		})
	}
	return slices.SortedFunc(maps.Keys(all), account.compare)
}
