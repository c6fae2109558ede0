package daemon

import (
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What is wanted back comes back as what uses it ends. Where the lender waits for it no longer than so
// long, one daemon for all then stops as many of the borrower's allocations as that takes, and no more:
// none for what is free, or stops already; none that is on what is guaranteed to the borrower. They wait
// again, under the lower limit: for what was lent of their own tenant's they wait as long as any other,
// so one reclaim never leads to the next at once.
//
// The transaction compares the lenders' records and all blocks of the borrower, by which it was decided,
// and rewrites the borrower's record, so that two daemons that both take it for theirs meet there.

// reclaim is what one account is to give back by stopping.
type reclaim struct {
	of      account
	lenders []berth.TenantID // that have waited for so long
	need    berth.Amounts    // to be free, and not yet
}

// reclaimPause is how long an account is left alone of which enough stops already: each end of it is
// a reason to look again, and a look goes through all that it has.
const reclaimPause = 100 * time.Millisecond

// reclaimOf is what an account is to give back by stopping, whatever stops already; nil: nothing.
func (l *loop) reclaimOf(of account, now time.Time) *reclaim {
	rec, _ := l.view.tenant(of.tenant)
	q, st := rec.Pools[of.pool], l.quotas.of[of]
	if st == nil || len(q.Borrowed) == 0 {
		return nil
	}
	r := &reclaim{of: of, need: make(berth.Amounts)}
	back := make(berth.Amounts)
	for _, lender := range q.Borrowed.Tenants() {
		theirs, _ := l.view.tenant(lender)
		from := theirs.Pools[of.pool]
		switch at, ok := l.reclaimAt(account{lender, of.pool}, of.tenant, now); {
		case !ok:
		case now.Before(at):
			l.timers.set(tenantKey(of.tenant), at)
		default:
			r.lenders = append(r.lenders, lender)
			for d, v := range from.Recalled[of.tenant] {
				back[d] += min(v, q.Borrowed[lender][d])
			}
		}
	}
	used := l.usedBy(of)
	for d, v := range back {
		if keeps := q.Keeps(d, used[d], v); keeps > 0 {
			r.need[d] = keeps
		}
	}
	if len(r.need) == 0 {
		return nil
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

// noteReclaims finds whether something of a tenant's is to be stopped.
func (l *loop) noteReclaims(t berth.TenantID, now time.Time) {
	for _, of := range l.accountsOf(t) {
		r := l.reclaimOf(of, now)
		if r == nil || !l.peers.self || l.braked(of.pool, now) || !l.mayPlace() { // what is wanted back would be of no use
			continue
		}
		if next := l.quotas.of[of].reclaimed.Add(reclaimPause); now.Before(next) {
			l.timers.set(tenantKey(t), next)
			continue
		}
		owner := l.share.ofTask(string(t))
		if l.peers.byID[owner] != nil && len(l.victimsOf(r)) == 0 { // it owes nothing: nobody is to step in for it
			l.quotas.of[of].reclaimed = now
			continue
		}
		if l.mayAct(tenantKey(t), owner) {
			l.quotas.reclaims[t] = struct{}{}
		}
	}
}

// markReclaims looks at all who have borrowed in a pool: its brake has let go.
func (l *loop) markReclaims(p berth.PoolID) {
	for _, of := range slices.SortedFunc(maps.Keys(l.quotas.residents), account.compare) {
		if of.pool == p {
			l.due.add(tenantKey(of.tenant))
		}
	}
}

// admitReclaim stops what the first tenant is to give back of which something is, in a plan of its own.
// It says whether there was one.
func (l *loop) admitReclaim(b *builder) bool {
	for _, t := range slices.Sorted(maps.Keys(l.quotas.reclaims)) {
		delete(l.quotas.reclaims, t)
		for _, of := range l.accountsOf(t) {
			r := l.reclaimOf(of, b.now)
			if r == nil || l.reclaimWaits(r) {
				continue
			}
			if b.reclaim(r) {
				return true
			}
		}
	}
	return false
}

// reclaimWaits says whether a plan is in flight that changes what a reclaim is decided by; it is
// due again when that has its answer.
func (l *loop) reclaimWaits(r *reclaim) bool {
	k := tenantKey(r.of.tenant)
	for _, t := range append([]berth.TenantID{r.of.tenant}, r.lenders...) {
		if f := l.flights.tenants[t]; f != nil {
			f.again = append(f.again, k)
			return true
		}
	}
	for _, d := range slices.Sorted(maps.Keys(l.quotas.holders[r.of.tenant])) {
		if l.flights.defersBlock(blockRef{r.of.tenant, d}, k) {
			return true
		}
	}
	waits := make(map[*flight]struct{})
	for id := range l.quotas.residents[r.of] {
		for _, f := range [...]*flight{l.flights.requests[id], l.flights.groups[l.view.groupOf(id)]} {
			if f != nil {
				waits[f] = struct{}{}
			}
		}
	}
	for f := range waits { // in which order decides nothing
		f.again = append(f.again, k)
	}
	return len(waits) > 0
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

// victimsOf are those that are told to stop for a reclaim: none where enough stops already, or nothing that could would help.
func (l *loop) victimsOf(r *reclaim) []berth.RequestID {
	could, leaves := l.stoppable(r.of)
	need := make(berth.Amounts, len(r.need))
	for d, v := range r.need {
		need[d] = v - leaves[d]
	}
	return l.helping(r, need, could)
}

// reclaim orders to stop what frees what is needed; false: enough stops already, or nothing can.
func (b *builder) reclaim(r *reclaim) bool {
	st, victims := b.l.quotas.of[r.of], b.l.victimsOf(r)
	if len(victims) == 0 {
		st.reclaimed = b.now
		return false
	}
	b.compareReclaim(r)
	message := berth.Clip("gives back what "+tenantsText(r.lenders)+" lent", berth.MaxMessageBytes)
	stopped := 0
	for _, id := range victims {
		if b.members > 1 && (b.ops.plus(opsStop).plus(opsGroup).most() > b.maxOps || b.bytes+bytesStop+bytesEnd > int64(b.l.store.Limits().Bytes)*2/3) {
			break // the rest when this is done
		}
		if b.stopForLender(id, message) {
			stopped++
		}
	}
	b.l.log.Info("what was borrowed is reclaimed", zap.String("tenant", string(r.of.tenant)), zap.String("pool", string(r.of.pool)),
		zap.String("for", string(r.lenders[0])), zap.Int("lenders", len(r.lenders)), zap.Int("stopped", stopped))
	b.l.metrics.reclaimed.Add(float64(stopped))
	b.batch = 1 // it is not halved
	return true
}

// compareReclaim makes the plan depend on what a reclaim was decided by, and rewrites the borrower's record.
func (b *builder) compareReclaim(r *reclaim) {
	t := r.of.tenant
	rec, was := b.l.view.tenant(t)
	b.plan.Tenants = append(b.plan.Tenants, berth.TenantWrite{ID: t, Was: was, Tenant: &berth.Tenant{Weight: rec.Weight, Pools: rec.Pools}})
	b.add(opsBlock, bytesBlock, tenantKey(t))
	for _, lender := range r.lenders {
		b.guard(berth.Guard{Key: tenantKey(lender), Was: b.l.view.mod(tenantKey(lender))})
	}
	for _, d := range slices.Sorted(maps.Keys(b.l.quotas.holders[t])) {
		k := blockKey(blockRef{t, d})
		b.guard(berth.Guard{Key: k, Was: b.l.view.mod(k)})
	}
}

// stopForLender tells an allocation to stop. Of a group, the first that is told so has it placed anew,
// and the others stop for that.
func (b *builder) stopForLender(id berth.RequestID, message string) bool {
	x := b.l.view.lives[id]
	w := x.worker.Value()
	k := allocationKey(w, id)
	a, mod := b.l.view.allocation(w, id)
	if a.Group != "" {
		if _, begun := b.groups[a.Group]; begun {
			return false
		}
		b.anew(a.Group, berth.EndReclaimed)
		b.group(a.Group).Excused++
	}
	if !b.claim(id, k) {
		return false
	}
	grace := time.Duration(x.spec.request.StopTimeoutMS) * time.Millisecond
	b.stop(k, a, mod, &berth.StopOrder{Reason: berth.StopReclaim, Deadline: b.now.Add(grace), Message: message})
	return true
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

func tenantsText(all []berth.TenantID) string {
	words := make([]string, len(all))
	for i, t := range all {
		words[i] = string(t)
	}
	if len(all) == 1 {
		return "tenant " + words[0]
	}
	return "tenants " + strings.Join(words, " and ")
}
