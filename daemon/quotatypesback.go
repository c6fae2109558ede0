package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What fits nowhere with the types of devices that its quota leaves it waits for a worker that has one of these, and no such
// may ever come, while others use what its tenant has lent of another type. What is guaranteed to a tenant and not used by it is its own,
// whatever else it may have: so that is wanted back for such a request as for one that names this type alone. When it is back it
// is taken, so that nobody borrows it before the request is tried again; and that may go to any of its types as ever.

// typesBack is what waits for a worker, and wants back what is lent of types of devices.
type typesBack struct {
	asking
	request *berth.Request
	need    berth.Amounts
	least   int64     // so many get it together: members of a group
	members int64     // as many of these must be placed together; 0: it is a request by itself
	times   int64     // that such wait
	triedAt time.Time // it was found that it is to be tried again
}

// noteTypesBack finds the first of an account that wants such back, or for which it has come back and is to be taken.
func (l *loop) noteTypesBack(of account, s *balance) {
	var first *typesBack
	was := s.state.typesBack
	if was == nil && len(s.quota.Lent) == 0 {
		return
	}
	for _, x := range append(l.narrowedIn(of), l.overIn(of, s)...) {
		if was != nil && x.is(&was.Gathering) && s.toTake(was) != nil {
			x.need = was.need
		} else if !x.lacksLent(l, of, s) {
			continue
		}
		if first == nil || x.Compare(&first.Gathering) < 0 {
			first = &x
		}
	}
	if was != nil && (first == nil || was.Compare(&first.Gathering) < 0) && l.isTriedSoon(was) {
		first = was
	}
	s.state.typesBack = first
}

// isTriedSoon says whether something that wanted such back is to be judged again, shortly after it was: it is known soon whether it
// wants that still.
func (l *loop) isTriedSoon(x *typesBack) bool {
	g, c := l.gangs.of[x.Group], l.queue.of[x.Request]
	if g != nil && !g.open() || c != nil && c.verdict != nil || !l.waitsFor(x.name()) {
		return false
	}
	if x.triedAt.IsZero() {
		x.triedAt = l.now()
	}
	ends := x.triedAt.Add(blockIdle)
	if !l.now().Before(ends) {
		return false
	}
	l.timers.set(tenantKey(x.request.Tenant), ends)
	return true
}

// narrowedIn is what waits for a worker of an account, judged for fewer types of devices than it may have; and the first that
// waits for a worker: whoever is behind that has nothing kept for it either.
func (l *loop) narrowedIn(of account) (out []typesBack) {
	if w := l.queue.firstBlocked(of); w != nil && severalTypes(w.request) && l.queue.of[w.id].narrow == nil {
		out = append(out, typesBackOf(l.queue.of[w.id]))
	}
	for c := range l.queue.narrowed[of] { // in which order decides nothing
		out = append(out, typesBackOf(c))
	}
	for c := range l.gangs.narrowed[of] {
		if rec, _ := l.view.group(c.members[0].id); rec != nil {
			out = append(out, typesBackOfGroup(c, l.needs(c.members[0].id, rec)))
		}
	}
	return out
}

func typesBackOf(c *class) typesBack {
	return typesBack{asking: askedBy(c.members[0]), request: c.members[0].request, least: 1, times: int64(len(c.ids))}
}

func typesBackOfGroup(c *gangClass, least int64) typesBack {
	return typesBack{asking: askedByGroup(c.members[0]), request: c.members[0].request, least: least, members: c.members[0].need, times: int64(len(c.members))}
}

// overIn is the first of an account that waits for its quota of several types, where nothing is reclaimed: of these it waits for one
// alone, and another may come back before.
func (l *loop) overIn(of account, s *balance) (out []typesBack) {
	if s.quota.ReclaimAfterMS != nil || len(s.quota.Lent) == 0 {
		return nil
	}
	own, _ := l.ownRoom(of, s)
	at := look{within: s.bound(s.orObtainable(own))}
	wants := func(x typesBack) bool { return severalTypes(x.request) && x.lacksLent(l, of, s) }
	if c := l.queue.firstOver(of, at, func(w *waiting) bool { return wants(typesBackOf(l.queue.of[w.id])) }); c != nil {
		out = append(out, typesBackOf(c))
	}
	if c, ok := l.gangs.over.first(of, at, func(c *gangClass) bool { return wants(typesBackOfGroup(c, c.over)) }); ok {
		out = append(out, typesBackOfGroup(c, c.over))
	}
	return out
}

func severalTypes(r *berth.Request) bool {
	return slices.ContainsFunc(r.Resources.Devices, func(of berth.DeviceDemand) bool { return len(of.Types) != 1 })
}

// lacksLent says whether it wants something back, and notes what it needs then.
func (x *typesBack) lacksLent(l *loop, of account, s *balance) bool {
	if len(s.quota.Lent) == 0 {
		return false
	}
	own, _ := l.ownRoom(of, s)
	as := s.of(x.asking)
	if !l.couldEver(x.request, x.members, as) {
		return false
	}
	need := as.lentTypes(x.request, x.least, own, func(r *berth.Request) bool { return l.fitsEver(r, min(x.members, 1), nil) })
	if need == nil || as.holds(need) {
		return false
	}
	x.need = need
	return true
}

// lentTypes is what so many of a request need with types of devices that are guaranteed to the account, and lent to whom uses
// them: where those are stopped for it, of as few types as are enough, and else of all, whichever comes back first; nil: its own part
// has no room for that, no worker could ever take it, or nothing is lacking.
func (s *balance) lentTypes(r *berth.Request, n int64, own bounding, fits func(*berth.Request) bool) berth.Amounts {
	need, lacks := make(berth.Amounts), false
	for _, d := range s.state.dimensions {
		if v := n * demandOf(r, d); v > 0 {
			need[d] = v
		}
	}
	for i := range r.Resources.Devices {
		of := &r.Resources.Devices[i]
		kinds, want, left := of.Types, of.Count*of.Milli, n
		if len(kinds) == 0 {
			kinds = s.kinds()
		}
		for _, kind := range kinds {
			d := berth.DeviceDimension(kind)
			_, guaranteed := s.quota.Guaranteed[d]
			some := min(left, (own(d)-need[d])/want)
			if !guaranteed || s.quota.Lent.Of(d) == 0 || some <= 0 || need[d]+some*want <= s.obtainable(d) || !fits(scheduler.WithType(r, i, kind)) {
				continue
			}
			need[d] += some * want
			if lacks = true; s.quota.ReclaimAfterMS != nil {
				left -= some
			}
		}
	}
	if !lacks || !own.holds(need, s) {
		return nil
	}
	return need
}

// toTake is what is there of what was wanted back for something, and was not taken yet: all, or one of the types; nil: nothing.
func (s *balance) toTake(x *typesBack) berth.Amounts {
	as := s.of(x.asking)
	if as.allFree(x.need) && !as.fits(x.need) {
		return x.need
	}
	if s.quota.ReclaimAfterMS != nil {
		return nil
	}
	for _, kind := range x.need.Dimensions() {
		if _, device := kind.DeviceType(); !device {
			continue
		}
		part := maps.Clone(x.need)
		maps.DeleteFunc(part, func(d berth.Dimension, _ int64) bool {
			_, device := d.DeviceType()
			return device && d != kind
		})
		if as.allFree(part) && !as.fits(part) {
			return part
		}
	}
	return nil
}

// withTypesBack is what waits for what is guaranteed to the account, with what wants types of devices back.
func (c *blockChanges) withTypesBack(s *balance, w wish) wish {
	if s == nil || s.state.typesBack == nil {
		return w
	}
	x := s.state.typesBack
	mine := wish{need: x.need, asks: x.asking, own: true}
	c.lacking(s, &mine)
	if !w.own {
		return mine
	}
	if w.asks.Compare(&mine.asks.Gathering) < 0 {
		mine.asks = w.asks
	}
	lack := make(berth.Amounts, len(w.lack))
	for _, of := range []berth.Amounts{w.lack, mine.lack} {
		for d, v := range of {
			lack[d] = max(lack[d], v)
		}
	}
	mine.lack = lack
	return mine
}

// takeTypesBack takes what has come back for something, unless what comes before that takes something itself.
func (c *blockChanges) takeTypesBack(of account, s *balance, need berth.Amounts, as *balance, first asking, b *builder) bool {
	x := s.state.typesBack
	if x == nil || s.toTake(x) == nil || need != nil && as.allFree(need) && first.Compare(&x.Gathering) < 0 {
		return false
	}
	return c.take(of, s.of(x.asking), s.toTake(x), x.asking, b)
}
