package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// keepOn chooses again what is kept for a group, or keeps nothing for it any more.
func (l *loop) keepOn(g *gang, rec *berth.Keep, was berth.Revision, now time.Time) (done bool) {
	if l.roomComes(g.pool, rec, now) && !l.keptClosed(rec) {
		if members, _, ok := l.readyMembers(g.id, now); ok && l.beyondQuotaEver(g, members) {
			l.writeKeep(g.pool, was, rec.Without(g.id)) // an hour may be left to those who stop for it
		}
		return true
	}
	if c := l.keepOf(g.pool).choice; c == nil || c.next.Group != g.id { // asked once for all parts: there may be many that wait
		l.lookWhoHasLess(g)
		went, done := l.wentBefore(g, now)
		if !done {
			return false
		}
		if went {
			l.gaveUp(g, now.Add(keptOffFor))
			l.writeKeep(g.pool, was, rec.Without(g.id))
			return true
		}
	}
	members, _, ok := l.readyMembers(g.id, now)
	if !ok {
		return true
	}
	next, done := (*berth.Keep)(nil), true
	if !l.quotaGone(g, members, now) && !g.hopeless() {
		if next, done = l.chooseKept(g, members, rec, now); done && next == nil {
			l.groups[g.id].unkept = now.Add(keptOffFor) // else it would be chosen for again, and given up, every second
		}
	}
	if done && !sameKeep(rec, next) {
		if next == nil {
			next = rec.Without(g.id)
		} else {
			*next = rec.Instead(*next)
		}
		l.writeKeep(g.pool, was, next)
	}
	return done
}

// keptClosed says whether a worker of what is kept is gone, or takes nobody by an operator's order: then the rest is of no use to the group,
// and an hour may be left to those who stop there. A suspension is over before that.
func (l *loop) keptClosed(rec *berth.Keep) bool {
	return slices.ContainsFunc(rec.Workers, func(k berth.KeptWorker) bool {
		w := l.fleet.Worker(k.Worker)
		return !k.Share.IsZero() && (w == nil || w.Cordoned || w.Draining || w.Removing)
	})
}

// quotaGone says whether the quota of a group for which something is kept has no room for it any more. Less room wakes nobody,
// so it was not tried since, and would be told of what was short before: it is tried now.
func (l *loop) quotaGone(g *gang, members []*waiting, now time.Time) bool {
	rec, _ := l.view.group(g.id)
	if rec == nil || g.pastRoom() || l.groupOverQuota(g.id, rec, members) == nil {
		return false
	}
	l.groups[g.id].unkept = now.Add(keptOffFor)
	g.class.wake()
	return true
}

// beyondQuotaEver says whether the whole quota of a group has no room for it.
func (l *loop) beyondQuotaEver(g *gang, members []*waiting) bool {
	rec, _ := l.view.group(g.id)
	if rec == nil {
		return false
	}
	v := l.groupOverQuota(g.id, rec, members)
	return v != nil && v.NeverFits
}

// hopeless says whether nothing that is kept for a group would help it: also where its members have to be
// near to each other, or apart, and that is not so, which no room mends. Where they have to be near others, it is
// asked what could be kept for it.
func (g *gang) hopeless() bool {
	v := g.class.verdict
	return g.pastRoom() || v != nil && tellsRelations(v) && scheduler.AmongThemselves(g.request)
}

// pastRoom says whether it is no room that a group waits for.
func (g *gang) pastRoom() bool {
	v := g.class.verdict
	return g.class.over > 0 || v != nil && (v.NeverFits || tells(v, berth.ReasonQuota))
}

// tellsRelations says whether a verdict tells that others are near, or are not.
func tellsRelations(v *berth.Verdict) bool {
	return tells(v, berth.ReasonAffinity, berth.ReasonAntiAffinity, berth.ReasonSpread, berth.ReasonTopology)
}

func tells(v *berth.Verdict, codes ...berth.ReasonCode) bool {
	return slices.ContainsFunc(v.Reasons, func(r berth.Reason) bool { return slices.Contains(codes, r.Code) })
}

// keepFirst keeps something for the first group of a pool that does not fit, and for which
// something can be kept, where this daemon plans it. A choice that has begun is made first.
func (l *loop) keepFirst(p berth.PoolID, now time.Time) (done bool) {
	s := l.keepOf(p)
	if g := l.gangs.of[s.gave]; g != nil && s.choice == nil {
		l.lookWhoHasLess(g)
	}
	if now.Before(s.without) {
		return true
	}
	if s.choice != nil {
		if g := l.gangOfAny(s.choice.next.Group); g != nil && !g.open() && !g.hopeless() {
			if kept, done := l.keepForFirst(g, now); kept || !done {
				return done
			}
		}
	}
	for _, c := range l.keepCandidates(p, now) {
		g := c.gang
		peer := l.peers.holder[groupKey(g.id)]
		if peer != nil && s.overdue(now) {
			if info := l.groups[g.id]; info.keptSince.IsZero() {
				info.keptSince = s.leftSince
			}
			continue
		}
		if peer != nil && g.open() {
			if v := l.whyNotGroup(g.id); v != nil {
				peer.gangs.block(g, v, now)
			}
		}
		switch {
		case g.open() && c.inTurn:
			return true // it is to be tried first
		case g.open() || g.hopeless():
			continue
		}
		if kept, done := l.keepForFirst(g, now); kept || !done {
			return done
		}
	}
	return true
}

// keepForFirst keeps something for a group, if that can be; kept: it is, or is left to the daemon
// that plans the group.
func (l *loop) keepForFirst(g *gang, now time.Time) (kept, done bool) {
	next, done := l.choosable(g, now)
	switch {
	case next == nil:
		return false, done
	case l.peers.holder[groupKey(g.id)] == nil:
		l.writeKeep(g.pool, 0, next)
	default:
		l.keepOf(g.pool).left(now)
	}
	return true, true
}

// gangOfAny is a group that waits, with whichever daemon, or nil.
func (l *loop) gangOfAny(id berth.GroupID) *gang {
	if p := l.peers.holder[groupKey(id)]; p != nil {
		return p.gangs.of[id]
	}
	return l.gangs.of[id]
}

// left notes that something could be kept for the group of a peer.
func (s *keepState) left(now time.Time) {
	if s.leftSince.IsZero() {
		s.leftSince = now
	}
}

// overdue says whether the peers have had their time to keep something for theirs. Which of two groups
// comes first may be another one by another daemon's view: each would wait for the other.
func (s *keepState) overdue(now time.Time) bool {
	return !s.leftSince.IsZero() && !now.Before(s.leftSince.Add(keptOffFor))
}

// gangsIn says whether a group waits in a pool, with whomever.
func (l *loop) gangsIn(p berth.PoolID) bool {
	for _, gs := range l.allGangs() {
		for _, c := range gs.classes {
			if c.members[0].pool == p {
				return true
			}
		}
	}
	return false
}

// keptOffFor is how long nothing is kept where that kept off who goes first, nor for a group for
// which nothing could be.
const keptOffFor = 10 * time.Second

// wentBefore says whether something would have been placed, or others would have made room for it, or something would be
// kept for it, that is kept off by what is kept for a group, and whose turn comes before. Not done: what could be kept for another group is still being chosen.
func (l *loop) wentBefore(g *gang, now time.Time) (went, done bool) {
	if c := l.keepOf(g.pool).choice; c != nil {
		if o := l.gangOfAny(c.next.Group); o != nil && !o.open() && !o.hopeless() {
			return l.couldKeepFor(o, now)
		}
	}
	if l.keepsOneOff(g) {
		return true, true
	}
	for _, gs := range l.allGangs() {
		for _, c := range gs.classes {
			o := c.members[0]
			if c.verdict == nil || o.request.Pool != g.pool || !l.goesFirst(g, o.request, o.priority) {
				continue
			}
			if !tells(c.verdict, berth.ReasonKept) && o.request.Tenant != g.request.Tenant { // its turn may be over when there is room
				continue
			}
			if !o.hopeless() && !now.Before(l.groups[o.id].unkept) {
				if could, done := l.couldKeepFor(o, now); could || !done {
					return could, done
				}
			}
		}
	}
	return false, true
}

// goesFirst says whether the turn of a request, or of a group of such, is before that of a group for which something is kept: of a tenant with less, or of
// its own with a higher priority.
func (l *loop) goesFirst(g *gang, r *berth.Request, priority int32) bool {
	if r.Tenant == g.request.Tenant {
		return priority > g.priority
	}
	return l.turn(accountOf(r)).Share < l.turn(accountOf(g.request)).Share && l.lets(g, r)
}

// takesBefore says whether a group that fits would have, by what is kept for it, room that a request would have whose turn is before, and that waits;
// of its tenant's of the same priority those that are older, every other time. Then nothing is kept for so long: for a moment where shares and priorities
// are equal. What others make room for is the group's.
func (l *loop) takesBefore(g *gang) (yields time.Duration) {
	k, _ := l.keep(g.pool)
	workers := k.For(g.id)
	if workers == nil || k.Group == g.id && !k.MadeRoom.IsZero() {
		return 0
	}
	l.lookWhoHasLess(g)
	if k.Group != g.id && l.fitsWithout(g) {
		return keptOffFor
	}
	asks, served := keptAsks, l.keepOf(g.pool).served
	before := func(w *waiting) bool {
		if w.request.Tenant != g.request.Tenant {
			return l.goesBefore(g, w.request, w.priority) > 0 && l.lets(g, w.request)
		}
		return w.priority > g.priority || served && w.priority == g.priority && w.seq < g.seq
	}
	for _, w := range l.firstsBefore(g, before) {
		for i := range workers {
			if asks--; asks < 0 {
				return yields
			}
			if !l.fleet.FitsUnkept(w.candidate(), workers[i].Worker) {
				continue
			}
			if l.goesFirst(g, w.request, w.priority) {
				return keptOffFor
			}
			yields = keepEvery
			break
		}
	}
	return yields
}

// takesKept gives up what is kept for a group where a request whose turn is before has room there, and would have others make it some instead, and says
// whether it does. The request is tried again when nothing is kept, or in a while.
func (l *loop) takesKept(w *waiting, own scheduler.Candidate, now time.Time) bool {
	p := w.request.Pool
	k, _ := l.keep(p)
	s := l.keepOf(p)
	if now.Before(s.failed) {
		return false
	}
	for _, id := range k.Groups() {
		asks := keptAsks
		if id == k.Group && !k.MadeRoom.IsZero() || !l.fitsUnkept(own, k.For(id), &asks) {
			continue
		}
		if g := l.keptGang(id, now); g != nil && l.goesFirst(g, w.request, w.priority) {
			if !s.writing && l.flights.keeps[p] == nil {
				l.giveUpKept(g, now.Add(keptOffFor))
			}
			l.timers.set(requestKey(w.id), now.Add(reclaimAgain))
			return true
		}
	}
	return false
}

// firstsBefore are the first of each class that waits for room in a group's pool and has been looked at, and is before the group: in the order of their
// turns, so that it is not by chance who is asked for of very many.
func (l *loop) firstsBefore(g *gang, before func(*waiting) bool) []*waiting {
	var all []*waiting
	for _, c := range l.waitForRoom(g.pool) {
		if w := c.members[0]; c.verdict != nil && before(w) {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b *waiting) int {
		if c := l.compareTurns(a.request, b.request); c != 0 || a == b {
			return c
		}
		if a.before(b) {
			return -1
		}
		return 1
	})
	return all
}

// yieldKept gives up what is kept for a group that waits to be tried, for so long: it is again when that is so.
func (l *loop) yieldKept(g *gang, now time.Time, yields time.Duration) {
	s := l.keepOf(g.pool)
	s.served, s.yields = false, true
	l.giveUpKept(g, now.Add(yields))
	l.gangs.remove(g.id)
	l.timers.set(groupKey(g.id), now.Add(pause)) // sooner, when the record says so
}

// couldKeepFor says whether something could be kept for a group in place of what is kept for another: what helps nobody is
// not given up for it.
func (l *loop) couldKeepFor(g *gang, now time.Time) (could, done bool) {
	next, done := l.choosable(g, now)
	return next != nil, done
}

// choosable is what could be kept for a group for which nothing is; nil: nothing, and for a while it is not asked for
// again. Not done: see chooseKept.
func (l *loop) choosable(g *gang, now time.Time) (next *berth.Keep, done bool) {
	members, _, ok := l.readyMembers(g.id, now)
	if !ok {
		return nil, true
	}
	next, done = l.chooseKept(g, members, nil, now)
	if done && next == nil {
		l.groups[g.id].unkept = now.Add(keptOffFor)
	}
	return next, done
}

// keptAsks bounds on how many workers wentBefore asks whether others could make room, and takesBefore whether there is some.
const keptAsks = 1024

// keepsRoomOff says whether others could make room for a request on a worker that is kept for a group, and for no other
// reason do not.
func (l *loop) keepsRoomOff(w *waiting, kept []berth.KeptWorker, asks *int) bool {
	if len(kept) == 0 || l.braked(w.request.Pool, l.now()) {
		return false
	}
	c := l.patient(w)
	for i := range kept {
		if *asks--; *asks < 0 {
			return false
		}
		if l.fleet.CanPreemptUnkept(c, kept[i].Worker, l.occupants(nil)) {
			return true
		}
	}
	return false
}
