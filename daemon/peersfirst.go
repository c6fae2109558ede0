package daemon

import (
	"math"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Of several daemons each places what it plans, and who ends something knows first what comes free. So before one places something it
// looks what its peers have waiting: what goes before that, and could have the same worker or the same quota, is left a moment in which its own daemon
// hears of it and takes it. All see the same queues, so nothing is written for this. A peer may have its reasons why it does not take what
// is left to it: then others do, and nothing is left to that request for a while.

// How long nothing is left to what has let it lie, at first and at most; to how many requests of a peer's something is left beside such; and of how many of a tenant that is known.
const (
	vainFor  = 200 * time.Millisecond
	vainLong = time.Minute
	mostVain = 8
	mostLeft = 256
)

// How many open classes of a peer are looked at for one placement, of how many other tenants; and how many requests of a class for a quota.
const (
	peerLooks = 16
	peerLines = 64
	peerNeeds = 64
)

// leftTo is a peer's request to which something is left.
type leftTo struct {
	daemon berth.DaemonID
	pool   berth.PoolID
	id     berth.RequestID
}

// precedence is what is left to a request.
type precedence struct {
	what         left
	since, began time.Time // this is left to it, and anything
	last         time.Time // it was asked for
	vain         time.Time // until then nothing is left to it, for it has let something lie
	next         time.Duration
}

// left is what is left: a worker as of a revision of its ledger, for what was taken and comes free again is left anew; or quota since something of its tenant
// got some last.
type left struct {
	on     berth.WorkerID
	was    berth.Revision
	served uint64
}

// leftOfTenant is what is left to requests of a tenant.
type leftOfTenant struct {
	to    map[leftTo]*precedence
	until time.Time // then what has left something to them is tried again; zero: nothing has
	taken bool      // one of them waits no more: it is tried at once
}

// leaveFor is how long something is left to a peer, as long as it is not asked whether that lives; and leaveMost, one thing after the other
// which others take.
func (l *loop) leaveFor() time.Duration  { return l.patience() / 2 }
func (l *loop) leaveMost() time.Duration { return 5 * l.patience() }

// leaves says whether something is left to what a peer has waiting.
func (l *loop) leaves(p *peer, of account, to berth.RequestID, what left, now time.Time) bool {
	all, k, most := l.left[of.tenant], leftTo{p.id, of.pool, to}, l.leaveFor()
	if all == nil {
		all = &leftOfTenant{to: make(map[leftTo]*precedence)}
		l.left[of.tenant] = all
	}
	s := all.to[k]
	switch {
	case s == nil:
		if len(all.to) >= mostLeft || all.vainOf(p.id, now) >= mostVain {
			return false
		}
		s = &precedence{}
		all.to[k] = s
	case now.Before(s.vain):
		return false
	}
	switch {
	case now.Sub(s.last) > 2*most:
		s.what, s.since, s.began = what, now, now
	case s.what != what:
		if s.since = now; !l.stillLies(p, to, s.what) { // others have it
			s.began = now
		}
		s.what = what
	}
	s.last = now
	ends := sooner(s.since.Add(most), s.began.Add(l.leaveMost()))
	if !now.Before(ends) {
		s.next = min(max(2*s.next, vainFor), vainLong)
		s.vain = now.Add(s.next)
		l.timers.set(tenantKey(of.tenant), s.vain)
		p.queue.judged(to, l.view.revision, l.whyNot(p.id)) // where no worker takes it, it is nothing before one could
		return false
	}
	all.until = sooner(all.until, ends)
	l.timers.set(tenantKey(of.tenant), ends)
	return true
}

// stillLies says whether a worker that was left to a peer's request would take that yet. Of quota nobody knows.
func (l *loop) stillLies(p *peer, to berth.RequestID, what left) bool {
	c := p.queue.of[to]
	return what.on == "" || c != nil && l.fits(c.ids[to], what.on)
}

// vainOf is how many requests of a peer's have let something lie.
func (t *leftOfTenant) vainOf(p berth.DaemonID, now time.Time) (n int) {
	for k, s := range t.to { // in which order decides nothing
		if k.daemon == p && now.Before(s.vain) {
			n++
		}
	}
	return n
}

// unleave has what has left something to a tenant's requests tried again when their time is over, or one of them waits no more. Not before: else it would be
// tried, and leave that again, for as long as something has the tenant looked at.
func (l *loop) unleave(t berth.TenantID, now time.Time) {
	all := l.left[t]
	if all == nil {
		return
	}
	for k, s := range all.to { // in which order decides nothing
		if p := l.peers.byID[k.daemon]; p == nil || !now.Before(s.vain) && p.queue.of[k.id] == nil {
			delete(all.to, k)
		}
	}
	switch {
	case all.taken || !all.until.IsZero() && !now.Before(all.until):
		all.taken, all.until = false, time.Time{}
		l.queue.release(t)
	case !all.until.IsZero():
		l.timers.set(tenantKey(t), all.until)
	}
	if len(all.to) == 0 && all.until.IsZero() {
		delete(l.left, t)
	}
}

// seeTaken has what has left something to a peer's request tried again, when that waits no more.
func (l *loop) seeTaken(p *peer, of account, id berth.RequestID) {
	if all := l.left[of.tenant]; all != nil && all.to[leftTo{p.id, of.pool, id}] != nil {
		all.taken = true
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
		if _, was := l.view.ledger(on); found && l.leaves(p, of, first, left{on: on, was: was}, b.now) {
			l.due.add(workerKey(on)) // what the fleet has reserved there is given up
			return of.tenant, true
		}
	}
	return "", false
}

// gangLeaves says so of a group that would have places, of any of its workers. One that holds workers goes on.
func (l *loop) gangLeaves(g *gang, d scheduler.GangDecision, b *builder) bool {
	if len(l.peers.byID) == 0 || l.holds.of[g.id] != nil {
		return false
	}
	w, seen := &waiting{request: g.request, priority: g.priority}, make(map[berth.WorkerID]bool, len(d.Placed))
	for i := range d.Placed {
		on := d.Placed[i].Worker
		if seen[on] {
			continue
		}
		seen[on] = true
		if _, leaves := l.leavesWorker(w, on, b); leaves {
			return true
		}
	}
	return false
}

// firstFor is what a peer has waiting that goes before a request and could have its worker.
func (l *loop) firstFor(p *peer, w *waiting, on berth.WorkerID, b *builder) (of account, first berth.RequestID, ok bool) {
	own, q := accountOf(w.request), p.queue
	q.give()
	share, g := l.turn(own).Share, q.lines[own]
	higher := func(c *class) bool { return c.members[0].priority > w.priority }
	within, others := g != nil && g.hasOne(higher), len(q.open) > 0 && q.open[0].turn.Share < share
	if !within && !others {
		return of, first, false
	}
	defer l.unreserved(on, b)()
	takes := func(c *class) bool {
		return l.fits(c.members[0], on) && l.overQuota(c.members[0], p.id) == nil
	}
	if within {
		if c := l.firstOf(g, on, higher, takes); c != nil {
			return own, c.members[0].id, true
		}
	}
	looks, lines := peerLooks, q.open.walk()
	for range peerLines {
		g, more := lines.step()
		if !more || g.turn.Share >= share {
			break
		}
		for classes := g.open.walk(); g.of.pool == own.pool && g.of != own && looks > 0; looks-- {
			c, more := classes.step()
			if !more {
				break
			}
			if takes(c) {
				return g.of, c.members[0].id, true
			}
		}
	}
	return of, first, false
}

// hasOne says whether the first of a line's classes, open or blocked, that come first in their places, are of some kind.
func (g *line) hasOne(is func(*class) bool) bool {
	if len(g.open) > 0 && is(g.open[0]) {
		return true
	}
	for _, r := range g.rows { // in which order decides nothing
		n := r.classes.root
		for n.left != nil {
			n = n.left
		}
		if is(n.of) {
			return true
		}
	}
	return false
}

// firstOf is the first class of a line that a worker would take, of those that go before something. Whether the blocked ones are so is not known:
// nobody may have looked since that worker has more.
func (l *loop) firstOf(g *line, on berth.WorkerID, before, takes func(*class) bool) (first *class) {
	classes := g.open.walk()
	for range peerLooks {
		c, more := classes.step()
		if !more || !before(c) {
			break
		}
		if takes(c) {
			first = c
			break
		}
	}
	free, labels, open := l.room(on)
	if !open {
		return first
	}
	for _, r := range g.rows { // in which order decides nothing
		if !r.group.constraints.Allows(labels) {
			continue
		}
		c := firstTaken(r.classes.root, &free, func(c *class) bool { return !before(c) || first != nil && !c.before(first) }, takes)
		if c != nil {
			first = c
		}
	}
	return first
}

// firstTaken is the first class of a branch that needs no more than is free, is not behind a limit, and is taken.
func firstTaken(n *node[*class, asks], free *need, behind, takes func(*class) bool) *class {
	if n == nil || !n.all.within(free) {
		return nil
	}
	if c := firstTaken(n.left, free, behind, takes); c != nil {
		return c
	}
	if behind(n.of) {
		return nil
	}
	if n.own.within(free) && takes(n.of) {
		return n.of
	}
	return firstTaken(n.right, free, behind, takes)
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
// here, as far as there is enough for it, and for these, of what nobody uses; nil: nothing is.
func (l *loop) leftOf(s *balance, b *builder) *gathering {
	of := s.account
	if b == nil || len(l.peers.byID)+len(l.quotas.returns[of]) == 0 || s.state.limits == nil {
		return nil
	}
	if len(l.quotas.returns[of]) == 0 && !slices.ContainsFunc(l.peers.sorted, func(p *peer) bool { return p.queue.lines[of] != nil }) {
		return nil
	}
	rest := make(berth.Amounts, len(s.state.dimensions))
	for _, d := range s.state.dimensions {
		rest[d] = s.left(d) + s.idle(d) + max(s.block.Block[d]-s.block.Used[d], 0)
	}
	within := bounding(func(d berth.Dimension) int64 { return rest[d] })
	needs := func(w *waiting) berth.Amounts {
		need := make(berth.Amounts, len(rest))
		for d := range rest {
			if v := leastOf(w.request, d); v > 0 {
				need[d] = v
			}
		}
		return need
	}
	at, fits := look{within: s.bound(within)}, func(w *waiting) bool { return within.holds(needs(w), s) }
	var g *gathering
	for _, c := range l.aheadOf(of, l.queue.mostUrgent(of, at, fits), at, fits, b.now) {
		need := needs(c.w)
		if !l.fitsEver(c.w.request, 0, nil) || !within.holds(need, s) {
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

// mostUrgent is the first of what waits of an account for its quota, or may be placed, and needs no more than there is; nil: nothing does.
func (q *queue) mostUrgent(of account, at look, fits func(*waiting) bool) (first *waiting) {
	if g := q.lines[of]; g != nil {
		classes := g.open.walk()
		for range peerLooks {
			c, more := classes.step()
			if !more {
				break
			}
			if fits(c.members[0]) {
				first = c.members[0]
				break
			}
		}
	}
	c := q.firstOver(of, at, fits)
	if c != nil && (first == nil || c.members[0].before(first)) {
		first = c.members[0]
	}
	return first
}

// aheadOf are those of an account that wait so with peers and have a higher priority than one that waits here, and those in a short backoff that go
// before it, in their order. Peers may have very many that need more than there is: these are passed over.
func (l *loop) aheadOf(of account, own *waiting, at look, fits func(*waiting) bool, now time.Time) (out []urgent) {
	priority := int32(-1)
	if own != nil {
		priority = own.priority
	}
	for _, r := range l.returningOf(of, now) {
		if own == nil || r.before(own) {
			out = append(out, urgent{w: r.waiting, by: r.by})
		}
	}
	for _, p := range l.peers.sorted {
		g := p.queue.lines[of]
		if p.silent || g == nil {
			continue
		}
		take := func(c *class) {
			if !fits(c.members[0]) { // nor do the others of its shape
				return
			}
			members := c.members.walk()
			for range peerNeeds {
				w, more := members.step()
				if !more || w.priority <= priority {
					return
				}
				out = append(out, urgent{w, p.id, p})
			}
		}
		for _, c := range g.open {
			take(c)
		}
		for _, c := range p.queue.over.all(of, at) {
			take(c)
		}
	}
	slices.SortFunc(out, func(a, b urgent) int { return order(a.w.before(b.w)) - order(b.w.before(a.w)) })
	return out
}
