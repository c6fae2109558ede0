package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// lookTenant wakes what a tenant's quota has room for, and finds whether its blocks are
// to be changed.
func (l *loop) lookTenant(t berth.TenantID, b *builder) {
	k := tenantKey(t)
	l.settle(k)
	if f := l.flights.blocks[blockRef{t, l.d.opts.ID}]; f != nil {
		f.again = append(f.again, k)
		return
	}
	l.unleave(t, b.now)
	if l.held(k, b.now) {
		return
	}
	if _, unknown := l.quotas.unknown[t]; unknown { // nothing of it is placed, and what is known of before wakes nothing
		return
	}
	for _, of := range l.accountsOf(t) {
		l.followGathering(of, b)
		l.wakeOver(of, b)
		l.noteLoans(of)
		if st := l.quotas.of[of]; st != nil && l.loaded {
			l.noteRoomWish(of, st, b.now)
		}
	}
	if l.loaded && l.changesOf(t, b) != nil {
		l.quotas.todo[t] = struct{}{}
	} else if l.loaded { // what is free goes back first
		l.noteReclaims(t, b.now)
	}
}

// wakeDue wakes what waits alone and the quotas of those tenants have room for that are due, before a group has its turn: it may be open for a worker that came
// free with that quota, and what waits for this, and goes first, is not yet. It goes through those that have something waiting so, however much is due.
func (l *loop) wakeDue(b *builder) {
	var due []account
	for of := range l.queue.over.of { // they are put in order
		_, unknown := l.quotas.unknown[of.tenant]
		if l.quotas.of[of] != nil && !unknown && l.due.has(tenantKey(of.tenant)) {
			due = append(due, of)
		}
	}
	slices.SortFunc(due, account.compare)
	for _, of := range due {
		if l.flights.blocks[blockRef{of.tenant, l.d.opts.ID}] != nil || l.held(tenantKey(of.tenant), b.now) {
			continue
		}
		s := l.balance(of, l.quotas.of[of], b)
		l.wakeAllowed(of, &s, true)
	}
}

// accountsOf are the accounts of a tenant that have limits, or of which somebody has a block.
func (l *loop) accountsOf(t berth.TenantID) (out []account) {
	rec, _ := l.view.tenant(t)
	own, _ := l.view.block(blockRef{t, l.d.opts.ID})
	pools := slices.Collect(maps.Keys(rec.Pools))
	pools = slices.AppendSeq(pools, maps.Keys(own.Pools))
	slices.Sort(pools)
	for _, p := range slices.Compact(pools) {
		out = append(out, account{t, p})
	}
	return out
}

// wakeOver opens the first class, and the groups, that the quota has room for now. The
// next class is woken when that one is placed, for then the block has changed; or when it is
// found to fit on no worker, or gone.
func (l *loop) wakeOver(of account, b *builder) {
	if st := l.quotas.of[of]; st != nil {
		s := l.balance(of, st, b)
		l.wakeAllowed(of, &s, false)
		l.wakeBeyond(of, &s)
		l.noteTypesBack(of, &s)
		l.wakeNarrowed(of, &s)
	} else {
		if c := l.queue.firstOver(of, anything(), func(*waiting) bool { return true }); c != nil {
			l.queue.reopen(c)
		}
		for _, g := range l.gangs.over.all(of, anything()) {
			g.wake()
		}
		for c := range l.gangs.narrowed[of] {
			c.wake()
		}
	}
	for _, p := range l.peers.sorted { // they are judged again where somebody asks
		if len(p.queue.over.of[of]) > 0 {
			l.owing(p, func() { p.queue.openOver(of) })
		}
	}
}

// wakeAllowed opens the groups that a balance has room for, and the first class, unless one of those groups comes before it: that
// has the room until it is placed, or found to fit on no worker. Beside what quota is gathered for that keeps its own room. Alone: no groups are opened.
func (l *loop) wakeAllowed(of account, s *balance, alone bool) {
	woken := false
	for _, as := range s.turns() {
		if !alone {
			l.wakeForFewer(of, as)
		}
		if as.turn == itsTurn {
			if !alone || s.gathers.Group == "" {
				woken = l.wakeGathered(as, woken)
			}
			continue
		}
		at := as.placeable()
		if as.turn == goesFirst {
			at.before = s.gathers
		}
		looks := []look{at}
		if first, others := as.firsts(); others {
			looks = []look{first, at}
		}
		var groups []*gangClass
		for _, at := range looks {
			groups = append(groups, slices.DeleteFunc(l.gangs.over.all(of, at), func(c *gangClass) bool { return l.allowsGang(c.members[0], as).verdict != nil })...)
		}
		for _, g := range groups {
			if !g.open() && !alone {
				g.wake()
			}
		}
		for _, at := range looks {
			if woken {
				break
			}
			c := l.queue.firstOver(of, at, func(w *waiting) bool { return l.allowsOne(w, as).verdict == nil })
			if c != nil && (s.gathers != nil || !slices.ContainsFunc(groups, func(g *gangClass) bool { return g.members[0].beforeOne(c.members[0]) })) {
				l.queue.reopen(c)
				woken = true
			}
		}
	}
}

// wakeForFewer opens the groups that wait for room for all of their members, of whose turn there is not enough for that any more,
// should all be taken: there may be for fewer.
func (l *loop) wakeForFewer(of account, s *balance) {
	for _, c := range l.gangs.more.all(of, look{within: anything().within, beyond: s.bound(s.takeable)}) {
		g := c.members[0]
		if a := l.allowsGang(g, s); a.turn == s.turn && !s.alone(g.priority).allFree(a.need) && !c.open() {
			c.wake()
		}
	}
}

// wakeGathered opens what quota is gathered for, where that has come together, and no class is woken yet; it says whether
// one is then.
func (l *loop) wakeGathered(s *balance, woken bool) bool {
	a, waits := l.lacksGathered(s)
	g := l.gangs.of[s.gathers.Group]
	if !waits || a.verdict != nil {
		return woken
	}
	if g != nil {
		if !g.open() {
			g.class.wake()
		}
		return woken
	}
	if !woken {
		l.queue.reopen(l.queue.of[s.gathers.Request])
	}
	return true
}

// leavesQuota looks who else its tenant's quota has room for: what asks for it, and this has room for,
// fits on no worker, or is there no more, and no block changes by that. Nor is what was taken for it kept from what goes before it.
func (l *loop) leavesQuota(r *berth.Request, a asked) {
	if st := l.limited(r); st != nil {
		if st.grantedTo == a {
			st.roomless = true
		}
		l.due.add(tenantKey(r.Tenant))
	}
}

// leavesGathered has a tenant looked at whose quota is gathered here for a request that is there no more.
func (l *loop) leavesGathered(id berth.RequestID, r *berth.Request) {
	rec, _ := l.view.tenant(r.Tenant)
	if rec.Pools[r.Pool].Gathering[l.d.opts.ID].Request == id {
		l.due.add(tenantKey(r.Tenant))
	}
}

// offQueue takes a request off the queue that another daemon has ended, or placed. Where its tenant has a
// quota, this daemon may have no more to wait for there, which others are to know, nor to keep for it.
func (l *loop) offQueue(id berth.RequestID) {
	if c := l.queue.of[id]; c != nil {
		l.leavesQuota(c.ids[id].request, asked{request: id})
	}
	l.queue.remove(id)
}

// openOver opens all classes of an account; in which order decides nothing.
func (q *queue) openOver(of account) {
	for _, c := range q.over.all(of, anything()) {
		q.reopen(c)
	}
}

// admitQuota changes the blocks of the first tenant of which they are to be changed, in a
// plan of its own: others compare the tenant's record, too. It says whether there was one.
func (l *loop) admitQuota(b *builder) bool {
	for _, t := range l.inTurn(l.quotas.todo) {
		delete(l.quotas.todo, t)
		if f := l.flights.tenants[t]; f != nil {
			f.again = append(f.again, tenantKey(t))
			continue
		}
		if f := l.flights.blocks[blockRef{t, l.d.opts.ID}]; f != nil {
			f.again = append(f.again, tenantKey(t))
			continue
		}
		if c := l.changesOf(t, b); c != nil {
			c.commit(b)
			return true
		}
	}
	return false
}
