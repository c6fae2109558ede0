package daemon

import (
	"cmp"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// A group that does not fit would wait for ever where small requests take whatever comes
// free. So in each pool workers are kept for one group: they are in a record of the store,
// keeps/<p>, and all daemons keep off them by that record alone. What they decide by is
// the same for all, and known afterwards.
//
// The daemon that plans the group writes it, and chooses again from time to time. The next
// group's turn comes when that one is placed, or is gone, or may not go first any more: one
// at a time, so two groups never wait for each other's part.

// keepEvery is how often what is kept is chosen again, and keepEach so much more for each
// worker of the pool: so choosing is a small part of the time.
const (
	keepEvery = time.Second
	keepEach  = 200 * time.Microsecond
	keepPart  = 20                     // of the time that choosing takes, at least, nothing is chosen
	keepMost  = 100 * time.Millisecond // after which no other group is looked at before
)

// keepState is what a daemon keeps of a pool beside the record.
type keepState struct {
	writing bool
	next    time.Time // nothing is chosen before
	without time.Time // nothing is kept before: it kept off who goes first
}

func keepKey(p berth.PoolID) berth.Key { return berth.Key{Kind: berth.KindKeep, ID: string(p)} }

// keep is what is kept in a pool, or nil.
func (l *loop) keep(p berth.PoolID) (*berth.Keep, berth.Revision) {
	return record[berth.Keep](l.view, keepKey(p))
}

func (l *loop) keepOf(p berth.PoolID) *keepState {
	s := l.keeps[p]
	if s == nil {
		s = &keepState{}
		l.keeps[p] = s
	}
	return s
}

// markKeep follows what is kept in a pool.
func (l *loop) markKeep(f berth.Fact, old former) {
	p := berth.PoolID(f.Key.ID)
	is, _ := f.Record.(*berth.Keep)
	was, _ := old.record.(*berth.Keep)
	l.fleet.Keep(p, is)
	l.due.add(f.Key)
	for _, k := range []*berth.Keep{was, is} {
		if k == nil {
			continue
		}
		if info := l.groups[k.Group]; info != nil && info.keptSince.IsZero() {
			info.keptSince = k.Since
		}
		l.due.add(groupKey(k.Group)) // it is alone in its class, or is so no more
	}
	for _, w := range changedIn(was, is) {
		if l.fleet.Worker(w) != nil {
			l.wake(w, p)
		}
	}
}

// changedIn are the workers that may have more to give, to anybody, than they had.
func changedIn(was, is *berth.Keep) (out []berth.WorkerID) {
	if was == nil {
		return nil
	}
	if is == nil || !was.By.Equal(is.By) || was.Group != is.Group {
		is = &berth.Keep{}
	}
	same := make(map[berth.WorkerID]*berth.KeptWorker, len(is.Workers))
	for i := range is.Workers {
		same[is.Workers[i].Worker] = &is.Workers[i]
	}
	for i := range was.Workers {
		if w := &was.Workers[i]; same[w.Worker] == nil || !sameKept(*w, *same[w.Worker]) {
			out = append(out, w.Worker)
		}
	}
	return out
}

// markKeepFor looks at what is kept for a group that has changed.
func (l *loop) markKeepFor(g berth.GroupID) {
	for k, f := range l.view.whole[berth.KindKeep] {
		if r, ok := f.Record.(*berth.Keep); ok && r.Group == g {
			l.due.add(k)
		}
	}
}

// tellKept puts behind why a group does not fit on how many workers something is kept for it.
func tellKept(v *berth.Verdict, id berth.GroupID, k *berth.Keep) {
	if k == nil || k.Group != id {
		return
	}
	r := berth.Reason{Code: berth.ReasonKept, Detail: string(id), Workers: len(k.Workers)}
	for _, w := range k.Workers[:min(len(k.Workers), 3)] {
		r.Some = append(r.Some, w.Worker)
	}
	v.Reasons = append(v.Reasons, r)
}

// isKept says whether something is kept for a group.
func (l *loop) isKept(g *gang) bool {
	k, _ := l.keep(g.pool)
	return k != nil && k.Group == g.id
}

// lookKeep finds what is to be kept in a pool now.
func (l *loop) lookKeep(p berth.PoolID, now time.Time) {
	k := keepKey(p)
	l.settle(k)
	s := l.keepOf(p)
	if s.writing || l.view.unreadable(k) {
		return
	}
	rec, was := l.keep(p)
	if rec == nil && !l.gangsIn(p) {
		delete(l.keeps, p)
		return
	}
	if rec != nil && !l.mayKeep(p, rec) {
		if l.mayAct(k, l.share.ofTask(string(k.Kind)+"/"+k.ID)) {
			l.writeKeep(p, was, nil)
		}
		return
	}
	if now.Before(s.next) || !l.mayPlace() {
		l.timers.set(k, latest(s.next, now.Add(keepEvery)))
		return
	}
	s.next = now.Add(keepEvery + time.Duration(l.brakes.alive[p])*keepEach)
	l.timers.set(k, s.next)
	defer func() { // what it took is to be a small part, whatever it was
		if took := l.now().Sub(now); took > keepEvery/keepPart {
			s.next = l.now().Add(keepPart * took)
			l.timers.set(k, s.next)
		}
	}()
	if rec == nil {
		l.keepFirst(p, now)
		return
	}
	if g := l.gangs.of[rec.Group]; g != nil { // else another daemon plans it, or its plan is in flight
		l.keepOn(g, rec, was, now)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mayKeep says whether a record is of a group that waits in its pool.
func (l *loop) mayKeep(p berth.PoolID, rec *berth.Keep) bool {
	g, _ := l.view.group(rec.Group)
	members := l.inGroup(rec.Group)
	if g == nil || g.State != berth.GroupPending || len(members) == 0 {
		return false
	}
	sub, _ := l.view.submission(members[0])
	return sub != nil && sub.Spec.Pool == p
}

// keepOn chooses again what is kept for a group, or keeps nothing for it any more.
func (l *loop) keepOn(g *gang, rec *berth.Keep, was berth.Revision, now time.Time) {
	if l.wentBefore(g) {
		l.keepOf(g.pool).without = now.Add(keptOffFor)
		l.writeKeep(g.pool, was, nil)
		return
	}
	members, _, ok := l.readyMembers(g.id, now)
	if !ok {
		return
	}
	next := (*berth.Keep)(nil)
	if !g.hopeless() {
		next = l.chooseKept(g, members, rec, now)
	}
	if !sameKeep(rec, next) {
		l.writeKeep(g.pool, was, next)
	}
}

// hopeless says whether nothing that is kept for a group would help it: also where it has to be
// near others, or apart from them, and that is not so, which no room mends.
func (g *gang) hopeless() bool {
	v := g.class.verdict
	return g.class.over > 0 || v != nil && (v.NeverFits || tells(v, berth.ReasonQuota, berth.ReasonAffinity, berth.ReasonAntiAffinity, berth.ReasonSpread, berth.ReasonTopology))
}

func tells(v *berth.Verdict, codes ...berth.ReasonCode) bool {
	return slices.ContainsFunc(v.Reasons, func(r berth.Reason) bool { return slices.Contains(codes, r.Code) })
}

// keepFirst keeps something for the first group of a pool that does not fit, and for which
// something can be kept, where this daemon plans it.
func (l *loop) keepFirst(p berth.PoolID, now time.Time) {
	if now.Before(l.keepOf(p).without) {
		return
	}
	for _, g := range l.firstGangs(p, now) {
		peer := l.peers.holder[groupKey(g.id)]
		if peer != nil && g.open() {
			if v := l.whyNotGroup(g.id); v != nil {
				peer.gangs.block(g, v, now)
			}
		}
		if g.open() {
			return // it is to be tried first
		}
		members, _, ok := l.readyMembers(g.id, now)
		info := l.groups[g.id]
		if g.hopeless() || !ok || now.Before(info.unkept) {
			continue
		}
		next := l.chooseKept(g, members, nil, now)
		if next == nil {
			info.unkept = now.Add(keptOffFor)
			if l.now().Sub(now) > keepMost {
				return
			}
			continue
		}
		if peer == nil {
			l.writeKeep(p, 0, next)
		}
		return
	}
}

// keepTries bounds the groups that are looked at, at a time.
const keepTries = 8

// firstGangs are the first groups of a pool, of all daemons, in the order of their turns: of those
// that could be helped, or may fit.
func (l *loop) firstGangs(p berth.PoolID, now time.Time) (firsts []*gang) {
	for _, gs := range append([]*gangs{l.gangs}, l.peersGangs()...) {
		for _, c := range gs.classes {
			if c.members[0].pool != p {
				continue
			}
			for i, n := 0, 0; i < len(c.members) && n < keepTries; i++ { // of equal ones, the first may not wait so long
				if g := c.members[i]; g.open() || !g.hopeless() && !now.Before(l.groups[g.id].unkept) {
					firsts = append(firsts, g)
					n++
				}
			}
		}
	}
	slices.SortFunc(firsts, func(a, b *gang) int { return cmp.Or(l.compareTurns(a.request, b.request), a.before(b)) })
	return firsts[:min(len(firsts), keepTries)]
}

// gangsIn says whether a group waits in a pool, with whomever.
func (l *loop) gangsIn(p berth.PoolID) bool {
	for _, gs := range append([]*gangs{l.gangs}, l.peersGangs()...) {
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

// wentBefore says whether something would have been placed that is kept off by what is kept for a
// group, and whose turn comes before: of a tenant with less, or of its own with a higher
// priority.
func (l *loop) wentBefore(g *gang) bool {
	own := l.turn(accountOf(g.request)).Share
	before := func(r *berth.Request, priority int32, v *berth.Verdict) bool {
		if v == nil || r.Pool != g.pool || !tells(v, berth.ReasonKept) {
			return false
		}
		if r.Tenant == g.request.Tenant {
			return priority > g.priority
		}
		return l.turn(accountOf(r)).Share < own
	}
	for _, q := range l.queues() {
		for _, c := range q.classes { // in which order decides nothing
			if w := c.members[0]; before(w.request, w.priority, c.verdict) {
				return true
			}
		}
	}
	for _, gs := range append([]*gangs{l.gangs}, l.peersGangs()...) {
		for _, c := range gs.classes {
			if o := c.members[0]; before(o.request, o.priority, c.verdict) {
				return true
			}
		}
	}
	return false
}
