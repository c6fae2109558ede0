package daemon

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// gangInTurn is a group with its turn, which stays as it is while nothing is placed.
type gangInTurn struct {
	*gang
	turn scheduler.Turn
}

// before is a total order.
func (t gangInTurn) before(o gangInTurn) int {
	return cmp.Or(t.turn.Compare(o.turn), t.gang.before(o.gang))
}

// toTry are the groups that are to be tried, in no order: of equal ones the first. One that comes behind another of its tenant, with a lower priority,
// waits for that as what waits alone does: see restMost.
func (l *loop) toTry(now time.Time) iter.Seq[gangInTurn] {
	return func(yield func(gangInTurn) bool) {
		var firsts map[account]*gang
		for _, c := range l.gangs.classes {
			if !c.toTry(now) {
				continue
			}
			if firsts == nil {
				firsts = l.firstGangs(now)
			}
			g := c.members[0]
			of := accountOf(g.request)
			if firsts[of].priority > g.priority && !firsts[of].class.toTry(now) {
				continue
			}
			if !yield(gangInTurn{g, l.turn(of)}) {
				return
			}
		}
	}
}

// nextGang is the group whose turn it is, of those that are to be tried; or nil.
func (l *loop) nextGang(now time.Time) *gang {
	var first gangInTurn
	for t := range l.toTry(now) {
		if first.gang == nil || t.before(first) < 0 {
			first = t
		}
	}
	return first.gang
}

// gangsInTurn are all that are to be tried. Were the next one looked for each time, among very many that are different, that would take longer
// than to try them.
func (l *loop) gangsInTurn(now time.Time) []gangInTurn {
	return slices.SortedFunc(l.toTry(now), gangInTurn.before)
}

// moreGangs says whether one is to be tried before calls are heard.
func (l *loop) moreGangs(now time.Time) bool {
	g := l.nextGang(now)
	if g != nil && l.gangs.spent >= spendMost {
		l.timers.set(triesKey, now) // behind these
		return false
	}
	return g != nil && l.comesFirst(g)
}

func (l *loop) compareTurns(a, b *berth.Request) int {
	return l.turn(accountOf(a)).Compare(l.turn(accountOf(b)))
}

// goesBefore is less than 0 where a group comes before a request that waits alone, and more where it comes behind that: by their tenants' turns, and of
// one tenant by priority.
func (l *loop) goesBefore(g *gang, r *berth.Request, priority int32) int {
	c := l.compareTurns(g.request, r)
	if c == 0 && accountOf(g.request) == accountOf(r) {
		return cmp.Compare(priority, g.priority)
	}
	return c
}

// restMost is how long what comes behind a group waits for it to be tried again, when one may fit shortly after it was tried in vain:
// things end together, and were all that taken by what comes behind, a group would never have its turn. A large group rests for longer, and
// what ends meanwhile is not kept from others for that; it is kept room (see keep.go).
const restMost = 5 * time.Millisecond

// firstGangs are those groups of each tenant and pool that are to be tried first, in no order.
func (l *loop) firstGangs(now time.Time) map[account]*gang {
	var firsts map[account]*gang
	for _, c := range l.gangs.classes {
		if !c.open() || c.tryAt.Sub(now) > restMost {
			continue
		}
		g := c.members[0]
		of := accountOf(g.request)
		if firsts == nil {
			firsts = make(map[account]*gang)
		}
		if first := firsts[of]; first == nil || g.before(first) < 0 {
			firsts[of] = g
		}
	}
	return firsts
}

// isBehind says whether a request waits until a group of its pool has been tried that comes before it.
func (l *loop) isBehind(firsts map[account]*gang, r *berth.Request, priority int32) bool {
	for _, g := range firsts { // which of them decides nothing
		if g.pool == r.Pool && l.goesBefore(g, r, priority) < 0 {
			return true
		}
	}
	return false
}

// groupsTurn says whether a group comes before what waits alone: when it is its tenant's
// turn, or what comes before it has been looked at in vain; of one tenant by priority, and of equal ones every other time.
func (l *loop) groupsTurn(now time.Time) bool {
	g := l.nextGang(now)
	return g != nil && l.isTurnOf(g)
}

// isTurnOf is that of the group that comes before the others.
func (l *loop) isTurnOf(g *gang) bool { return !l.yields(g.pool) && l.comesFirst(g) }

// comesFirst is that of the group whose turn it is. Of what is being submitted the first counts only where it waits for the group.
func (l *loop) comesFirst(g *gang) bool {
	if w := l.queue.next(); w != nil {
		switch c := l.goesBefore(g, w.request, w.priority); {
		case c < 0:
			return true
		case c > 0 && !l.gangs.last:
			return false
		}
	} else if l.incoming.len() > 0 {
		if r := &l.incoming.first().record.Spec; l.goesBefore(g, r, r.Priority) < 0 {
			return true
		}
	}
	return l.gangs.turn
}

// yields says whether the groups of a pool leave what comes free to what waits alone, once: what was kept for one has been given up for that. It has been
// looked at when the groups are asked about next.
func (l *loop) yields(p berth.PoolID) bool {
	s := l.keeps[p]
	if rec, _ := l.keep(p); s == nil || !s.yields || rec != nil {
		return false
	}
	s.yields = false
	return true
}
