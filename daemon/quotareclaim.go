package daemon

import (
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What is wanted back comes back as what uses it ends. Where a lender waits for it no longer than so
// long, the daemon with which a request, or a group, waits for it then stops as many of the borrowers'
// allocations as that takes, and no more: none for what is free, or stops already; none that is on what is
// guaranteed to a borrower. They wait again, under the lower limit: for what was lent of their own tenant's they
// wait as long as any other, so one reclaim never leads to the next at once.
//
// What waits for its quota alone is helped by any of them (see byAmount); what has no room either, by those that make it some
// (see reclaimroom.go). The transaction compares the lender's record and all blocks of the borrowers, by which it was decided,
// and rewrites the borrowers' records, so that two daemons that both take something for theirs meet there.

// reclaim is what a lender may have stopped of the borrowers.
type reclaim struct {
	l     *loop
	of    account // the lender
	state *quotaState
	from  []borrower    // in order
	comes berth.Amounts // of all of them, without anybody's end
	owner map[berth.RequestID]*borrower
}

// borrower is one of those who have borrowed of a lender.
type borrower struct {
	of     account
	due    bool                // the lender has waited for so long
	could  []scheduler.Holding // be stopped
	leaves berth.Amounts       // anyway, beside what is owed to others first
	back   berth.Amounts       // is wanted back, and due
	most   berth.Amounts       // has to end beside that, were all wanted back that the lender has lent to it
	idle   berth.Amounts       // of what it has, also less than nothing

	keeps func(d berth.Dimension, back int64) int64 // how much has to end for so much
}

// comes is what comes back of one without anybody's end: as much as leaves anyway, and what it does not use, as far as that is wanted back.
func (f *borrower) comes(recalled berth.Amounts) berth.Amounts {
	out := maps.Clone(f.leaves)
	for d, v := range f.idle {
		out[d] = max(min(f.leaves[d]+v, max(recalled[d], f.leaves[d])), 0)
	}
	return out
}

// owes has what leaves, and is not used, be others' first, and says how much of what is not used is.
func (f *borrower) owes(others berth.Amounts, idle func(berth.Dimension) int64) (given berth.Amounts) {
	given = make(berth.Amounts, len(others))
	for d, v := range others {
		given[d] = min(v, max(idle(d), 0))
		if leaves, some := f.leaves[d]; some {
			f.leaves[d] = max(leaves-(v-given[d]), 0)
		}
	}
	return given
}

// reclaimPause is how long a lender is left alone for which nothing was found to stop: each end is
// a reason to look again, and a look goes through all that the borrowers have.
const reclaimPause = 100 * time.Millisecond

// reclaimAgain is when it is looked again whether ends would make room for what waits: no worker that changes is noted for that.
const reclaimAgain = time.Second

// reclaimFrom is when the first of those who have borrowed of an account has something stopped for it; not ok: nothing is reclaimed.
func (l *loop) reclaimFrom(of account, now time.Time) (at time.Time, ok bool) {
	rec, _ := l.view.tenant(of.tenant)
	for _, t := range rec.Pools[of.pool].Lent.Tenants() {
		if from, is := l.reclaimAt(of, t, now); is && (!ok || from.Before(at)) {
			at, ok = from, true
		}
	}
	return at, ok
}

// reclaimOf is what an account may have stopped now, whatever stops already; room: were all that it has lent wanted back.
func (l *loop) reclaimOf(of account, now time.Time, room bool) *reclaim {
	rec, _ := l.view.tenant(of.tenant)
	q := rec.Pools[of.pool]
	r := &reclaim{l: l, of: of, state: l.quotas.of[of], comes: make(berth.Amounts), owner: make(map[berth.RequestID]*borrower)}
	elsewhere := l.ownElsewhere(&q)
	for _, t := range q.Lent.Tenants() {
		one := borrower{of: account{t, of.pool}, back: make(berth.Amounts), most: make(berth.Amounts), idle: make(berth.Amounts)}
		if l.quotas.of[one.of] == nil {
			continue
		}
		at, ok := l.reclaimAt(of, t, now)
		one.due = ok && !now.Before(at)
		one.could, one.leaves = l.stoppable(one.of)
		theirs, _ := l.view.tenant(t)
		has, used := theirs.Pools[of.pool], l.usedBy(one.of)
		idle := func(d berth.Dimension) int64 { return has.Borrowed.Of(d) - has.Keeps(d, used[d], has.Borrowed.Of(d)) }
		given := one.owes(l.owedBefore(of.tenant, one.of, &has, now), idle)
		one.keeps = func(d berth.Dimension, back int64) int64 { return has.Keeps(d, used[d], back+given[d]) }
		for _, d := range q.Guaranteed.Dimensions() {
			borrowed := has.Borrowed[of.tenant][d]
			if one.due {
				one.back[d] = min(q.Recalled[t][d], borrowed)
			}
			if q.Recalled.Of(d) > 0 || room && q.Lent.Of(d) > 0 {
				one.most[d] = max(one.keeps(d, borrowed)-one.leaves[d], 0)
				one.idle[d] = idle(d) - given[d]
			}
		}
		comes := one.leaves
		if !elsewhere { // else what is not used may have ended for what waits there
			comes = one.comes(q.Recalled[t])
		}
		addTo(r.comes, comes)
		r.from = append(r.from, one)
	}
	for i := range r.from {
		for _, h := range r.from[i].could {
			r.owner[h.Request] = &r.from[i]
		}
	}
	return r
}

// wantedBack is what a lender's record says since when something is wanted back, and what this daemon has seen of it.
type wantedBack struct {
	since time.Time
	seen  time.Time
	mod   berth.Revision // of the record that said so first
}

// noteWants follows since when an account wants something back.
func (l *loop) noteWants(of account, st *quotaState, since map[berth.TenantID]time.Time) {
	maps.DeleteFunc(st.wants, func(t berth.TenantID, w wantedBack) bool { return !since[t].Equal(w.since) })
	for t, at := range since {
		if _, known := st.wants[t]; known {
			continue
		}
		if st.wants == nil {
			st.wants = make(map[berth.TenantID]wantedBack, 1)
		}
		st.wants[t] = wantedBack{since: at, seen: l.now(), mod: l.view.mod(tenantKey(of.tenant))}
	}
}

// reclaimAt is from when a borrower's allocations are stopped for a lender, as far as that is known now: not before its
// time, whichever daemon's clock is wrong, that which wrote since when or this one's. What this daemon has seen go by does
// not stand for what the record tells: its clock may have been set back meanwhile, and it tells of stops by that.
func (l *loop) reclaimAt(lender account, from berth.TenantID, now time.Time) (at time.Time, ok bool) {
	rec, _ := l.view.tenant(lender.tenant)
	q := rec.Pools[lender.pool]
	at, ok = q.ReclaimAt(from)
	st := l.quotas.of[lender]
	if !ok || st == nil {
		return at, ok
	}
	if w, known := st.wants[from]; known {
		if seen := l.since(w.since, w.seen, w.mod).Add(at.Sub(q.RecalledSince[from])); now.Before(seen) {
			return seen, true
		}
	}
	return at.Round(0), true // as the clock stands
}

// noteReclaims finds whether something is to be stopped for what waits here of a tenant's.
func (l *loop) noteReclaims(t berth.TenantID, now time.Time) {
	for _, of := range l.accountsOf(t) {
		st := l.quotas.of[of]
		at, ok := l.reclaimFrom(of, now)
		if !ok || st == nil || !l.waitsForQuota(of) && st.typesBack == nil && st.wantsRoom == nil {
			l.quotas.awaited(of, nil)
			continue
		}
		if l.braked(of.pool, now) || !l.mayPlace() { // what is wanted back would be of no use
			continue
		}
		if at = latest(at, st.reclaimed.Add(reclaimPause)); now.Before(at) {
			l.timers.set(tenantKey(t), at)
			continue
		}
		l.quotas.reclaims[t] = struct{}{}
	}
}

// markReclaims looks at all who have lent something in a pool: its brake has let go.
func (l *loop) markReclaims(p berth.PoolID) {
	for _, of := range slices.SortedFunc(maps.Keys(l.quotas.of), account.compare) {
		if rec, _ := l.view.tenant(of.tenant); of.pool == p && len(rec.Pools[p].Lent) > 0 {
			l.due.add(tenantKey(of.tenant))
		}
	}
}

// admitReclaim stops something for the first tenant for which something is to be, in a plan of its own.
// It says whether there was one.
func (l *loop) admitReclaim(b *builder) bool {
	for _, t := range slices.Sorted(maps.Keys(l.quotas.reclaims)) {
		delete(l.quotas.reclaims, t)
		for _, of := range l.accountsOf(t) {
			if at, ok := l.reclaimFrom(of, b.now); !ok || b.now.Before(at) || l.quotas.of[of] == nil {
				continue
			}
			if r := l.reclaimOf(of, b.now, false); !r.waits() && b.reclaim(r) {
				return true
			}
		}
	}
	return false
}

// waits says whether a plan is in flight that changes what a reclaim is decided by, or another daemon's was of which it is not known yet what else it did,
// such as what it has told to stop; it is due again when that is known.
func (r *reclaim) waits() bool {
	l, k := r.l, tenantKey(r.of.tenant)
	records := []berth.Key{k}
	waits := make(map[*flight]struct{})
	add := func(f *flight) {
		if f != nil {
			waits[f] = struct{}{}
		}
	}
	add(l.flights.tenants[r.of.tenant])
	for i := range r.from {
		of := r.from[i].of
		add(l.flights.tenants[of.tenant])
		records = append(records, tenantKey(of.tenant))
		for d := range l.quotas.holders[of.tenant] {
			add(l.flights.blocks[blockRef{of.tenant, d}])
			records = append(records, blockKey(blockRef{of.tenant, d}))
		}
		for id := range l.quotas.residents[of] {
			add(l.flights.requests[id])
			add(l.flights.groups[l.view.groupOf(id)])
		}
	}
	for f := range waits { // in which order decides nothing
		f.again = append(f.again, k)
	}
	return len(waits) > 0 || l.behind(k, records...)
}

// stoppable is what of an account could be stopped, and what of its use frees up anyway.
func (l *loop) stoppable(of account) (could []scheduler.Holding, leaves berth.Amounts) {
	leaves = make(berth.Amounts)
	for id := range l.quotas.residents[of] { // who chooses among them puts them in order
		x := l.view.lives[id]
		w := x.worker.Value()
		amounts := l.amountsOn(w, &x.terms.share)
		if l.goesAnyway(x, w) {
			for d, v := range amounts {
				leaves[d] += v
			}
			continue
		}
		o, ok := l.occupantOf(w, x)
		if _, epoch := l.view.worker(w); !ok || epoch != x.epoch {
			continue // it may come back with its worker, for so long as it was to be kept
		}
		could = append(could, scheduler.Holding{Request: id, Priority: o.Priority, Placed: o.Placed, Group: o.Group, Amounts: amounts})
	}
	return could, leaves
}

// amountsOn is what a share on a worker counts for.
func (l *loop) amountsOn(w berth.WorkerID, s *berth.Share) berth.Amounts {
	var capacity berth.Capacity
	if ledger, _ := l.view.ledger(w); ledger != nil {
		capacity = ledger.Capacity
	}
	return berth.AmountsOf(s, &capacity)
}

// goesAnyway says whether an allocation ends whatever happens: it was told to, or has; its group is
// placed anew, or ends; or its worker is lost, and it is to be kept nowhere.
func (l *loop) goesAnyway(x *life, w berth.WorkerID) bool {
	if x.leaving() {
		return true
	}
	if g := x.terms.group; g != "" {
		if rec, _ := l.view.group(g); rec != nil && (rec.State == berth.GroupEnding || x.terms.groupAttempt < rec.Attempt) {
			return true
		}
	}
	_, epoch := l.view.worker(w)
	return epoch != x.epoch && x.terms.keepMS == 0
}

// reclaim stops something for those who wait; false: enough stops already, or nothing can.
func (b *builder) reclaim(r *reclaim) bool {
	waits := b.l.reclaimers(r)
	some := waits.first() != nil
	look := r.begin()
	ends := look.choose(waits)
	look.undo()
	if b.carryOut(r, ends) {
		return true
	}
	r.state.reclaimed, r.state.unclaimed = b.now, ""
	if ends.claim.Worker != "" {
		r.state.unclaimed = ends.of.alone.id // the next time it is those behind it
	}
	if some {
		b.l.timers.set(tenantKey(r.of.tenant), b.now.Add(reclaimAgain))
	}
	return false
}

// choose chooses what is to end: first of all so that one has room who has none; and then, for those who wait for their quota
// alone, so much of that. Who can have neither is looked at when a worker changes (see reclaimpassed.go), and keeps nobody behind it: not by their number, either.
func (k *reclaimLook) choose(waits *reclaimQueue) reclaimEnds {
	vain, looks, searches := make(map[berth.RequestID]*berth.Request), 0, 0
	maps.Copy(k.none, k.state.inVain)
	k.state.inVain = nil
	for class := waits.first(); class != nil; class = waits.first() {
		x := class.next
		if !k.holds(x, class.vain+1) {
			waits.drop(class) // nor for equal ones behind it
			continue
		}
		asked := !k.none[x.like]
		if asked {
			looks++
		}
		if looks > reclaimersMost || searches > searchesMost { // those behind are looked at the next time
			k.state.inVain = k.none
			k.l.awaitedBehind(k.of, &x.order, vain)
			break
		}
		room := k.hasRoom(x)
		if !room && asked && (x.alone == nil || x.alone.id != k.state.unclaimed) {
			searches++
			var ends reclaimEnds
			if ends, room = k.roomFor(x, k.lacksOf(x)); len(ends.stops) > 0 || ends.claim.Worker != "" {
				return ends
			}
		}
		if !room && x.alone != nil && len(x.need) > 0 {
			vain[x.alone.id] = x.request()
		}
		if room || k.l.quotas.wasPassed(k.of, x.order.Request) {
			k.counts(x)
		} else {
			class.vain++
		}
		if !room && (x.group != nil || len(vain) >= reclaimersMost) {
			waits.drop(class) // of requests others may be passed by yet
			continue
		}
		waits.pass(class)
	}
	k.l.quotas.awaited(k.of, vain)
	return k.byAmount()
}

// byAmount are the fewest of the borrowers' that free what those lack who have room, with what leaves anyway: of each borrower as much as is wanted back
// of it; or, where fewer suffice so, of whomever, and as much is wanted back of these.
func (k *reclaimLook) byAmount() reclaimEnds {
	parts := reclaimEnds{stops: k.byParts()}
	if len(parts.stops) < 2 {
		return parts
	}
	need := make(berth.Amounts, len(k.lacks))
	for d, v := range k.lacks {
		need[d] = v - max(k.comes[d], 0)
	}
	whole, ok := k.room(nil, need, false).within(true, func(map[berth.RequestID]bool) ([]berth.RequestID, bool) { return nil, true })
	if !ok || len(whole) == 0 || len(whole) >= len(parts.stops) || !k.frees(need, whole) {
		return parts
	}
	out := reclaimEnds{moves: true}
	for i := range whole {
		out.stops = append(out.stops, whole[i].Request)
	}
	return out
}

// frees says whether so much comes back when these end, of each borrower no more than it has borrowed.
func (k *reclaimLook) frees(need berth.Amounts, ends []scheduler.Holding) bool {
	of := make(map[*borrower]berth.Amounts)
	for i := range ends {
		from := k.owner[ends[i].Request]
		if of[from] == nil {
			of[from] = make(berth.Amounts)
		}
		addTo(of[from], ends[i].Amounts)
	}
	for d, v := range need {
		for from, sum := range of {
			v -= min(sum[d], from.most[d])
		}
		if v > 0 {
			return false
		}
	}
	return true
}

// byParts are the fewest of each borrower's for what is wanted back of it.
func (k *reclaimLook) byParts() (stops []berth.RequestID) {
	rest := maps.Clone(k.lacks)
	for i := range k.from {
		from, need := &k.from[i], make(berth.Amounts)
		for d, v := range rest {
			if part := min(v, from.back[d]); part > 0 { // else it may use more than it has, which nobody wants back
				need[d] = from.keeps(d, part) - from.leaves[d]
				rest[d] -= part
			}
		}
		stops = append(stops, scheduler.Reclaim(need, from.could)...)
	}
	return stops
}

// reclaimEnds is what is to end for a lender: on the workers where somebody is to have room, and wherever they are.
type reclaimEnds struct {
	of    *reclaimer
	claim scheduler.Preemption // for a request; of no worker: nothing is claimed
	room  scheduler.GangRoom   // for a group; of no workers: nothing is kept
	stops []berth.RequestID
	moves bool // they are wanted back of others than so far
}

// carryOut puts into the plan what is to end.
func (b *builder) carryOut(r *reclaim, ends reclaimEnds) bool {
	if len(ends.stops) == 0 && ends.claim.Worker == "" {
		return false
	}
	switch {
	case ends.claim.Worker != "" && !b.claimForLender(ends.of, &ends.claim, r):
		return false
	case len(ends.room.Workers) > 0:
		_, was := b.l.view.group(ends.of.group.id)
		b.keepRoom(ends.of.group, &ends.room)
		b.guard(berth.Guard{Key: groupKey(ends.of.group.id), Was: was})
	}
	for _, id := range ends.stops {
		if b.members > 1 && (b.ops.plus(opsStop).plus(opsGroup).most() > b.maxOps || b.bytes+bytesStop+bytesEnd > int64(b.l.store.Limits().Bytes)*2/3) {
			break // the rest when this is done
		}
		if _, begun := b.groups[b.l.view.groupOf(id)]; begun {
			continue // of a group, the first that is told so has it placed anew, and the others stop for that
		}
		b.orderAway(b.l.view.lives[id], berth.StopReclaim, givesBackTo(r.of.tenant))
	}
	stopped := len(b.plan.Stops) // the plan is its own
	b.compareReclaim(r, append(slices.Clone(ends.claim.Victims), ends.stops...), ends.of != nil || ends.moves)
	b.l.log.Info("what was lent is reclaimed", zap.String("tenant", string(r.of.tenant)), zap.String("pool", string(r.of.pool)), zap.Int("stopped", stopped))
	b.l.metrics.reclaimed.Add(float64(stopped))
	b.batch = 1 // it is not halved
	b.after = append(b.after, tenantKey(r.of.tenant))
	return true
}

// compareReclaim makes the plan depend on what a reclaim was decided by, and rewrites the records of the borrowers of which something
// ends. Where that makes room, as much is wanted back of these, in place of others.
func (b *builder) compareReclaim(r *reclaim, ends []berth.RequestID, room bool) {
	back, comes := make(map[berth.TenantID]berth.Amounts), make(map[berth.TenantID]berth.Amounts)
	for i := range r.from {
		t := r.from[i].of.tenant
		comes[t] = make(berth.Amounts)
		addTo(comes[t], r.from[i].leaves)
		addTo(comes[t], r.from[i].idle)
		for _, h := range r.from[i].could {
			if slices.Contains(ends, h.Request) {
				if back[t] == nil {
					back[t] = maps.Clone(comes[t])
				}
				addTo(back[t], h.Amounts)
			}
		}
		if back[t] == nil {
			continue
		}
		rec, was := b.l.view.tenant(t)
		b.plan.Tenants = append(b.plan.Tenants, berth.TenantWrite{ID: t, Was: was, Tenant: &berth.Tenant{Weight: rec.Weight, Pools: rec.Pools}})
		b.add(opsBlock, bytesBlock, tenantKey(t))
		for _, d := range slices.Sorted(maps.Keys(b.l.quotas.holders[t])) {
			k := blockKey(blockRef{t, d})
			b.guard(berth.Guard{Key: k, Was: b.l.view.mod(k)})
		}
	}
	t := r.of.tenant
	rec, was := b.l.view.tenant(t)
	q := rec.Pools[r.of.pool]
	if !room || !q.RecallFrom(back, comes) {
		b.guard(berth.Guard{Key: tenantKey(t), Was: was})
		return
	}
	next := &berth.Tenant{Weight: rec.Weight, Pools: maps.Clone(rec.Pools)}
	next.Pools[r.of.pool] = q
	b.plan.Tenants = append(b.plan.Tenants, berth.TenantWrite{ID: t, Was: was, Tenant: next})
	b.add(opsBlock, bytesBlock, tenantKey(t))
}

func givesBackTo(lender berth.TenantID) string {
	return berth.Clip("gives back what tenant "+string(lender)+" lent", berth.MaxMessageBytes)
}

// tellReclaims tells what stops of those from whom something is reclaimed.
func (l *loop) tellReclaims(all []berth.Reclaim, p berth.PoolID, d berth.Dimension) {
	for i := range all {
		r := &all[i]
		for id := range l.quotas.residents[account{r.From, p}] {
			x := l.view.lives[id]
			if w := x.worker.Value(); x.stop == nil || l.amountsOn(w, &x.terms.share)[d] == 0 {
				continue
			}
			r.Stopping++
			if x.stop.Deadline.After(r.Until) {
				r.Until = x.stop.Deadline
			}
		}
	}
}
