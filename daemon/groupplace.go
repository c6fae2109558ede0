package daemon

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// gang is a group that waits for its place.
type gang struct {
	id       berth.GroupID
	pool     berth.PoolID
	priority int32
	seq      berth.Revision // of its record: first come, first placed
	size     int64          // members that wait
	need     int64          // so many of them must be placed together
	request  *berth.Request // the first member's
	like     string         // equal for those of which a verdict is the same: see gangLike
	class    *gangClass     // those, while it waits
	asked    bool           // its daemon has asked the fleet for it, which counts for what is usual
}

// before is a total order: priority, age, id.
func (g *gang) before(o *gang) int {
	return cmp.Or(cmp.Compare(o.priority, g.priority), cmp.Compare(g.seq, o.seq), cmp.Compare(g.id, o.id))
}

// beforeOne says whether it comes before a request of its tenant that waits alone.
func (g *gang) beforeOne(w *waiting) bool {
	return cmp.Or(cmp.Compare(w.priority, g.priority), cmp.Compare(g.seq, w.seq)) < 0
}

// gangs are the groups that wait, in classes of equal ones: where one does not fit, none
// of them does. A class that did not fit is tried again when workers have so much more to
// give that one might, and not sooner than its size allows: see tryPause.
type gangs struct {
	of      map[berth.GroupID]*gang
	classes map[string]*gangClass
	asks    map[account]map[*gangClass]struct{}
	over    shelves[*gangClass] // those whose tenant's quota has no room
	more    shelves[*gangClass] // of these, those that wait for more of their members than must be placed together

	narrowed map[account]map[*gangClass]struct{} // as of a queue

	// spent are the members that were tried in vain since the loop has heard calls.
	spent int64

	// turn: they come before what else is to be planned, and after it by turns.
	turn bool

	// last: what waits alone has been looked at for this plan, and nothing came of it.
	last bool

	// holdOff: one has found its place, of which a part is in flight. Nothing is sent
	// before that has its answer: something always is, and it would wait for ever.
	holdOff bool
}

func newGangs() *gangs {
	return &gangs{
		of: make(map[berth.GroupID]*gang), classes: make(map[string]*gangClass), asks: make(map[account]map[*gangClass]struct{}), narrowed: make(map[account]map[*gangClass]struct{}),
		over: newGangShelves(), more: newGangShelves(),
	}
}

func newGangShelves() shelves[*gangClass] {
	return shelves[*gangClass]{
		before: func(a, b *gangClass) bool { return a.members[0].before(b.members[0]) < 0 },
		asks:   func(c *gangClass) asking { return askedByGroup(c.members[0]) },
		of:     make(map[account]shelf[*gangClass]),
	}
}

// tryPause is how long, for each of its members, a group that did not fit is left
// alone: so what trying costs is a small part of the time.
const tryPause = 250 * time.Microsecond

// put adds a group; one that waits already keeps its place.
func (s *gangs) put(g *gang) {
	if was := s.of[g.id]; was != nil {
		if was.before(g) == 0 && was.like == g.like {
			return
		}
		s.remove(g.id)
	}
	s.of[g.id] = g
	g.class = s.classes[g.like]
	if g.class == nil {
		g.class = &gangClass{}
		s.classes[g.like] = g.class
		of := accountOf(g.request) // all of a class are of one
		if s.asks[of] == nil {
			s.asks[of] = make(map[*gangClass]struct{}, 1)
		}
		s.asks[of][g.class] = struct{}{}
	}
	s.unshelve(g.class)
	g.class.add(g)
	s.shelve(g.class)
}

func (s *gangs) remove(id berth.GroupID) {
	g := s.of[id]
	if g == nil {
		return
	}
	delete(s.of, id)
	s.unshelve(g.class)
	g.class.remove(g)
	s.shelve(g.class)
	if len(g.class.members) == 0 {
		of := accountOf(g.request)
		s.widen(g.class, of)
		delete(s.classes, g.like)
		if delete(s.asks[of], g.class); len(s.asks[of]) == 0 {
			delete(s.asks, of)
		}
	}
}

// first is the first of the classes that may be.
func (s *gangs) first(may func(*gangClass) bool) (first *gang) {
	for _, c := range s.classes { // their order is total
		if g := c.members[0]; may(c) && (first == nil || g.before(first) < 0) {
			first = g
		}
	}
	return first
}

// firstAsking is the first of an account's classes that may be.
func (s *gangs) firstAsking(of account, may func(*gangClass) bool) (first *gang) {
	for c := range s.asks[of] { // their order is total
		if g := c.members[0]; may(c) && (first == nil || g.before(first) < 0) {
			first = g
		}
	}
	return first
}

// open says whether a group may fit.
func (g *gang) open() bool { return g.class.open() }

// anyOpen says whether one may fit.
func (s *gangs) anyOpen() bool { return s.first((*gangClass).open) != nil }

// block notes that a group did not fit, and none of those that are equal.
func (s *gangs) block(g *gang, v *berth.Verdict, now time.Time) {
	s.spent += g.size
	s.unshelve(g.class)
	s.widen(g.class, accountOf(g.request))
	g.class.block(v, now.Add(time.Duration(g.size)*tryPause))
}

// blockedCount is how many members wait in groups that fit nowhere now: those of a class are equal.
func (s *gangs) blockedCount() (n int) {
	for _, c := range s.classes {
		if !c.open() {
			n += len(c.members) * int(c.members[0].size)
		}
	}
	return n
}

// wake notes that a worker of a pool has more to give: room for so many members.
func (s *gangs) wake(pool berth.PoolID, w berth.WorkerID, room func(*berth.Request, berth.WorkerID) int) {
	for _, c := range s.classes { // none changes what another has room for
		if first := c.members[0]; first.pool == pool && !c.open() {
			c.gains(w, room(first.request, w))
		}
	}
}

// wakeRelated lets the groups of a pool be tried again whose places depend on where
// other requests are.
func (s *gangs) wakeRelated(pool berth.PoolID) {
	for _, c := range s.classes {
		if first := c.members[0]; first.pool == pool && first.request.Related() {
			c.wake()
		}
	}
}

// ofGroup is who plans a group, of which r is a member: where its places depend on
// those of other requests, who plans those.
func (s *share) ofGroup(r *berth.Request) berth.DaemonID {
	key := string(r.Group.ID)
	if r.Related() {
		key = keyOf(r)
	}
	if among := s.planners[r.Pool]; len(among) > 0 {
		return s.highest(among, key)
	}
	return s.highest(s.awake, key)
}

// couldPlaceGroup says whether a group of a peer's fits; those that do not are blocked
// until capacity wakes them.
func (l *loop) couldPlaceGroup(p *peer) bool {
	for g := p.gangs.first((*gangClass).open); g != nil; g = p.gangs.first((*gangClass).open) {
		v := l.whyNotGroup(g.id)
		if v == nil {
			return true
		}
		p.gangs.block(g, v, l.now())
	}
	return false
}

// whyNotGroup is why a group that waits fits nowhere now, or nil.
func (l *loop) whyNotGroup(id berth.GroupID) *berth.Verdict {
	rec, _ := l.view.group(id)
	members, _, ok := l.readyMembers(id, l.now())
	if rec == nil || !ok {
		return nil
	}
	r := members[0].request
	if short := l.groupOverQuota(id, rec, members); short != nil {
		l.balanceOfGroup(id, l.limited(r), members).tellMix(short, r, min(l.needs(id, rec), int64(len(members))), l.fitting(r))
		d := l.fleet.PlaceGang(l.gangOf(id, rec, members))
		l.fleet.Undo(d)
		v := groupWithQuota(d.Verdict, short)
		v.At = l.view.revision
		k, _ := l.keep(r.Pool)
		tellKept(v, id, k)
		return v
	}
	v := l.whyNoWorkers(id, rec, members)
	if v == nil {
		return nil
	}
	victims, on := l.roomOf(id, r.Pool)
	return tellMaking(v, victims, on)
}

// whyNoWorkers is why the members of a group have no places now with what its quota might let them have, or nil.
func (l *loop) whyNoWorkers(id berth.GroupID, rec *berth.Group, members []*waiting) *berth.Verdict {
	d := l.choosePlaces(id, rec, l.withinQuota(id, members))
	l.fleet.Undo(d)
	if d.Verdict == nil {
		return nil
	}
	d.Verdict.At = l.view.revision
	r := members[0].request
	l.tellTypesShort(r, l.needs(id, rec), d.Verdict, func() *balance { return l.balanceOfGroup(id, l.limited(r), members) })
	k, _ := l.keep(r.Pool)
	tellKept(d.Verdict, id, k)
	return d.Verdict
}

// groupWithQuota is why a group waits that its tenant's quota has no room for: for that, unless
// the workers that are there could never take it.
func groupWithQuota(v, short *berth.Verdict) *berth.Verdict {
	if v == nil || !neverAlone(v) || short.NeverFits {
		return short
	}
	withQuota(v, short)
	return v
}

// rehomeGroups looks at all groups that wait, with whomever.
func (l *loop) rehomeGroups() {
	ids := slices.Collect(maps.Keys(l.gangs.of))
	for _, p := range l.peers.sorted {
		ids = slices.AppendSeq(ids, maps.Keys(p.gangs.of))
	}
	slices.Sort(ids)
	for _, id := range ids {
		l.due.add(groupKey(id))
	}
}

// admitGroup places the first group that fits, of those whose turn it is, in a plan of its own, and says whether
// nothing else is to be planned now.
func (l *loop) admitGroup(b *builder) bool {
	if !l.mayPlace() {
		return false
	}
	for all := l.gangsInTurn(b.now); len(all) > 0; {
		if l.gangs.spent >= spendMost {
			l.timers.set(triesKey, b.now)
			return false
		}
		class := all[0].class
		if l.tryGang(all[0].gang, b) || l.gangs.holdOff {
			return true
		}
		if all = all[1:]; class.toTry(b.now) { // it is not there any more, and another one is
			all = l.gangsInTurn(b.now)
		}
		if len(all) > 0 && !l.isTurnOf(all[0].gang) { // the next one may be behind what waits alone
			return false
		}
	}
	return false
}

// placeGang places a group, or sets the verdict on it.
func (l *loop) placeGang(g *gang, b *builder) bool {
	rec, _ := l.view.group(g.id)
	members, _, ok := l.readyMembers(g.id, b.now)
	if rec == nil || rec.State != berth.GroupPending || !ok || l.flights.groups[g.id] != nil {
		l.gangs.remove(g.id)
		l.due.add(groupKey(g.id))
		return false
	}
	allowed, ok := l.allowGroup(g, rec, members, b)
	if !ok {
		return false
	}
	defer l.holds.admit(l, g.id)()
	basis := l.planBasis(b) // before the fleet has reserved
	d, as, needs := l.chooseWay(g, rec, allowed, b)
	if needs == nil && d.Verdict == nil && l.isKept(g) {
		l.fleet.Undo(d)
		if yields := l.takesBefore(g); yields > 0 {
			l.yieldKept(g, b.now, yields)
			return false
		}
		d, as, needs = l.chooseWay(g, rec, allowed, b)
	}
	if needs != nil {
		l.blockForAmounts(g, &d, needs, b)
		return false
	}
	if d.Verdict != nil {
		d.Verdict.At = l.view.revision
		l.tellTypesShort(g.request, g.need, d.Verdict, func() *balance {
			of := l.balance(accountOf(g.request), l.limited(g.request), b)
			return of.of(askedByGroup(g))
		})
		l.gangs.block(g, d.Verdict, b.now)
		l.noteNarrow(g, b)
		l.timers.set(triesKey, g.class.tryAt) // it may be woken before
		l.timers.set(keepKey(g.pool), b.now.Add(keepAfter))
		l.hurryRoom(g, rec)
		l.leavesQuota(g.request, asked{group: g.id})
		for _, m := range members {
			l.touched(m.id)
		}
		return false
	}
	if l.unsureOfGroup(members, d.Placed) { // they are looked at again when the watch has told
		l.gangs.remove(g.id)
		return false
	}
	if slices.ContainsFunc(d.Placed, func(one scheduler.Decision) bool { return l.flights.workers[one.Worker] != nil }) {
		l.fleet.Undo(d)
		l.gangs.holdOff = true
		return false
	}
	if stale := l.staleOf(d, b); len(stale) > 0 {
		l.fleet.Undo(d)
		for _, w := range stale {
			l.due.add(workerKey(w))
		}
		l.gangs.remove(g.id)
		l.due.add(groupKey(g.id)) // behind them
		return false
	}
	if l.gangLeaves(g, d, b) {
		g.class.tryAt = b.now.Add(restMost)
		l.timers.set(triesKey, g.class.tryAt)
		return false
	}
	if l.isKept(g) {
		l.keepOf(g.pool).served = true
	}
	l.gangs.remove(g.id)
	b.basis = basis
	basis.record.Group = &berth.PlannedGroup{ID: g.id, Of: len(as.members), Kept: d.Given, Left: kindsOf(as.left)}
	if !sameTypes(members[0].request, as.members[0].request) {
		basis.record.Group.Types = typesOf(as.members[0].request)
	}
	b.placeGroup(g.id, d, members)
	return true
}

// needs is how many of a group's members must be placed together.
func (l *loop) needs(id berth.GroupID, rec *berth.Group) int64 {
	return needs(rec, int64(len(l.inGroup(id))))
}

// needs is that where so many members have not ended.
func needs(rec *berth.Group, left int64) int64 {
	return max(rec.MinCount-succeeded(rec, left), 1)
}

// choosePlaces asks the fleet where a group goes: where it had gone, if a conflict was
// in its way, or anywhere.
func (l *loop) choosePlaces(id berth.GroupID, rec *berth.Group, as gangWay) scheduler.GangDecision {
	ask := l.gangOf(id, rec, as.members)
	ask.Left = kindsOf(as.left)
	if chosen := l.groups[id].chosen; l.holds.of[id] != nil && len(chosen) >= ask.Need && len(chosen) <= len(as.members) {
		if d, ok := l.fleet.PlaceGangOn(ask, chosen); ok {
			return d
		}
	}
	return l.fleet.PlaceGang(ask)
}

// gangOf is a group as the fleet is asked for it.
func (l *loop) gangOf(id berth.GroupID, rec *berth.Group, members []*waiting) scheduler.Gang {
	ask := scheduler.Gang{
		Need: int(l.needs(id, rec)), Topology: members[0].request.Group.Topology, Linked: members[0].request.Group.Linked,
		Members: make([]scheduler.Candidate, len(members)),
	}
	for i, m := range members {
		ask.Members[i] = m.candidate()
	}
	return ask
}

// staleOf are the workers of a decision that have no room in the view: the fleet may
// hold what was given up, or lack another daemon's reservations.
func (l *loop) staleOf(d scheduler.GangDecision, b *builder) (stale []berth.WorkerID) {
	ledgers := make(map[berth.WorkerID]berth.Ledger, len(d.Placed))
	for _, one := range d.Placed {
		now, known := ledgers[one.Worker]
		if !known {
			if ledger, _ := l.ledgerNow(one.Worker, b); ledger != nil && ledger.Epoch == l.fleet.Worker(one.Worker).Epoch {
				now = *ledger
			}
		}
		next, err := now.Reserve(one.Share)
		if err != nil {
			stale = append(stale, one.Worker)
			continue
		}
		ledgers[one.Worker] = next
	}
	return stale
}

// placeGroup commits the fleet's decision on a group to the plan, which has nothing
// else in it: the first members of an attempt get their places in one transaction.
func (b *builder) placeGroup(id berth.GroupID, d scheduler.GangDecision, members []*waiting) {
	g := b.group(id)
	g.State, g.Since, g.Domain, g.Link = berth.GroupPlaced, b.now.UTC(), d.Domain, d.Link
	b.plan.Groups[b.groups[id]].EndHold = b.l.holds.of[id] != nil
	of := b.basis.record.Group
	of.From, of.Need = int64(len(b.basis.record.Steps)), int(b.l.needs(id, g))
	b.l.tellRelations(b.basis, members[0].request) // who goes first counts for who comes behind, and is told by its step
	chosen := make([]berth.WorkerID, 0, len(d.Placed))
	for i, one := range d.Placed {
		m := members[i]
		r := reservation{share: one.Share}
		b.l.tellPrices(b.basis, m.request.Pool)
		m.step = b.basis.step(one.Worker, &r)
		b.l.noteReserved(one.Worker, r)
		prog, mod := b.l.view.progress(m.id)
		b.place(m, prog, mod, one, false)
		chosen = append(chosen, one.Worker)
	}
	b.basis.bound()
	b.l.groups[id].chosen = chosen
	b.placing, b.batch = id, 1 // it is not halved
	b.own = append(b.own, groupKey(id))
}
