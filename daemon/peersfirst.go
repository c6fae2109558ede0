package daemon

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// Of several daemons each places what it plans, and who ends something knows first what comes free. So before one places something it
// looks what its peers have waiting: what goes before that, and could have the same worker or the same quota, is left a moment in which its own daemon
// hears of it and takes it. All see the same queues, so nothing is written for this. A peer may have its reasons why it does not take what
// is left to it: then others do, and nothing is left to that request for a while.

// How long nothing is left to what has let it lie, and to how many requests of a peer's account something is left beside such.
const (
	vainFor  = 10 * time.Second
	mostVain = 3
)

// How many classes of a peer are looked at for one placement, of how many other tenants; and how many requests of a class for a quota.
const (
	peerLooks = 16
	peerLines = 64
	peerNeeds = 64
)

// leftTo is a peer's pool to which something is left of a tenant.
type leftTo struct {
	daemon berth.DaemonID
	pool   berth.PoolID
}

// precedence is what something is left to.
type precedence struct {
	to           berth.RequestID
	what         left
	since, began time.Time                     // this is left to it, and anything
	last         time.Time                     // it was asked for
	vain         map[berth.RequestID]time.Time // what has let it lie, and until when nothing is left to that
}

// left is what is left: a worker, or quota since something of its tenant got some last.
type left struct {
	on     berth.WorkerID
	served uint64
}

// leaveFor is how long something is left to a peer, as long as it is not asked whether that lives; and leaveMost, one thing after the other
// which others take.
func (l *loop) leaveFor() time.Duration  { return l.patience() / 2 }
func (l *loop) leaveMost() time.Duration { return 5 * l.patience() }

// leaves says whether something is left to what a peer has waiting.
func (l *loop) leaves(p *peer, of account, to berth.RequestID, what left, now time.Time) bool {
	k, most := leftTo{p.id, of.pool}, l.leaveFor()
	s := l.left[of.tenant][k]
	if s == nil {
		if s = (&precedence{vain: make(map[berth.RequestID]time.Time)}); l.left[of.tenant] == nil {
			l.left[of.tenant] = make(map[leftTo]*precedence)
		}
		l.left[of.tenant][k] = s
	}
	if _, vain := s.vain[to]; vain || len(s.vain) >= mostVain {
		return false
	}
	switch {
	case s.to != to && p.queue.of[s.to] == nil || now.Sub(s.last) > 2*most:
		s.to, s.what, s.since, s.began = to, what, now, now
	case s.what != what: // the other was taken
		s.what, s.since = what, now
	}
	s.last = now
	ends := sooner(s.since.Add(most), s.began.Add(l.leaveMost()))
	if !now.Before(ends) {
		s.vain[s.to] = now.Add(vainFor)
		p.queue.judged(s.to, l.view.revision, l.whyNot(p.id)) // where no worker takes it, it is nothing before one could
		s.to = ""
		return false
	}
	l.timers.set(tenantKey(of.tenant), ends)
	return true
}

// unleave forgets what has let something lie long ago, and has what of a tenant has left something to peers tried again.
func (l *loop) unleave(t berth.TenantID, now time.Time) {
	all := l.left[t]
	if all == nil {
		return
	}
	for k, s := range all { // in which order decides nothing
		maps.DeleteFunc(s.vain, func(_ berth.RequestID, until time.Time) bool { return !now.Before(until) })
		if p := l.peers.byID[k.daemon]; p == nil || len(s.vain) == 0 && p.queue.of[s.to] == nil {
			delete(all, k)
		}
		for _, until := range s.vain {
			l.timers.set(tenantKey(t), until)
		}
	}
	if len(all) == 0 {
		delete(l.left, t)
	}
	l.queue.release(t)
}

// seeTaken has what has left something to a peer's request tried again, when that waits no more.
func (l *loop) seeTaken(p *peer, of account) {
	if l.left[of.tenant][leftTo{p.id, of.pool}] != nil {
		l.due.add(tenantKey(of.tenant))
	}
}

// leavesWorker is the tenant for whose request a peer is left the worker that a request would have: it is of the same tenant with a higher
// priority, or its tenant's turn comes before. The fleet has reserved there what the request would get; not ok: it gets that.
func (l *loop) leavesWorker(w *waiting, on berth.WorkerID, b *builder) (to berth.TenantID, ok bool) {
	for _, p := range l.peers.sorted {
		if p.silent {
			continue
		}
		of, first, found := l.firstFor(p, w, on, b)
		if found && l.leaves(p, of, first, left{on: on}, b.now) {
			l.due.add(workerKey(on)) // what the fleet has reserved there is given up
			return of.tenant, true
		}
	}
	return "", false
}

// firstFor is what a peer has waiting that goes before a request and could have its worker.
func (l *loop) firstFor(p *peer, w *waiting, on berth.WorkerID, b *builder) (of account, first berth.RequestID, ok bool) {
	own, q := accountOf(w.request), p.queue
	q.give()
	looks, put := peerLooks, func() {}
	defer func() { put() }()
	takes := func(g *line, before func(*waiting) bool) bool {
		for classes := g.open.walk(); looks > 0; looks-- {
			c, more := classes.step()
			if !more || !before(c.members[0]) {
				return false
			}
			if looks == peerLooks {
				put = l.unreserved(on, b)
			}
			if one := c.members[0]; l.fits(one, on) && l.overQuota(one, p.id) == nil {
				of, first = g.of, one.id
				return true
			}
		}
		return false
	}
	if g := q.lines[own]; g != nil && takes(g, func(o *waiting) bool { return o.priority > w.priority }) {
		return of, first, true
	}
	share := l.turn(own).Share
	lines := q.open.walk()
	for range peerLines {
		g, more := lines.step()
		if !more || g.turn.Share >= share {
			break
		}
		if g.of.pool == own.pool && g.of != own && takes(g, func(*waiting) bool { return true }) {
			return of, first, true
		}
	}
	return of, first, false
}

// unreserved has a worker be without what the fleet has reserved there for what is not in the plan, until put is called.
func (l *loop) unreserved(on berth.WorkerID, b *builder) (put func()) {
	reserved := *l.fleet.Worker(on)
	free := reserved
	if now, _ := l.ledgerNow(on, b); now != nil && now.Epoch == free.Epoch {
		free.Ledger = *now
	}
	l.fleet.Put(free)
	return func() { l.fleet.Put(reserved) }
}

// leftOf is what quota of an account is left for: what peers have waiting, or anybody has in a short backoff, and that goes before all that waits
// here, as far as there is enough for it of what nobody uses; nil: nothing is.
func (l *loop) leftOf(s *balance, b *builder) *gathering {
	of := s.account
	if b == nil || len(l.peers.byID)+len(l.quotas.returns[of]) == 0 || s.state.limits == nil {
		return nil
	}
	ahead := l.aheadOf(of, b.now)
	if len(ahead) == 0 {
		return nil
	}
	rest := make(berth.Amounts, len(s.state.dimensions))
	for _, d := range s.state.dimensions {
		rest[d] = s.left(d) + s.idle(d) + max(s.block.Block[d]-s.block.Used[d], 0)
	}
	var g *gathering
	for _, c := range ahead {
		need := make(berth.Amounts, len(rest))
		for d := range rest {
			if v := leastOf(c.w.request, d); v > 0 {
				need[d] = v
			}
		}
		if !l.fitsEver(c.w.request, 0, nil) || !bounding(func(d berth.Dimension) int64 { return rest[d] }).holds(need, s) {
			continue
		}
		if g == nil {
			if c.peer != nil && !l.leaves(c.peer, of, c.w.id, left{served: l.turn(of).Served}, b.now) {
				continue
			}
			has := b.blockNow(blockRef{of.tenant, c.by}).Pools[of.pool]
			g = &gathering{
				Gathering: berth.Gathering{Request: c.w.id, Priority: c.w.priority, Age: c.w.seq, Need: make(berth.Amounts, len(need))},
				by:        c.by,
				holds:     func(d berth.Dimension) int64 { return max(has.Block[d]-has.Used[d], 0) },
			}
			if c.peer != nil { // what is equal goes first here
				g.Age = math.MaxInt64
			}
		}
		addTo(g.Need, need)
		for d, v := range need {
			rest[d] -= v
		}
	}
	return g
}

// urgent is a request that waits with a daemon: a peer, or in its backoff, with anybody.
type urgent struct {
	w    *waiting
	by   berth.DaemonID
	peer *peer
}

// mostUrgent is the first of what waits of an account for its quota, or may be placed; nil: nothing does.
func (q *queue) mostUrgent(of account) (first *waiting) {
	if g := q.lines[of]; g != nil && len(g.open) > 0 {
		first = g.open[0].members[0]
	}
	if c := q.firstOver(of, anything(), func(*waiting) bool { return true }); c != nil && (first == nil || c.members[0].before(first)) {
		first = c.members[0]
	}
	return first
}

// aheadOf are those of an account that wait so with peers and have a higher priority than what waits here, and those in a short backoff that go
// before that, in their order.
func (l *loop) aheadOf(of account, now time.Time) (out []urgent) {
	own, priority := l.queue.mostUrgent(of), int32(-1)
	if own != nil {
		priority = own.priority
	}
	for _, r := range l.returningOf(of, now) {
		if own == nil || r.before(own) {
			out = append(out, urgent{w: r.waiting, by: r.by})
		}
	}
	for _, p := range l.peers.sorted {
		if first := p.queue.mostUrgent(of); p.silent || first == nil || first.priority <= priority {
			continue
		}
		take := func(c *class) {
			members := c.members.walk()
			for range peerNeeds {
				w, more := members.step()
				if !more || w.priority <= priority {
					return
				}
				out = append(out, urgent{w, p.id, p})
			}
		}
		for _, c := range p.queue.lines[of].open {
			take(c)
		}
		for _, c := range p.queue.over.all(of, anything()) {
			take(c)
		}
	}
	slices.SortFunc(out, func(a, b urgent) int { return order(a.w.before(b.w)) - order(b.w.before(a.w)) })
	return out
}
