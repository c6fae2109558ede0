package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
)

// What waits for a worker with its quota may wait for one that borrowers have: others, whom no quota bounds, have the rest. A lender that
// reclaims wants back for it what it has lent, as for what waits for its quota, as long as ends of the borrowers' would make room for it; and
// when its time is over room is made.

// roomWish is what waits so, and how much of each dimension that is lent would be free by the ends that make it room.
type roomWish struct {
	asks asking
	need berth.Amounts
}

// noteRoomWish finds the first of an account that waits so.
func (l *loop) noteRoomWish(of account, st *quotaState, now time.Time) {
	rec, _ := l.view.tenant(of.tenant)
	q := rec.Pools[of.pool]
	if q.ReclaimAfterMS == nil || len(q.Lent) == 0 || st.limits == nil || l.braked(of.pool, now) || !l.mayPlace() {
		st.wantsRoom = nil
		return
	}
	s := l.balance(of, st, nil)
	waits := l.waitingForRoom(of, &s)
	if len(waits) == 0 {
		st.wantsRoom = nil
		return
	}
	next := st.roomLooked.Add(reclaimAgain)
	if l.timers.set(tenantKey(of.tenant), latest(next, now.Add(reclaimPause))); now.Before(next) && st.wantsRoom.stands(waits) {
		return
	}
	was := st.wantsRoom
	st.wantsRoom, st.roomLooked = nil, now
	r := l.reclaimOf(of, now, true)
	look := r.begin()
	defer look.undo()
	for _, x := range waits {
		if look.hasRoom(x) {
			continue
		}
		ends, _ := look.roomFor(x, nil)
		switch {
		case ends.of == nil:
			continue
		case was != nil && was.asks.is(&x.order.Gathering): // who would end may be others each time
			st.wantsRoom = was
		default:
			st.wantsRoom = &roomWish{x.order, r.freedBy(&ends, &q)}
		}
		return
	}
}

// stands says whether it is the wish of one of these, or there is none.
func (w *roomWish) stands(waits []*reclaimer) bool {
	return w == nil || slices.ContainsFunc(waits, func(x *reclaimer) bool { return x.order.is(&w.asks.Gathering) })
}

// freedBy is how much of what a quota has lent is free when some have ended.
func (r *reclaim) freedBy(ends *reclaimEnds, q *berth.Quota) berth.Amounts {
	out := make(berth.Amounts)
	for i := range r.from {
		for _, h := range r.from[i].could {
			if slices.Contains(ends.stops, h.Request) || slices.Contains(ends.claim.Victims, h.Request) {
				addTo(out, h.Amounts)
			}
		}
	}
	for d, v := range out {
		if out[d] = min(v, q.Lent.Of(d)); out[d] == 0 {
			delete(out, d)
		}
	}
	return out
}

// wishForRoom is that in place of a wish for nothing that is guaranteed.
func (st *quotaState) wishForRoom(w wish) wish {
	if w.own || st.wantsRoom == nil {
		return w
	}
	return wish{need: st.wantsRoom.need, asks: st.wantsRoom.asks, own: true, lack: st.wantsRoom.need}
}
