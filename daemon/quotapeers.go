package daemon

import (
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
	most := func(w *waiting) int {
		n := int64(peerNeeds)
		for d, v := range needs(w) {
			n = min(n, max(rest[d]/v, 0))
		}
		return int(n)
	}
	at, fits := look{within: s.bound(within)}, func(w *waiting) bool { return most(w) > 0 }
	own := l.queue.mostUrgent(of, at, fits)
	ahead := l.aheadOf(of, own, at, most, b.now)
	held := func(d berth.Dimension) int64 { return s.block.Block[d] - s.block.Used[d] }
	if len(ahead) == 0 && own != nil && !bounding(held).holds(needs(own), s) { // what is there for it others have: those behind it leave it what is here
		ahead = []urgent{{w: own, by: l.d.opts.ID, takes: true}}
	}
	var g *gathering
	for _, c := range ahead {
		need := needs(c.w)
		if !l.fitsEver(c.w.request, 0, nil) || !within.holds(need, s) {
			continue
		}
		if g == nil && c.takes && !l.leaves(c.by, of, c.w.id, left{served: l.turn(of).Served}, b.now) {
			continue
		}
		one := gathering{Gathering: berth.Gathering{Request: c.w.id, Priority: c.w.priority, Age: c.w.seq, Need: need}}
		if c.takes && c.by != l.d.opts.ID { // what is equal goes first here
			one.Age = math.MaxInt64
		}
		if g == nil {
			has := b.blockNow(blockRef{of.tenant, c.by}).Pools[of.pool]
			g = &gathering{Gathering: one.Gathering, by: c.by, holds: func(d berth.Dimension) int64 { return max(has.Block[d]-has.Used[d], 0) }}
			g.Need = make(berth.Amounts, len(need))
		}
		g.parts = append(g.parts, one)
		addTo(g.Need, need)
		for d, v := range need {
			rest[d] -= v
		}
	}
	return g
}

// urgent is a request that waits with a daemon.
type urgent struct {
	w     *waiting
	by    berth.DaemonID
	takes bool // it waits to be placed, and not in its backoff
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
// before it, in their order; of each class no more than most. Peers may have very many: those that need more than there is are passed over, and of the
// others so many are looked at, the first.
func (l *loop) aheadOf(of account, own *waiting, at look, most func(*waiting) int, now time.Time) (out []urgent) {
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
		g := p.queue.lines[of]
		if p.silent || g == nil {
			continue
		}
		take := func(c *class) {
			members := c.members.walk()
			for range most(c.members[0]) { // those of its shape need the same
				w, more := members.step()
				if !more || w.priority <= priority {
					return
				}
				if _, returns := l.quotas.returns[of][w.id]; !returns {
					out = append(out, urgent{w, p.id, true})
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
