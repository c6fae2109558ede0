package daemon

import (
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

// leftTo is a request to which something is left: a peer's a worker, or quota; or quota this daemon's own, where others have some that it needs. Quota is left to
// groups, too (whole), which may be named as a request is.
type leftTo struct {
	daemon berth.DaemonID
	pool   berth.PoolID
	id     berth.RequestID
	quota  bool
	whole  bool
}

// precedence is what is left to a request.
type precedence struct {
	what         left
	since, began time.Time // this is left to it, and anything
	last, ends   time.Time // it was asked for; and it is left no longer
	vain         time.Time // until then nothing is left to it, for it has let something lie
	next         time.Duration
}

// left is what is left: a worker as of a revision of its ledger, for what was taken and comes free again is left anew; or quota since something of its tenant
// got some last.
type left struct {
	on     berth.WorkerID
	was    berth.Revision
	served int64
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

// queueOf is what waits with a daemon: a peer, or this one; nil: it is gone.
func (l *loop) queueOf(d berth.DaemonID) *queue {
	if d == l.d.opts.ID {
		return l.queue
	}
	if p := l.peers.byID[d]; p != nil {
		return p.queue
	}
	return nil
}

// waitsYet says whether something is there yet to which something is left.
func (l *loop) waitsYet(k leftTo) bool {
	if k.whole {
		return l.gangsOf(k.daemon).of[berth.GroupID(k.id)] != nil
	}
	return l.queueOf(k.daemon).of[k.id] != nil
}

// gangsOf are the groups that wait with a daemon that is there.
func (l *loop) gangsOf(d berth.DaemonID) *gangs {
	if d == l.d.opts.ID {
		return l.gangs
	}
	return l.peers.byID[d].gangs
}

// leaves says whether something of a tenant's is left to what waits with a daemon: a peer, or this one, where that needs what others hold, too.
func (l *loop) leaves(k leftTo, t berth.TenantID, what left, now time.Time) bool {
	all, most := l.left[t], l.leaveFor()
	if all == nil {
		all = &leftOfTenant{to: make(map[leftTo]*precedence)}
		l.left[t] = all
	}
	s := all.to[k]
	switch {
	case s == nil:
		if len(all.to) >= mostLeft || all.vainOf(k.daemon, now) >= mostVain {
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
		if s.since = now; !l.stillLies(k.daemon, k.id, s.what) { // others have it
			s.began = now
		}
		s.what = what
	}
	s.last, s.ends = now, sooner(s.since.Add(most), s.began.Add(l.leaveMost()))
	if !now.Before(s.ends) {
		s.next = min(max(2*s.next, vainFor), vainLong)
		s.vain = now.Add(s.next)
		l.timers.set(tenantKey(t), s.vain)
		if p := l.peers.byID[k.daemon]; p != nil { // where no worker takes it, it is nothing before one could
			l.judgeLeft(p, k, now)
		}
		return false
	}
	all.until = sooner(all.until, s.ends)
	l.timers.set(tenantKey(t), s.ends)
	return true
}

// judgeLeft judges what a peer has let lie.
func (l *loop) judgeLeft(p *peer, k leftTo, now time.Time) {
	if !k.whole {
		p.queue.judged(k.id, l.view.revision, l.whyNot(p.id))
		return
	}
	if g := p.gangs.of[berth.GroupID(k.id)]; g != nil && g.open() {
		if v := l.whyNotGroup(g.id); v != nil {
			p.gangs.block(g, v, now)
		}
	}
}

// stillLies says whether a worker that was left to a request would take that yet. Of quota nobody knows.
func (l *loop) stillLies(by berth.DaemonID, to berth.RequestID, what left) bool {
	c := l.queueOf(by).of[to]
	return what.on == "" || slices.Contains(l.leftOn[what.on], to) || c != nil && l.fits(c.ids[to], what.on)
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
		if q := l.queueOf(k.daemon); q == nil || !now.Before(s.vain) && !l.waitsYet(k) {
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

// seeTaken has what has left something to a peer's request tried again, when that waits no more. Where the tenant has a limit the others of it may not have
// the quota any more for what is left to them.
func (l *loop) seeTaken(p *peer, of account, id berth.RequestID, whole bool) {
	all := l.left[of.tenant]
	if all == nil {
		return
	}
	on, quota := all.to[leftTo{p.id, of.pool, id, false, whole}], all.to[leftTo{p.id, of.pool, id, true, whole}]
	if on == nil && quota == nil {
		return
	}
	all.taken = true
	l.due.add(tenantKey(of.tenant))
	if l.quotas.of[of] == nil {
		if on != nil {
			l.due.add(workerKey(on.what.on))
		}
		return
	}
	for k, s := range all.to { // in which order decides nothing
		if !k.quota {
			l.due.add(workerKey(s.what.on))
		}
	}
}

// leavesWorker says whether a peer is left the worker that the fleet has chosen for a request: for one of the same tenant with a higher priority, or of a
// tenant whose turn comes before. Then the fleet has reserved there what that needs, until the worker is looked at again or its time is over, and the
// request is to be decided anew: there may be more than one that is free, and each of those that go first takes one alone.
func (l *loop) leavesWorker(w *waiting, d *scheduler.Decision, b *builder) bool {
	reserved := *l.fleet.Worker(d.Worker)
	free := reserved
	ledger, err := reserved.Ledger.Release(d.Share)
	if err != nil {
		return false
	}
	free.Ledger = ledger
	bare := false
	for _, p := range l.peers.sorted {
		if p.silent || !l.anyFirst(p, w) {
			continue
		}
		if !bare {
			bare = true
			l.fleet.Put(free)
		}
		until, ok := l.leavesTo(p, w, d.Worker, b)
		if !ok {
			until, ok = l.leavesToGroup(p, w, d.Worker, b)
		}
		if ok {
			w.yields = until
			return true
		}
	}
	if bare {
		l.fleet.Put(reserved)
	}
	return false
}

// yields is how long something is left that a request could have had, and to whose.
type yields struct {
	until time.Time
	to    berth.TenantID
}

// leavesTo has a peer's request have a worker in the fleet that goes before one.
func (l *loop) leavesTo(p *peer, w *waiting, on berth.WorkerID, b *builder) (until yields, ok bool) {
	of, first := l.firstFor(p, w, on, b.now)
	if first == nil {
		return until, false
	}
	_, was := l.view.ledger(on)
	to := leftTo{daemon: p.id, pool: of.pool, id: first.id}
	if !l.leaves(to, of.tenant, left{on: on, was: was}, b.now) {
		return until, false
	}
	if _, ok := l.fleet.PlaceOn(first.candidate(), on); !ok {
		return until, false
	}
	return yields{l.reservedFor(to, of.tenant, on, b), of.tenant}, true
}

// reservedFor notes that the fleet has reserved something on a worker for what that is left to, and says until when.
func (l *loop) reservedFor(to leftTo, t berth.TenantID, on berth.WorkerID, b *builder) time.Time {
	s := l.left[t].to[to]
	l.leftOn[on] = append(l.leftOn[on], to.id)
	l.timers.set(workerKey(on), s.ends)
	l.noteLeft(on, b)
	return s.ends
}

// leavesToGroup has a peer's group of the same tenant, with a higher priority, have its places in the fleet, where a worker is one of them.
func (l *loop) leavesToGroup(p *peer, w *waiting, on berth.WorkerID, b *builder) (until yields, ok bool) {
	of := accountOf(w.request)
	for range peerLooks {
		g := p.gangs.firstAsking(of, func(c *gangClass) bool {
			return c.toTry(b.now) && c.members[0].priority > w.priority && !l.letsLie(p, c.members[0], b.now)
		})
		if g == nil {
			break
		}
		d, v := l.placesOf(g)
		switch {
		case v != nil:
			p.gangs.block(g, v, b.now)
			continue
		case !slices.ContainsFunc(d.Placed, func(one scheduler.Decision) bool { return one.Worker == on }): // it needs another
			l.fleet.Undo(d)
			return until, false
		}
		_, was := l.view.ledger(on)
		to := leftTo{daemon: p.id, pool: of.pool, id: berth.RequestID(g.id), whole: true}
		if !l.leaves(to, of.tenant, left{on: on, was: was}, b.now) {
			l.fleet.Undo(d)
			return until, false
		}
		for _, one := range d.Placed {
			if !slices.Contains(l.leftOn[one.Worker], to.id) {
				until = yields{l.reservedFor(to, of.tenant, one.Worker, b), of.tenant}
			}
		}
		return until, true
	}
	return until, false
}

// letsLie says whether a peer's group has let lie what was left to it, and is left nothing yet.
func (l *loop) letsLie(p *peer, g *gang, now time.Time) bool {
	all := l.left[g.request.Tenant]
	if all == nil {
		return false
	}
	s := all.to[leftTo{daemon: p.id, pool: g.pool, id: berth.RequestID(g.id), whole: true}]
	return s != nil && now.Before(s.vain)
}

// placesOf are the places that a peer's group would have now, if any, and that are reserved for it then; or why there are none.
func (l *loop) placesOf(g *gang) (d scheduler.GangDecision, v *berth.Verdict) {
	if v := l.whyNotGroup(g.id); v != nil {
		return d, v
	}
	rec, _ := l.view.group(g.id)
	members, _, ok := l.readyMembers(g.id, l.now())
	if rec == nil || !ok {
		return d, nil // it is being changed
	}
	as := l.withinQuota(g.id, members)
	ask := l.gangOf(g.id, rec, as.members)
	ask.Left = kindsOf(as.left)
	if d = l.fleet.PlaceGang(ask); d.Verdict != nil {
		l.fleet.Undo(d)
	}
	return d, d.Verdict
}

// gangLeaves says so of a group that would have places, of any of its workers: then it has none of its places any more. One that holds workers goes on.
func (l *loop) gangLeaves(g *gang, d scheduler.GangDecision, b *builder) bool {
	w := &waiting{request: g.request, priority: g.priority}
	if l.holds.of[g.id] != nil || !slices.ContainsFunc(l.peers.sorted, func(p *peer) bool { return !p.silent && l.anyFirst(p, w) }) {
		return false
	}
	var on []berth.WorkerID
	for i := range d.Placed {
		on = append(on, d.Placed[i].Worker)
	}
	slices.Sort(on)
	on = slices.Compact(on)
	reserved := make([]scheduler.Worker, len(on))
	for i := range on {
		reserved[i] = *l.fleet.Worker(on[i])
	}
	l.fleet.Undo(d)
	for _, p := range l.peers.sorted {
		if p.silent || !l.anyFirst(p, w) {
			continue
		}
		for _, at := range on {
			if _, ok := l.leavesTo(p, w, at, b); ok {
				return true
			}
			if _, ok := l.leavesToGroup(p, w, at, b); ok {
				return true
			}
		}
	}
	for i := range reserved {
		l.fleet.Put(reserved[i])
	}
	return false
}

// anyFirst says whether a peer has anything waiting that goes before a request.
func (l *loop) anyFirst(p *peer, w *waiting) bool {
	q := p.queue
	q.give()
	own := accountOf(w.request)
	g := q.lines[own]
	if g == nil || !g.hasOne(higher(w)) {
		for c := range p.gangs.asks[own] { // in which order decides nothing
			if c.open() && c.members[0].priority > w.priority {
				return true
			}
		}
	}
	return g != nil && g.hasOne(higher(w)) || len(q.open) > 0 && q.open[0].turn.Share < l.turn(own).Share
}

// higher are the classes of a higher priority.
func higher(w *waiting) func(*class) bool {
	return func(c *class) bool { return c.members[0].priority > w.priority }
}

// firstFor is what a peer has waiting that goes before a request and could have its worker, and has none yet.
func (l *loop) firstFor(p *peer, w *waiting, on berth.WorkerID, now time.Time) (of account, first *waiting) {
	own, q := accountOf(w.request), p.queue
	share := l.turn(own).Share
	takes := func(c *class, before func(*waiting) bool) bool {
		if !l.fits(c.members[0], on) || l.overQuota(c.members[0], p.id) != nil {
			return false
		}
		next := l.unserved(p, c, on, now)
		if next == nil || !before(next) || !l.hasQuotaBeside(next, w, p.id, now) {
			return false
		}
		first = next
		return true
	}
	if g := q.lines[own]; g != nil && g.hasOne(higher(w)) {
		if c := l.firstOf(g, on, higher(w), func(c *class) bool { return takes(c, func(o *waiting) bool { return o.priority > w.priority }) }); c != nil {
			return own, l.unserved(p, c, on, now)
		}
	}
	looks, lines := peerLooks, q.open.walk()
	for range peerLines {
		g, more := lines.step()
		if !more || g.turn.Share >= share {
			break
		}
		if g.of.pool != own.pool || g.of == own || l.hasLeft(g.of, now) { // with that it holds more, and its turn may be over
			continue
		}
		for classes := g.open.walk(); looks > 0; looks-- {
			c, more := classes.step()
			if !more {
				break
			}
			if takes(c, func(*waiting) bool { return true }) {
				return g.of, first
			}
		}
	}
	return of, nil
}

// hasLeft says whether something of an account has a worker left at the time.
func (l *loop) hasLeft(of account, now time.Time) bool {
	all := l.left[of.tenant]
	if all == nil {
		return false
	}
	for k, s := range all.to { // in which order decides nothing
		if k.pool == of.pool && l.isLeft(k, s, now) {
			return true
		}
	}
	return false
}

// isLeft says whether the fleet has reserved a worker for a request at the time.
func (l *loop) isLeft(k leftTo, s *precedence, now time.Time) bool {
	return !k.quota && now.Before(s.ends) && slices.Contains(l.leftOn[s.what.on], k.id)
}

// unserved is the first of a peer's class to which no other worker is left at the time; nil: of the first ones each has one.
func (l *loop) unserved(p *peer, c *class, on berth.WorkerID, now time.Time) *waiting {
	all := l.left[c.line.of.tenant]
	if all == nil {
		return c.members[0]
	}
	members := c.members.walk()
	for range peerNeeds {
		w, more := members.step()
		if !more {
			break
		}
		s := all.to[leftTo{daemon: p.id, pool: c.line.of.pool, id: w.id}]
		if s == nil || !now.Before(s.ends) || !l.stillLies(p.id, w.id, s.what) || s.what.on == on && !slices.Contains(l.leftOn[on], w.id) {
			return w
		}
	}
	return nil
}

// hasQuotaBeside says whether a tenant's quota has enough for what a peer has waiting beside one, and beside all of it that have workers left.
func (l *loop) hasQuotaBeside(r, w *waiting, by berth.DaemonID, now time.Time) bool {
	st, of := l.limited(r.request), accountOf(r.request)
	if st == nil {
		return true
	}
	s := l.balanceBy(of, st, by)
	beside := make([]*berth.Request, 0, 1)
	if accountOf(w.request) == of {
		beside = append(beside, w.request)
	}
	if all := l.left[of.tenant]; all != nil {
		for k, o := range all.to { // in which order decides nothing
			p := l.peers.byID[k.daemon]
			if k.pool != of.pool || k.id == r.id || p == nil || !l.isLeft(k, o, now) {
				continue
			}
			if g := p.gangs.of[berth.GroupID(k.id)]; k.whole && g != nil {
				beside = append(beside, slices.Repeat([]*berth.Request{g.request}, int(g.need))...)
			}
			if c := p.queue.of[k.id]; c != nil {
				beside = append(beside, c.ids[k.id].request)
			}
		}
	}
	for _, d := range st.dimensions {
		need := leastOf(r.request, d)
		if need == 0 {
			continue
		}
		for _, o := range beside {
			need += leastOf(o, d)
		}
		if need > s.left(d)+s.idle(d)+max(s.block.Block[d]-s.block.Used[d], 0) {
			return false
		}
	}
	return true
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
