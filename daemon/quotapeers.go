package daemon

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// To whom quota of an account is left, as workers are (peersfirst.go). What has failed, and is tried again a moment later, keeps its quota so, too.

// leftOf is what quota of an account is left for: what peers have waiting, or anybody has in a short backoff, and that goes before all that waits
// here, as far as there is enough for it, and for these, of what nobody uses; nil: nothing is.
func (l *loop) leftOf(s *balance, b *builder) *gathering {
	of := s.account
	if b == nil || len(l.peers.byID)+len(l.quotas.returns[of]) == 0 || s.state.limits == nil {
		return nil
	}
	others := slices.ContainsFunc(l.peers.sorted, func(p *peer) bool { return p.queue.lines[of] != nil || p.gangs.asks[of] != nil })
	if !others && len(l.quotas.returns[of])+len(l.queue.over.of[of])+len(l.gangs.over.of[of]) == 0 {
		return nil
	}
	rest := make(berth.Amounts, len(s.state.dimensions))
	for _, d := range s.state.dimensions {
		rest[d] = s.left(d) + s.idle(d) + max(s.block.Block[d]-s.block.Used[d], 0)
	}
	if g, same := b.lefts.of(of, rest); same {
		return g
	}
	o := leftover{l: l, s: s, rest: rest, needs: make(map[*class]berth.Amounts)}
	at, fits := look{within: s.bound(o.within())}, func(w *waiting) bool { return o.most(w.request, 1) > 0 }
	own := l.ownUrgent(of, at, fits, o.most)
	ahead := l.aheadOf(of, own.w, at, o.most, b.now)
	held := func(d berth.Dimension) int64 { return s.block.Block[d] - s.block.Used[d] + max(s.left(d), 0) } // with what nobody has: for that, see leavesHere
	if len(ahead) == 0 && own.w != nil && !bounding(held).holds(o.need(own.w.request, own.times()), s) {    // what is there for it others have: those behind it leave it what is here
		ahead = []urgent{own}
	}
	there := maps.Clone(rest)
	for i := range ahead {
		o.leave(&ahead[i], len(ahead), b)
	}
	if b.lefts != nil && own.w == nil {
		b.lefts[of] = leftForNew{o.to, there}
	}
	return o.to
}

// leftover is quota of an account that is left for some.
type leftover struct {
	l     *loop
	s     *balance
	rest  berth.Amounts            // of what nobody uses, without what is left for them
	to    *gathering               // nil: nobody yet
	needs map[*class]berth.Amounts // of classes of peers' requests, of which all need the same; nil: no worker could ever take them
}

func (o *leftover) within() bounding { return func(d berth.Dimension) int64 { return o.rest[d] } }

// need is what so many of a request need of the quota.
func (o *leftover) need(r *berth.Request, times int64) berth.Amounts {
	need := make(berth.Amounts, len(o.rest))
	for d := range o.rest {
		if v := times * leastOf(r, d); v > 0 {
			need[d] = v
		}
	}
	return need
}

// most is for how many times so many of a request the rest is enough, as far as anybody asks.
func (o *leftover) most(r *berth.Request, times int64) int {
	n := int64(peerNeeds)
	for d, v := range o.need(r, times) {
		n = min(n, max(o.rest[d]/v, 0))
	}
	return int(n)
}

// needOf is what one needs of the quota; nil: no worker could ever take it.
func (o *leftover) needOf(c *urgent) berth.Amounts {
	if need, known := o.needs[c.class]; known {
		return need
	}
	var need berth.Amounts
	if o.l.fitsEver(c.w.request, c.together, nil) {
		need = o.need(c.w.request, c.times())
	}
	if c.class != nil {
		o.needs[c.class] = need
	}
	return need
}

// leave leaves one of so many that are ahead what it needs, where the rest has that.
func (o *leftover) leave(c *urgent, ahead int, b *builder) {
	of, need := o.s.account, o.needOf(c)
	if need == nil || !o.within().holds(need, o.s) {
		return
	}
	to := leftTo{daemon: c.by, pool: of.pool, id: c.w.id, quota: true, whole: c.together > 0}
	if o.to == nil && c.takes && !o.l.leaves(to, of.tenant, left{served: o.l.turn(of).Served}, b.now) {
		return
	}
	one := gathering{Gathering: berth.Gathering{Priority: c.w.priority, Age: c.w.seq, Need: need}}
	if c.together > 0 {
		one.Group = berth.GroupID(c.w.id)
	} else {
		one.Request = c.w.id
	}
	if c.takes && c.by != o.l.d.opts.ID { // what is equal goes first here
		one.Age = math.MaxInt64
	}
	if o.to == nil {
		has := b.blockNow(blockRef{of.tenant, c.by}).Pools[of.pool]
		o.to = &gathering{Gathering: one.Gathering, by: c.by, holds: func(d berth.Dimension) int64 { return max(has.Block[d]-has.Used[d], 0) }}
		o.to.Need, o.to.parts = make(berth.Amounts, len(need)), make([]gathering, 0, ahead)
	}
	o.to.parts = append(o.to.parts, one)
	addTo(o.to.Need, need)
	for d, v := range need {
		o.rest[d] -= v
	}
}

// leftsForNew are what is left of accounts while one plan takes what is new, of which nothing waits here that could be placed: nothing comes to
// wait meanwhile, and nothing of peers. So it stays what it is, but that what is there gets less by what is placed.
type leftsForNew map[account]leftForNew

type leftForNew struct {
	left *gathering
	rest berth.Amounts // of which it is left
}

// of is what is left of so much of an account; false: that is to be found out.
func (s leftsForNew) of(a account, rest berth.Amounts) (g *gathering, same bool) {
	then, known := s[a]
	if !known {
		return nil, false
	}
	for d, v := range then.rest {
		if rest[d] > v || then.left != nil && then.left.Need[d] > rest[d] {
			return nil, false
		}
	}
	return then.left, true
}

// beside is what is left to some, as far as they go before what quota is gathered for, and that; or that alone, or nothing gathered.
func (g *gathering) beside(gathers *gathering) *gathering {
	if gathers == nil {
		return g
	}
	out := *g
	out.parts, out.Need, out.drained = nil, make(berth.Amounts, len(g.Need)), gathers.drained
	for _, one := range g.parts {
		if one.Compare(&gathers.Gathering) < 0 {
			out.parts = append(out.parts, one)
			addTo(out.Need, one.Need)
		}
	}
	if len(out.parts) == 0 {
		return gathers
	}
	out.parts = append(out.parts, gathering{Gathering: gathers.Gathering})
	addTo(out.Need, gathers.Need)
	return &out
}

// passesGathered has a tenant looked at whose quota is gathered here, when with a peer something comes that goes before that. The record may
// have told already that the peer waits, for something else.
func (l *loop) passesGathered(r *berth.Request, a asking) {
	if l.limited(r) == nil {
		return
	}
	rec, _ := l.view.tenant(r.Tenant)
	q := rec.Pools[r.Pool]
	if g, by, stands := l.standing(&q); stands && by == l.d.opts.ID && a.Compare(&g) < 0 {
		l.due.add(tenantKey(r.Tenant))
	}
}

// topOf is the highest priority of what waits of an account with some peers.
func (l *loop) topOf(of account, with []berth.DaemonID) (top int32) {
	note := func(c *class) { top = max(top, c.members[0].priority) }
	for _, d := range with {
		p := l.peers.byID[d]
		if p == nil {
			continue
		}
		if g := p.queue.lines[of]; g != nil {
			g.hasOne(func(c *class) bool { note(c); return false })
		}
		if c := p.queue.firstOver(of, anything(), func(*waiting) bool { return true }); c != nil {
			note(c)
		}
		for c := range p.gangs.asks[of] {
			top = max(top, c.members[0].priority)
		}
	}
	return top
}

// alone is the balance as it is for what has that priority: where this is higher than all that others have waiting, they have no part of it before that.
func (s *balance) alone(priority int32) *balance {
	if s.among == 0 || priority <= s.top() {
		return s
	}
	out := *s
	out.among = 0
	return &out
}

// firsts is a look for what goes before all that others have waiting, and is placeable as there is no part of theirs; false: nobody else waits.
func (s *balance) firsts() (at look, others bool) {
	if s.among == 0 {
		return at, false
	}
	at = s.alone(math.MaxInt32).placeable()
	at.before = &gathering{Gathering: berth.Gathering{Priority: s.top()}}
	return at, true
}

// urgent is a request that waits with a daemon, or as one a group.
type urgent struct {
	w        *waiting
	by       berth.DaemonID
	takes    bool   // it waits to be placed, and not in its backoff
	together int64  // members that must begin together; 0: it is alone
	class    *class // of a peer's requests; nil: it is something else
}

func (u *urgent) times() int64 { return max(u.together, 1) }

// asOne is a group as what waits.
func (g *gang) asOne() *waiting {
	return &waiting{id: berth.RequestID(g.id), request: g.request, priority: g.priority, seq: g.seq}
}

// ownUrgent is the first of what waits so here, be it a group that its quota had no room for; of nothing, where nothing does.
func (l *loop) ownUrgent(of account, at look, fits func(*waiting) bool, most func(r *berth.Request, times int64) int) urgent {
	own := urgent{w: l.queue.mostUrgent(of, at, fits), by: l.d.opts.ID, takes: true}
	if c, found := l.gangs.over.first(of, at, func(c *gangClass) bool { return !c.roomless && most(c.members[0].request, c.members[0].need) > 0 }); found {
		if g := c.members[0]; own.w == nil || g.beforeOne(own.w) {
			own.w, own.together = g.asOne(), g.need
		}
	}
	return own
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

// groupsAhead are the groups of an account that wait so with a peer, and are not known to fit on no worker: the first of their order.
func (p *peer) groupsAhead(of account, priority int32, most func(r *berth.Request, times int64) int) (out []urgent) {
	for c := range p.gangs.asks[of] { // they are put in order
		g := c.members[0]
		if g.priority <= priority || !c.open() && !tells(c.verdict, berth.ReasonQuota) {
			continue
		}
		for _, g := range c.members[:min(len(c.members), most(g.request, g.need))] { // all of a class have one priority, or the first has the highest
			if g.priority > priority {
				out = append(out, urgent{w: g.asOne(), by: p.id, takes: true, together: g.need})
			}
		}
	}
	slices.SortFunc(out, func(a, b urgent) int { return order(a.w.before(b.w)) - order(b.w.before(a.w)) })
	return out[:min(len(out), peerNeeds)]
}

// aheadOf are those of an account that wait so with peers and have a higher priority than one that waits here, and those in a short backoff that go
// before it, in their order; of each class no more than most. Peers may have very many: those that need more than there is are passed over, and of the
// others so many are looked at, the first.
func (l *loop) aheadOf(of account, own *waiting, at look, most func(r *berth.Request, times int64) int, now time.Time) (out []urgent) {
	priority := int32(-1)
	if own != nil {
		priority = own.priority
	}
	for _, r := range l.returningOf(of, now) {
		if own == nil || !own.before(r.waiting) { // it may be that
			out = append(out, urgent{w: r.waiting, by: r.by})
		}
	}
	for _, p := range l.peers.sorted {
		if p.silent {
			continue
		}
		out = append(out, p.groupsAhead(of, priority, most)...)
		g := p.queue.lines[of]
		if g == nil {
			continue
		}
		take := func(c *class) {
			members := c.members.walk()
			for range most(c.members[0].request, 1) { // those of its shape need the same
				w, more := members.step()
				if !more || w.priority <= priority {
					return
				}
				if _, returns := l.quotas.returns[of][w.id]; !returns {
					out = append(out, urgent{w: w, by: p.id, takes: true, class: c})
				}
			}
		}
		open := g.open.walk()
		for range peerNeeds {
			c, more := open.step()
			if !more || c.members[0].priority <= priority {
				break
			}
			take(c)
		}
		higher := look{within: at.within, before: &gathering{Gathering: berth.Gathering{Priority: priority}}}
		for _, c := range p.queue.over.firsts(of, higher, peerNeeds) {
			take(c)
		}
	}
	slices.SortFunc(out, func(a, b urgent) int { return order(a.w.before(b.w)) - order(b.w.before(a.w)) })
	return out
}
