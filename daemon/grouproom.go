package daemon

import (
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A group that does not fit may have others make room, on however many workers. One transaction
// tells them to stop and writes what is kept in the pool: what they free is kept for the group, so
// nobody else takes it, and when the last has ended the group is placed as any other. Where they
// are too many for one transaction several do so, each of which compares what the one before it
// has written.
//
// What is kept is one thing in a pool, so one group at a time has others make room there. It takes
// over what is kept for a group of lower priority, and for one of its own for which nobody makes room
// when a round of that is over (see roomSeekers). What is kept is not chosen anew while those who
// were told to stop have their grace, and nobody whose turn comes meanwhile gets it: they would end
// for nothing. They end all the same where the group is cancelled, or expires.

// seeksRoom says whether a group of this daemon's may have others make room in a pool.
func (l *loop) seeksRoom(p berth.PoolID) bool {
	for _, c := range l.gangs.classes {
		if g := c.members[0]; g.pool == p && g.request.Preemption == berth.PreemptionLower && !c.open() {
			return true
		}
	}
	return false
}

// roomSeekers are groups of a pool that may have others make room: the first by priority, and those that have not been asked for
// longest, so that who is behind many for which nobody can has a turn, too. They
// do not fit, and nothing is kept for a group that matters more. For one that matters as much,
// and for which nobody makes room, it is kept until the round is over: its places may never come free
// otherwise, while others would make room elsewhere for who comes behind it. Each round lasts as long as
// all before it, so it is given up rarely.
func (l *loop) roomSeekers(p berth.PoolID) (all []*gang) {
	rec, _ := l.keep(p)
	for _, c := range l.gangs.classes { // in which order decides nothing
		if g := c.members[0]; g.pool != p || g.request.Preemption != berth.PreemptionLower || c.open() || g.pastRoom() {
			continue
		}
		for _, g := range c.members[:min(len(c.members), keepTries)] { // of equal ones, the first may not wait so long
			if l.groupPreempts(g) && l.mayMakeRoom(g, rec) {
				all = append(all, g)
			}
		}
	}
	slices.SortFunc(all, (*gang).before)
	firsts, rest := all[:min(len(all), keepTries)], all[min(len(all), keepTries):]
	slices.SortStableFunc(rest, func(a, b *gang) int { return l.groups[a.id].noRoom.Compare(l.groups[b.id].noRoom) })
	return append(firsts, rest[:min(len(rest), keepTries)]...)
}

// mayMakeRoom says whether room may be made for a group beside what is kept in its pool.
func (l *loop) mayMakeRoom(g *gang, rec *berth.Keep) bool {
	return rec == nil || rec.Group == g.id || l.groupPriority(rec.Group) < g.priority || l.besideKept(g, rec) && l.roundOver(rec)
}

// besideKept says whether what is kept is for another group that matters as much as this one, and for which nobody makes room, or can:
// that for this one is made elsewhere.
func (l *loop) besideKept(g *gang, rec *berth.Keep) bool {
	if rec == nil || rec.Group == g.id || l.groupPriority(rec.Group) != g.priority {
		return false
	}
	members := l.inGroup(rec.Group)
	if len(members) == 0 {
		return false
	}
	sub, _ := l.view.submission(members[0])
	return sub != nil && (sub.Spec.Preemption != berth.PreemptionLower || rec.MadeRoom.IsZero() && !l.endsForKept(rec))
}

// endsForKept says whether somebody is still to make room where something is kept.
func (l *loop) endsForKept(rec *berth.Keep) bool {
	return slices.ContainsFunc(rec.Workers, func(k berth.KeptWorker) bool {
		return slices.ContainsFunc(l.view.on[k.Worker], func(x *life) bool {
			return x.isOn(k.Worker) && x.stop != nil && makesRoom(x.stop)
		})
	})
}

// roundOver says whether the round has ended in which what is kept was chosen.
func (l *loop) roundOver(rec *berth.Keep) bool {
	since := rec.Since
	if info := l.groups[rec.Group]; info != nil && !info.keptSince.IsZero() {
		since = info.keptSince
	}
	return scheduler.Round(l.now().Sub(since).Milliseconds()) != scheduler.Round(rec.Chosen.Sub(since).Milliseconds())
}

// groupPreempts says whether a group may have others make room: it had not to do so itself, nor to
// give back what it used, when it ran last. Of a record that does not tell, none of its members had to.
func (l *loop) groupPreempts(g *gang) bool {
	if rec, _ := l.view.group(g.id); rec != nil && rec.LastEnd != "" {
		return !rec.LastEnd.MadeRoom()
	}
	return !slices.ContainsFunc(l.inGroup(g.id), func(id berth.RequestID) bool {
		prog, _ := l.view.progress(id)
		return prog != nil && prog.LastEnd.MadeRoom()
	})
}

// roomMayBeMade says whether others may yet make room for a group that a drain has moved.
func (l *loop) roomMayBeMade(g *gang) bool {
	return g.request.Preemption == berth.PreemptionLower && !g.pastRoom() && !l.groups[g.id].inVain && l.groupPreempts(g)
}

// groupPriority is that of a group's first member; of one that is gone, below all.
func (l *loop) groupPriority(id berth.GroupID) int32 {
	members := l.inGroup(id)
	if len(members) == 0 {
		return scheduler.PriorityLeaving
	}
	sub, seq := l.view.submission(members[0])
	if sub == nil {
		return scheduler.PriorityLeaving
	}
	prog, _ := l.view.progress(members[0])
	return waitingOf(members[0], sub, seq, prog).priority
}

// admitRoom has others make room for the first group that they can make it for, in a plan of its
// own. It says whether there was one.
func (l *loop) admitRoom(b *builder) bool {
	for _, p := range slices.Sorted(maps.Keys(l.rooms)) {
		delete(l.rooms, p)
		l.due.add(keepKey(p))
		if s := l.keepOf(p); s.writing || l.flights.keeps[p] != nil || !l.mayPlace() || l.braked(p, b.now) || l.view.unreadable(keepKey(p)) {
			s.asked = true
			continue
		}
		for _, g := range l.roomSeekers(p) {
			if b.makeRoomFor(g) {
				l.keepOf(p).asked = false // there may be more of them
				return true
			}
			l.groups[g.id].noRoom = b.now
		}
	}
	return false
}

// makeRoomFor tells those to stop who make room for a group; false: nobody can, or its quota has
// no room.
func (b *builder) makeRoomFor(g *gang) bool {
	l := b.l
	rec, was := l.view.group(g.id)
	members, _, ok := l.readyMembers(g.id, b.now)
	if rec == nil || rec.State != berth.GroupPending || !ok || l.flights.groups[g.id] != nil || l.groupOverQuota(g.id, rec, members) != nil {
		return false
	}
	defer l.holds.admit(l, g.id)()
	d, ok := l.roomOfGroup(g, rec, members, b)
	if info := l.groups[g.id]; info.inVain != !ok {
		info.inVain = !ok
		l.due.add(tenantKey(g.request.Tenant))
	}
	if !ok || slices.ContainsFunc(d.Workers, func(k berth.KeptWorker) bool { return l.unsure(members[0], k.Worker) }) {
		return false
	}
	b.keepRoom(g, &d)
	b.guard(berth.Guard{Key: groupKey(g.id), Was: was})
	stopped := 0
	for _, id := range d.Victims {
		if b.members > 1 && (b.ops.plus(opsStop).plus(opsGroup).most() > b.maxOps || b.bytes+bytesStop+bytesEnd > int64(l.store.Limits().Bytes)*2/3) {
			break // the rest when this is done
		}
		b.orderAway(l.view.lives[id], berth.StopPreempt, makesRoomFor(berth.RequestID("group "+g.id)))
		stopped++
	}
	l.log.Info("requests make room for a group", zap.String("group", string(g.id)), zap.Int32("priority", g.priority), zap.String("pool", string(g.pool)),
		zap.Int("workers", len(d.Workers)), zap.Int("stopped", stopped), zap.Int("victims", len(d.Victims)), zap.Int("cost", d.Cost))
	l.metrics.preempted.Add(float64(stopped))
	b.batch = 1 // it is not halved
	return true
}

// roomOfGroup chooses who makes room for a group, in the first way for which that can be; false: there is none.
func (l *loop) roomOfGroup(g *gang, rec *berth.Group, members []*waiting, b *builder) (scheduler.GangRoom, bool) {
	ways := []gangWay{{members: members}}
	if st := l.limited(g.request); st != nil {
		of := l.balance(accountOf(g.request), st, b)
		ways = l.affordable(of.of(askedByGroup(g)), min(l.needs(g.id, rec), int64(len(members))), members)
	}
	kept, _ := l.keep(g.pool)
	defer l.butOwn(g)()
	for _, as := range ways {
		ask := l.gangOf(g.id, rec, as.members)
		ask.Beside = l.besideKept(g, kept)
		ask.Left, ask.Members[0].Patience = kindsOf(as.left), l.patienceOf(members[0], b.now)
		d, ok := l.fleet.PreemptGang(ask, l.residents(b.now))
		if ok && !l.roomExceeds(g, &d, b) {
			return d, true
		}
		if d.Anyway {
			break
		}
	}
	return scheduler.GangRoom{}, false
}

// affordable are the ways in which a group's quota has room for it: with the types of devices of which there is enough for as many members
// as must begin, by any of these alone; and with so much of each type as there is, for members of several. The first is found sooner, and by
// the fewest who end.
func (l *loop) affordable(s *balance, least int64, members []*waiting) []gangWay {
	r := members[0].request
	ways := []gangWay{{members: l.restricted(members, s.typed(r, least, s.takeable))}}
	if severalTypes(r) && len(r.Resources.Devices) > 0 {
		if both := l.wayOf(r, members, s, s.takeable); len(both.left) > 0 {
			ways = append(ways, both)
		}
	}
	return ways
}

// roomExceeds says whether what a group would get is more than its quota has room for, or could:
// of members that name no types of devices, that is known only now.
func (l *loop) roomExceeds(g *gang, d *scheduler.GangRoom, b *builder) bool {
	st := l.limited(g.request)
	if st == nil {
		return false
	}
	var sum berth.Amounts
	for i := range d.Workers {
		next, err := sum.Plus(berth.AmountsOf(&d.Workers[i].Share, &l.fleet.Worker(d.Workers[i].Worker).Ledger.Capacity))
		if err != nil {
			return true
		}
		sum = next
	}
	s := l.balance(accountOf(g.request), st, b)
	return !s.of(askedByGroup(g)).allFree(sum)
}

// makesRoom is the group of an account, planned here, for which others are making room, and how much of the quota it is to
// have then; nil: there is none. What its tenant had lent comes back with the room, to whoever waits for it.
func (l *loop) makesRoom(of account, s *balance, now time.Time) (a asking, need berth.Amounts) {
	rec, _ := l.keep(of.pool)
	if rec == nil || rec.MadeRoom.IsZero() {
		return a, nil
	}
	g := l.gangs.of[rec.Group]
	if g == nil || accountOf(g.request) != of || !l.roomComesBy(of.pool, rec, now, preempts) || !l.couldEver(g.request, g.need, s) {
		return a, nil
	}
	for i := range rec.Workers {
		on := l.fleet.Worker(rec.Workers[i].Worker)
		if on == nil {
			continue
		}
		for d, v := range berth.AmountsOf(&rec.Workers[i].Share, &on.Ledger.Capacity) {
			if s.limits(d) {
				if need == nil {
					need = make(berth.Amounts)
				}
				need[d] += v
			}
		}
	}
	return askedByGroup(g), need
}

// seeRoom notes since when room is made in a pool, by this daemon's clock.
func (l *loop) seeRoom(p berth.PoolID, is *berth.Keep, mod berth.Revision) {
	if is == nil {
		return
	}
	if s := l.keepOf(p); !is.MadeRoom.Equal(s.madeRoom) {
		s.madeRoom, s.roomSince = is.MadeRoom, l.since(is.MadeRoom, l.now(), mod)
	}
}

// roomTaker is the first member of a group for which others make room in a pool, or have and it is not placed yet; nil: there is none.
func (l *loop) roomTaker(p berth.PoolID) *berth.Request {
	rec, _ := l.keep(p)
	if rec == nil || rec.MadeRoom.IsZero() {
		return nil
	}
	for _, m := range l.inGroup(rec.Group) {
		if sub, _ := l.view.submission(m); sub != nil {
			return &sub.Spec
		}
	}
	return nil
}

// markRoom has the quota looked at of a group for which others make room, or have.
func (l *loop) markRoom(k *berth.Keep) {
	if k.MadeRoom.IsZero() {
		return
	}
	if g := l.gangs.of[k.Group]; g != nil && l.limited(g.request) != nil {
		l.due.add(tenantKey(g.request.Tenant))
	}
}

// keepRoom writes where room is made, in place of what was kept in the pool.
func (b *builder) keepRoom(g *gang, d *scheduler.GangRoom) {
	next := b.keepOf(g.id, d)
	if since := b.l.groups[g.id].keptSince; !since.IsZero() && since.Before(next.Since) {
		next.Since = since
	}
	next.MadeRoom = next.Chosen
	was, _ := b.l.keep(g.pool)
	b.keep(g.pool, was.Instead(next))
	b.add(ops{}, 0, keepKey(g.pool))
	for i := range next.Workers {
		if k := &next.Workers[i]; !k.Share.IsZero() {
			b.countClaimed(g.request, k.Worker)
		}
	}
}

// keepOf is what is kept for a group where it has room once others have ended.
func (b *builder) keepOf(id berth.GroupID, d *scheduler.GangRoom) berth.Keep {
	now := b.now.UTC().Truncate(time.Millisecond)
	k := berth.Keep{Group: id, Since: now, Chosen: now, Workers: withinBytes(d.Workers)}
	if d.Within > 0 {
		k.By = now.Add(time.Duration(d.Within) * time.Millisecond)
	}
	return k
}

// keep writes what is kept in a pool.
func (b *builder) keep(p berth.PoolID, next berth.Keep) {
	_, was := b.l.keep(p)
	next.Beside = besideWithin(&next)
	b.plan.Keeps = append(b.plan.Keeps, berth.KeepWrite{Pool: p, Was: was, Keep: next})
	b.ops = b.ops.plus(opsBlock)
	b.bytes += keptBytes(next.All())
}

// residents tells who is on a worker that may make room for a group: nobody where a request has a
// claim, who comes first there.
func (l *loop) residents(now time.Time) func(berth.WorkerID) []scheduler.Occupant {
	return func(w berth.WorkerID) (all []scheduler.Occupant) {
		ledger, _ := l.view.ledger(w)
		claimed := ledger != nil && len(ledger.Claims) > 0
		for _, x := range l.view.on[w] {
			if x.spec == nil || !x.isOn(w) || l.flights.requests[x.id] != nil || waitedFor(ledger, x.id) {
				continue
			}
			o, ok := l.occupantOf(w, x)
			switch {
			case ok && (o.Leaving || !claimed):
			case !ok && x.placedWhole() && l.goesAnyway(x, w): // it is about to be told so
				o = scheduler.Occupant{Request: x.id, Share: x.terms.share, Labels: x.spec.request.Labels, Leaving: true}
			default:
				continue
			}
			o.Grace = x.spec.request.StopTimeoutMS
			if o.Left = leftOf(x, now); o.Leaving && x.exit == nil && x.stop == nil {
				o.Left = o.Grace
			}
			all = append(all, o)
		}
		return all
	}
}

// roomComes says whether some of those who make room for what is kept are still there, within
// their grace and what it takes to end them. Deadlines are by the clock of the daemon that told them: so how
// long they have counts from when this one saw that room is made.
func (l *loop) roomComes(p berth.PoolID, rec *berth.Keep, now time.Time) bool {
	return l.roomComesBy(p, rec, now, makesRoom)
}

// roomComesBy is that of those with stop orders of a kind.
func (l *loop) roomComesBy(p berth.PoolID, rec *berth.Keep, now time.Time, by func(*berth.StopOrder) bool) bool {
	if rec.MadeRoom.IsZero() {
		return false
	}
	began := l.keepOf(p).roomSince
	return slices.ContainsFunc(rec.Workers, func(k berth.KeptWorker) bool {
		return slices.ContainsFunc(l.view.on[k.Worker], func(x *life) bool {
			return x.isOn(k.Worker) && x.stop != nil && by(x.stop) && now.Before(began.Add(x.stop.Deadline.Sub(rec.MadeRoom)+keepEvery))
		})
	})
}

func eachKeep(p *berth.Plan, do func(berth.PoolID)) {
	for i := range p.Keeps {
		do(p.Keeps[i].Pool)
	}
}
