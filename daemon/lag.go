package daemon

import (
	"time"

	"github.com/berthd/berth"
)

// lag is how far the watch is behind, by this daemon's own transactions: from the
// answer of one until the watch has told of it.
type lag struct {
	last time.Duration
	rev  berth.Revision // answered, and not told of yet; 0: none
	from time.Time
}

func (g *lag) answered(rev, passed berth.Revision, now time.Time) {
	switch {
	case rev <= passed:
		g.last = 0
	case g.rev == 0:
		g.rev, g.from = rev, now
	}
}

func (g *lag) passed(rev berth.Revision, now time.Time) {
	if g.rev != 0 && rev >= g.rev {
		g.last, g.rev = now.Sub(g.from), 0
	}
}

func (g *lag) now(now time.Time) time.Duration {
	if g.rev != 0 {
		return max(g.last, now.Sub(g.from))
	}
	return g.last
}
