package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Beside what is kept of a pool for the group that gathers, something is kept for each group that a drain has stopped, and that waits for the ends of
// its members: see groupdrain.go. It is all the room that it needs, of what its members give up themselves and of what is free, so it waits for nobody
// else's part. It ends when the group has been tried, which then waits for its turn to gather as any other; or is gone, or may not go first any more.

// openUntil is before when what may have what is kept has to have ended; zero: nobody may, or nothing is kept.
func openUntil(k *berth.Keep) (at time.Time) {
	if k == nil || !k.MadeRoom.IsZero() {
		return at
	}
	at = k.By
	for i := range k.Beside {
		if by := k.Beside[i].By; by.Before(at) {
			at = by
		}
	}
	return at
}

// keptIn is what is kept of a pool, for whomever.
func (l *loop) keptIn(p berth.PoolID) []berth.KeptWorker {
	k, _ := l.keep(p)
	return k.All()
}

// keptGang is a group of this daemon's for which something is kept, or nil.
func (l *loop) keptGang(id berth.GroupID, now time.Time) *gang {
	if g := l.gangs.of[id]; g != nil {
		return g
	}
	return l.drained(id, now)
}

// stillBeside is what is kept where what is kept beside who gathers is so only for those that are to be tried yet. Of a group that is gone it ends
// by one daemon, of one that has been tried in vain by its own. Of one that waits no longer than something is kept for it the view may know that alone.
func (l *loop) stillBeside(p berth.PoolID, rec *berth.Keep, now time.Time) *berth.Keep {
	k, next := keepKey(p), rec
	for i := range rec.Beside {
		id := rec.Beside[i].Group
		g := l.gangs.of[id]
		if g != nil && !g.open() && !l.hasTurnToCome(g, rec, now) || !l.mayKeep(p, id, now) && !l.behind(k, k) && l.mayAct(k, l.share.ofTask(string(k.Kind)+"/"+k.ID)) {
			next = next.Without(id)
		}
	}
	return next
}

// besideGivesWay gives up what is kept for a group of this daemon's beside who gathers, where that keeps off who goes first, and says whether it was so.
func (l *loop) besideGivesWay(rec *berth.Keep, now time.Time) bool {
	for i := range rec.Beside {
		g := l.keptGang(rec.Beside[i].Group, now)
		if g == nil {
			continue
		}
		if l.lookWhoHasLess(g); l.keepsOneOff(g) || l.fitsWithout(g) {
			l.giveUpKept(g, now)
			return true
		}
	}
	return false
}

// keepsOneOff says whether a request that waits alone, and whose turn comes before a group's, is kept off by what is kept for that, or those are who would
// make room for it.
func (l *loop) keepsOneOff(g *gang) bool {
	k, _ := l.keep(g.pool)
	workers, asks := k.For(g.id), keptAsks
	for _, q := range l.queues() {
		for _, c := range q.classes { // in which order decides nothing
			w := c.members[0]
			switch {
			case c.verdict == nil || w.request.Pool != g.pool:
			case len(k.Beside) == 0 && tells(c.verdict, berth.ReasonKept):
				if l.goesFirst(g, w.request, w.priority) {
					return true
				}
			case c.over == nil && l.goesFirst(g, w.request, w.priority) && l.fitsUnkept(w.candidate(), workers, &asks): // the verdict may be older than the room
				return true
			case w.preempts && c.over == nil && l.goesFirst(g, w.request, w.priority) && l.keepsRoomOff(w, workers, &asks):
				return true
			}
		}
	}
	return false
}

// fitsUnkept says whether one of some workers that are kept would take a candidate, were nothing kept.
func (l *loop) fitsUnkept(c scheduler.Candidate, workers []berth.KeptWorker, asks *int) bool {
	return slices.ContainsFunc(workers, func(one berth.KeptWorker) bool {
		*asks--
		return *asks >= 0 && l.fleet.FitsUnkept(c, one.Worker)
	})
}

// fitsWithout says whether another group whose turn comes before one's for which something is kept would fit, were that not kept. A few are asked for.
func (l *loop) fitsWithout(g *gang) bool {
	var firsts []*gang
	for _, gs := range l.allGangs() {
		for _, c := range gs.classes {
			if o := c.members[0]; c.verdict != nil && o.pool == g.pool && !o.hopeless() && l.goesFirst(g, o.request, o.priority) {
				firsts = append(firsts, o)
			}
		}
	}
	if len(firsts) == 0 {
		return false
	}
	slices.SortFunc(firsts, (*gang).before)
	k, _ := l.keep(g.pool)
	l.fleet.Keep(g.pool, k.Without(g.id))
	defer l.fleet.Keep(g.pool, k)
	return slices.ContainsFunc(firsts[:min(len(firsts), keepTries)], func(o *gang) bool { return l.whyNotGroup(o.id) == nil })
}

// giveUpKept gives up what is kept for a group; of one that gathers, nothing is kept in the pool for anybody until then.
func (l *loop) giveUpKept(g *gang, until time.Time) {
	k, was := l.keep(g.pool)
	if k != nil && k.Group == g.id {
		l.gaveUp(g, until)
	}
	if !l.keepOf(g.pool).writing && l.flights.keeps[g.pool] == nil {
		l.writeKeep(g.pool, was, k.Without(g.id))
	}
}
