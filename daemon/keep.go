package daemon

import (
	"errors"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
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
// worker of the pool: so choosing is a small part of the time. It is done in parts, between
// which everything else goes on.
const (
	keepAfter = 10 * time.Millisecond // when one was tried in vain: what is behind it is tried meanwhile, so that it is not by chance which of these has what is free
	keepEvery = time.Second
	keepEach  = 200 * time.Microsecond
	keepPart  = 20                   // of the time that choosing takes, at least, nothing is chosen
	keepLooks = 2048                 // workers and allocations that are looked at in a part: less than a millisecond
	keepRest  = 2 * time.Millisecond // between two parts, at least, and keepShare times what one takes
	keepShare = 4
)

// keepState is what a daemon keeps of a pool beside the record.
type keepState struct {
	writing bool
	failed  time.Time     // nothing is written before
	next    time.Time     // nothing is chosen before
	without time.Time     // nothing is kept before: it kept off who goes first
	gave    berth.GroupID // for which something was then
	choice  *keepChoice   // that is being made, or nil
	looks   int           // that are left of a part
	took    time.Duration // by the parts of this time
	asked   bool          // who could make room was, before this choice
	again   []berth.Key   // to be looked at when what is being written is

	madeRoom  time.Time // by the record: room is made since then
	roomSince time.Time // by this daemon's clock

	leftSince time.Time // a peer could keep something for a group of its own, and nothing is
	served    bool      // the last that had its places by what was kept has left nothing to those who are older, and equal
	yields    bool      // what waits alone is to be looked at before the groups, once nothing is kept: one has given it up

	coming   []placing   // of the group for which room is made: see seeComing
	comingOf *berth.Keep // by which record
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
		for _, g := range k.Groups() {
			l.due.add(groupKey(g)) // it is alone in its class, or is so no more
		}
		l.markRoom(k)
	}
	if is != nil && slices.ContainsFunc(was.Groups(), func(g berth.GroupID) bool { return is.For(g) == nil }) {
		s := l.keepOf(p) // who was kept off by what is given up is tried first, before more is for the same
		s.next = latest(s.next, l.now().Add(keepEvery))
	}
	l.seeRoom(p, is, f.Mod)
	if was != nil && !was.MadeRoom.IsZero() && (is == nil || is.Group != was.Group || is.MadeRoom.IsZero()) {
		l.callBack()
	}
	for _, w := range changedIn(was, is) {
		if l.fleet.Worker(w) != nil {
			l.wake(w, p)
			if l.anyPreempts() {
				l.wakePreemptors(w, p)
			}
		}
	}
}

// changedIn are the workers that may have more to give, to anybody, than they had.
func changedIn(was, is *berth.Keep) (out []berth.WorkerID) {
	if was == nil {
		return nil
	}
	other := !openUntil(was).Equal(openUntil(is))
	for _, g := range was.Groups() {
		var same []berth.KeptWorker
		if !other {
			same = is.For(g)
		}
		for _, w := range was.For(g) {
			if !slices.ContainsFunc(same, func(o berth.KeptWorker) bool { return sameKept(w, o) }) {
				out = append(out, w.Worker)
			}
		}
	}
	return out
}

// markKeepFor looks at what is kept for a group that has changed.
func (l *loop) markKeepFor(g berth.GroupID) {
	for k, f := range l.view.whole[berth.KindKeep] { // it waits in one pool
		if r, ok := f.Record.(*berth.Keep); ok && r.For(g) != nil {
			l.due.add(k)
		}
	}
}

// tellKept puts behind why a group does not fit on how many workers something is kept for it.
func tellKept(v *berth.Verdict, id berth.GroupID, k *berth.Keep) {
	workers := k.For(id)
	if workers == nil {
		return
	}
	r := berth.Reason{Code: berth.ReasonKept, Detail: string(id)}
	for i := range workers {
		if workers[i].Share.IsZero() {
			continue
		}
		if r.Workers++; len(r.Some) < 3 {
			r.Some = append(r.Some, workers[i].Worker)
		}
	}
	v.Reasons = append(v.Reasons, r)
}

// isKept says whether something is kept for a group.
func (l *loop) isKept(g *gang) bool {
	k, _ := l.keep(g.pool)
	return k.For(g.id) != nil
}

// lookKeep finds what is to be kept in a pool now.
func (l *loop) lookKeep(p berth.PoolID, now time.Time) {
	k := keepKey(p)
	l.settle(k)
	l.seeComing(p)
	s := l.keepOf(p)
	switch {
	case s.writing: // it is due again when that has its answer
		return
	case l.flights.keeps[p] != nil:
		f := l.flights.keeps[p]
		f.again = append(f.again, k)
		return
	case now.Before(s.failed):
		l.timers.set(k, s.failed)
		return
	}
	rec, was := l.keep(p)
	switch {
	case l.view.unreadable(k):
		l.dropUnreadKeep(p)
		return
	case rec == nil && s.choice == nil && !l.gangsIn(p):
		l.restKeep(p, now)
		return
	case rec != nil && !l.mayKeep(p, rec.Group, now):
		s.choice = nil
		if !l.behind(k, k) && l.mayAct(k, l.share.ofTask(string(k.Kind)+"/"+k.ID)) {
			l.writeKeep(p, was, l.stillBeside(p, rec, now).Without(rec.Group))
		}
		return
	case rec != nil:
		if left := l.stillBeside(p, rec, now); len(left.Beside) < len(rec.Beside) {
			l.writeKeep(p, was, left)
			return
		}
	}
	switch {
	case !l.mayPlace():
		l.timers.set(k, now.Add(keepEvery))
	case now.Before(s.next):
		l.timers.set(k, s.next)
	default:
		l.chooseFor(p, rec, was, now)
	}
}

// restKeep forgets a pool where no group waits, when nothing that is known of it means anything for the next that does.
func (l *loop) restKeep(p berth.PoolID, now time.Time) {
	s := l.keepOf(p)
	switch {
	case now.Before(s.without):
		l.timers.set(keepKey(p), s.without)
	case s.served && l.waitsIn(p):
		l.timers.set(keepKey(p), now.Add(keptOffFor))
	default:
		delete(l.keeps, p)
	}
}

// waitsIn says whether anything waits alone in a pool, with whomever.
func (l *loop) waitsIn(p berth.PoolID) bool {
	for _, q := range l.queues() {
		for _, c := range q.classes {
			if c.pool == p {
				return true
			}
		}
	}
	return false
}

// chooseFor makes a part of a choice, and sets when the next is to be made.
func (l *loop) chooseFor(p berth.PoolID, rec *berth.Keep, was berth.Revision, now time.Time) {
	s, began := l.keepOf(p), l.now()
	if s.choice == nil && !s.asked && l.seeksRoom(p) {
		s.asked = true
		l.rooms[p] = struct{}{} // it is due again behind that
		return
	}
	s.looks = keepLooks
	done := l.chooseIn(p, rec, was, now)
	ends := l.now()
	took := ends.Sub(began)
	if s.took += took; done { // what it took is to be a small part, whatever it was
		s.next = ends.Add(max(keepEvery+time.Duration(l.brakes.alive[p])*keepEach, keepPart*s.took))
		s.took, s.choice, s.asked = 0, nil, false
	} else {
		s.next = ends.Add(max(keepRest, keepShare*took))
	}
	l.timers.set(keepKey(p), s.next)
}

// chooseIn chooses for whom something is kept in a pool, and what; done: not only a part of it.
func (l *loop) chooseIn(p berth.PoolID, rec *berth.Keep, was berth.Revision, now time.Time) (done bool) {
	if rec == nil {
		return l.keepFirst(p, now)
	}
	l.keepOf(p).leftSince = time.Time{}
	if l.besideGivesWay(rec, now) {
		return true
	}
	g := l.keptGang(rec.Group, now)
	return g == nil || l.keepOn(g, rec, was, now) // nil: another daemon plans it, or its plan is in flight
}

// dropUnreadKeep has a record go that nobody can read: nothing is kept by it, nor could be for
// anybody while it is there. One of a newer program's is left to that.
func (l *loop) dropUnreadKeep(p berth.PoolID) {
	k := keepKey(p)
	f := l.view.whole[berth.KindKeep][k]
	if bad, ok := f.Record.(*etcdstore.Undecodable); !ok || errors.Is(bad.Err, etcdstore.ErrNewerRecord) {
		return
	}
	if l.mayAct(k, l.share.ofTask(string(k.Kind)+"/"+k.ID)) {
		l.writeKeep(p, f.Mod, nil)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mayKeep says whether a group for which something is kept waits in that pool, and not for the end of a
// long backoff, nor with a member of which nothing can be known.
func (l *loop) mayKeep(p berth.PoolID, id berth.GroupID, now time.Time) bool {
	g, _ := l.view.group(id)
	members := l.inGroup(id)
	if g == nil || g.State != berth.GroupPending || len(members) == 0 || slices.ContainsFunc(members, l.corrupt) {
		return false
	}
	if _, at, _ := l.readyMembers(id, now); at.After(now.Add(keptOffFor)) {
		return false
	}
	sub, _ := l.view.submission(members[0])
	return sub != nil && sub.Spec.Pool == p
}
