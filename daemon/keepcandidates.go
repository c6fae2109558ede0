package daemon

import (
	"cmp"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// keepTries bounds the groups that are looked at, at a time, of each of both kinds.
const keepTries = 4

// keepCandidate is a group for which something may be kept.
type keepCandidate struct {
	*gang
	turn   scheduler.Turn
	unkept time.Time // nothing could be, until then; zero: nobody has tried
	inTurn bool      // it is one of the first in the order of turns
}

func (a *keepCandidate) before(b *keepCandidate) int {
	return cmp.Or(a.turn.Compare(b.turn), a.gang.before(b.gang))
}

// untried is the order of those that nobody has looked at for longest.
func (a *keepCandidate) untried(b *keepCandidate) int {
	return cmp.Or(a.unkept.Compare(b.unkept), a.before(b))
}

// keepCandidates are the groups of a pool, of all daemons, that could be helped, or may fit: the
// first in the order of their turns, and those that nobody has looked at for longest, so that who is
// behind many for which nothing can be kept has a turn, too.
func (l *loop) keepCandidates(p berth.PoolID, now time.Time) []keepCandidate {
	var firsts, rest bounded
	for _, gs := range l.allGangs() {
		for _, c := range gs.classes { // in which order decides nothing
			if c.members[0].pool != p {
				continue
			}
			one := keepCandidate{turn: l.turn(accountOf(c.members[0].request))}
			for i, n := 0, 0; i < len(c.members) && n < keepTries; i++ { // of equal ones, the first may not wait so long
				one.gang = c.members[i]
				if one.unkept = l.groups[one.id].unkept; !one.open() && (one.hopeless() || now.Before(one.unkept)) {
					continue
				}
				n++
				firsts.add(&one, (*keepCandidate).before)
				rest.add(&one, (*keepCandidate).untried)
			}
		}
	}
	for i := range firsts {
		firsts[i].inTurn = true
	}
	for _, one := range rest {
		if !slices.ContainsFunc(firsts, func(o keepCandidate) bool { return o.gang == one.gang }) {
			firsts = append(firsts, one)
		}
	}
	return firsts
}

// bounded are the first few of many.
type bounded []keepCandidate

func (b *bounded) add(one *keepCandidate, before func(a, b *keepCandidate) int) {
	i := len(*b)
	for i > 0 && before(one, &(*b)[i-1]) < 0 {
		i--
	}
	if i < keepTries {
		*b = slices.Insert(*b, i, *one)
		*b = (*b)[:min(len(*b), keepTries)]
	}
}
