package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
)

// A group that a drain moves gives its quota up while its members end, and wants as much again a moment later. Who is behind it would have that
// meanwhile, and it would wait for as long as they run. So quota is gathered for it from the moment in which its next attempt begins: by its
// daemon at once, which has what its members used in its block; and by all when that stands in the tenant's record.

// drainedGroup is one of this daemon's that waits for the end of its members, or a moment after, with what it is to have again.
type drainedGroup struct {
	account
	asking
	held berth.Amounts // of that, its members hold yet: what others give up meanwhile is not kept for it
}

// seeDrained has quota gathered for a group that waits so.
func (l *loop) seeDrained(id berth.GroupID, rec *berth.Group, now time.Time) {
	if _, known := l.quotas.drained[id]; !known && l.drained(id, now) != nil {
		members := l.stillMembers(id)
		l.gatherDrained(id, rec, members, nil)
		l.due.add(tenantKey(members[0].request.Tenant))
	}
}

// gatherDrained has quota gathered for a group whose next attempt begins so, as its record says, or by a plan with these ends: the
// tenant is looked at after that, when those wait again that have ended.
func (l *loop) gatherDrained(id berth.GroupID, rec *berth.Group, members []*waiting, ends []berth.End) {
	r := members[0].request
	st := l.limited(r)
	if st == nil || len(st.dimensions) == 0 || l.share.ofGroup(r) != l.d.opts.ID {
		return
	}
	one := drainedGroup{account: accountOf(r), asking: l.askedByMembers(id, members), held: make(berth.Amounts)}
	one.Since, one.Need = rec.Since, make(berth.Amounts, len(st.dimensions))
	had := make(berth.Amounts)
	for _, m := range members {
		if x := l.view.lives[m.id]; x != nil && x.terms != nil { // of several types of devices it had some
			amounts := l.amountsOn(x.worker.Value(), &x.terms.share)
			if addTo(had, amounts); !slices.ContainsFunc(ends, func(e berth.End) bool { return e.Request == m.id }) {
				addTo(one.held, amounts)
			}
		}
	}
	for _, d := range st.dimensions {
		if v := max(leastOf(r, d)*int64(len(members)), had[d]); v > 0 {
			one.Need[d] = v
		}
	}
	if l.quotas.drained == nil {
		l.quotas.drained = make(map[berth.GroupID]drainedGroup, 1)
	}
	l.quotas.drained[id] = one
	l.groups[id].inVain = false
}

// givesUp notes what a member of a group gives up that ends.
func (q *quotas) givesUp(id berth.GroupID, amounts berth.Amounts) {
	if one, drained := q.drained[id]; drained {
		for d, v := range amounts {
			one.held[d] -= v
		}
	}
}

// notDrained is that of a group that waits for no end of its members.
func (l *loop) notDrained(id berth.GroupID) {
	delete(l.quotas.drained, id)
	delete(l.moving, id)
}

// tryGang tries a group. For one that a drain moves quota is gathered until it has been tried, which has its turn for that.
func (l *loop) tryGang(g *gang, b *builder) (placed bool) {
	one, drained := l.quotas.drained[g.id]
	if drained {
		l.quotas.trying = &one
	}
	placed = l.placeGang(g, b)
	l.quotas.trying = nil
	if drained && (placed || !l.gangs.holdOff && l.gangs.of[g.id] != nil) { // else it is to be tried yet
		l.notDrained(g.id)
	}
	return placed
}

// drainedFirst is the first of an account's that wait so, with what all of them need together, and hold; nil: none does.
func (l *loop) drainedFirst(of account) (first *drainedGroup) {
	st := l.quotas.of[of]
	if len(l.quotas.drained) == 0 || st == nil { // one that has no limits any more needs nothing
		return nil
	}
	sum, held := make(berth.Amounts), make(berth.Amounts)
	for _, one := range l.quotas.drained { // in which order decides nothing
		if one.account != of {
			continue
		}
		addTo(sum, one.Need)
		addTo(held, one.held)
		if first == nil || one.Compare(&first.Gathering) < 0 {
			first = &one
		}
	}
	if first != nil {
		for d, v := range sum {
			sum[d] = min(v, st.limits[d])
		}
		first.Need, first.held = sum, held
	}
	return first
}

// given is a group with what has been given up of that, and is kept for it.
func (g *drainedGroup) given() *drainedGroup {
	out := *g
	out.Need = make(berth.Amounts, len(g.Need))
	for d, v := range g.Need {
		out.Need[d] = max(v-max(g.held[d], 0), 0)
	}
	return &out
}
