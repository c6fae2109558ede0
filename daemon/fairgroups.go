package daemon

import (
	"cmp"
	"time"

	"github.com/berthd/berth"
)

// nextGang is the group whose turn it is, of those that are to be tried; or nil.
func (l *loop) nextGang(now time.Time) (first *gang) {
	for _, c := range l.gangs.classes { // the order of turns is total
		g := c.members[0]
		if c.open() && !now.Before(c.tryAt) && (first == nil || cmp.Or(l.compareTurns(g.request, first.request), g.before(first)) < 0) {
			first = g
		}
	}
	return first
}

// moreGangs says whether one is to be tried before calls are heard.
func (l *loop) moreGangs(now time.Time) bool {
	return l.gangs.spent < spendMost && l.nextGang(now) != nil
}

func (l *loop) compareTurns(a, b *berth.Request) int {
	return l.turn(accountOf(a)).Compare(l.turn(accountOf(b)))
}

// groupsTurn says whether a group comes before what waits alone: when it is its tenant's
// turn, or what comes before it has been looked at in vain; of one tenant, every other time.
func (l *loop) groupsTurn(now time.Time) bool {
	g := l.nextGang(now)
	if g == nil {
		return false
	}
	if w := l.queue.next(); w != nil {
		switch c := l.compareTurns(g.request, w.request); {
		case c < 0:
			return true
		case c > 0 && !l.gangs.last:
			return false
		}
	}
	return l.gangs.turn
}
