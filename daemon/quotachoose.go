package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A quota may limit types of devices, and a demand for devices may name several, or none: any will do then. It is given those
// that its quota has some of, or that could be taken or, where there are none, borrowed. The fleet chooses among them, in the
// order of preference; what that comes to and is not there is waited for (see exceeds): so of several types nothing is taken of one of
// which there is no device, but what has come back of loans (see typesBack).

// chooseType is what demand i of so many requests needs of limited types, where there are no others for it, or it has to wait for
// them. Types that it may not have are left out of the request.
func (s *balance) chooseType(a *allowance, i int, n int64) (need berth.Amounts) {
	of := &a.request.Resources.Devices[i]
	kinds, want := of.Types, of.Count*of.Milli
	if len(kinds) == 0 {
		kinds = s.kinds()
	}
	if len(kinds) == 0 {
		return nil
	}
	beside := func(d berth.Dimension) int64 { return a.need[d] + a.may[d] }
	could := s.having(kinds, want, n, beside, s.takeable)
	if could == nil {
		could = s.having(kinds, want, n, beside, s.obtainable)
	}
	if could == nil {
		if need = s.comesBack(a.request, i, kinds, want, n, beside); need == nil {
			need = s.everOf(kinds, want, n)
		}
		for d := range need { // what the demands before may take of it is not there for this one
			need[d] += a.may[d]
			delete(a.may, d)
		}
		return need
	}
	if len(could) < len(kinds) {
		next := *a.request
		next.Resources.Devices = slices.Clone(next.Resources.Devices)
		next.Resources.Devices[i].Types, next.Resources.Devices[i].AnyOrder = could, len(of.Types) == 0 || of.AnyOrder
		a.request = &next
	}
	if d := berth.DeviceDimension(could[0]); len(kinds) == 1 && s.limits(d) {
		return berth.Amounts{d: n * want}
	}
	a.mayTake(could, n*want)
	return nil
}

// mayTake counts as much of each of several types, so that the next demand of the request sees it.
func (a *allowance) mayTake(kinds []string, want int64) {
	if len(a.request.Resources.Devices) == 1 {
		return
	}
	if a.may == nil {
		a.may = make(berth.Amounts, len(kinds))
	}
	for _, kind := range kinds {
		a.may[berth.DeviceDimension(kind)] += want
	}
}

// takeable is how much of a limited dimension there is, or could be taken; obtainable, or borrowed, or be had of other daemons,
// which give what they do not use to who waits. Where more is taken than is allowed, nothing could be, but what was granted is
// there.
func (s *balance) takeable(d berth.Dimension) int64 { return s.room(d) + max(s.free(d), 0) }

func (s *balance) obtainable(d berth.Dimension) int64 {
	return s.room(d) + max(s.free(d)+s.lent(d)+s.given(d), 0)
}

// given is how much other daemons would give: nothing where that is for what quota is gathered for.
func (s *balance) given(d berth.Dimension) int64 {
	if s.keeps(d) > 0 {
		return 0
	}
	return s.idle(d)
}

// having are those types of which there is enough for one at least of so many; nil: all of them together have not enough for
// that many.
func (s *balance) having(kinds []string, want, n int64, beside, has bounding) (could []string) {
	left := n
	for _, kind := range kinds {
		d := berth.DeviceDimension(kind)
		most := n
		if s.limits(d) {
			most = min(n, (has(d)-beside(d))/want)
		}
		if most > 0 {
			could, left = append(could, kind), left-most
		}
	}
	if left > 0 {
		return nil
	}
	return could
}

// comesBack is what demand i of so many needs, beside what others of the request do, that its own part has room for when what is lent of it is back: what there is,
// and of the types that are lent no more than the rest. nil: it has no room for that, or no worker could ever take it. What its own part has no room for with
// what is used may not come for long, and nobody else could give it.
func (s *balance) comesBack(r *berth.Request, i int, kinds []string, want, n int64, beside bounding) berth.Amounts {
	if len(s.quota.Lent) == 0 {
		return nil
	}
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return !s.takes(scheduler.WithType(r, i, kind)) })
	now := func(d berth.Dimension) int64 { return min(s.back(d), s.obtainable(d)) - beside(d) }
	back := func(d berth.Dimension) int64 { return s.back(d) - beside(d) }
	return scheduler.NeedInParts(kinds, want, n, now, back)
}

// back is how much of a dimension its own part has room for with what is lent of it, and else what there is of that.
func (s *balance) back(d berth.Dimension) int64 {
	if s.quota.Lent.Of(d) > 0 {
		return s.own(d)
	}
	return min(s.own(d), s.obtainable(d))
}

// everOf is what so many need that have to wait for some types: of its own before what it could borrow.
func (s *balance) everOf(kinds []string, want, n int64) berth.Amounts {
	return scheduler.NeedOfTypes(kinds, want, n, s.itsOwn, s.limitOf)
}

// couldTake says whether something is more than there is, and could be had: not while the block is being set anew.
func (s *balance) couldTake(a berth.Amounts) bool {
	if s.stale() || s.fits(a) {
		return false
	}
	for d, v := range a {
		if s.limits(d) && v > s.obtainable(d) {
			return false
		}
	}
	return true
}

// couldHave is a request with those types of devices of which there is enough for one, or could be had, whatever of them its
// demands get together: else it would be found to get more, and tried again, each time. nil: that is not found.
func (s *balance) couldHave(r *berth.Request) *berth.Request {
	next, may := s.typed(r, 1, s.obtainable), make(berth.Amounts)
	for i := range r.Resources.Devices {
		of := &r.Resources.Devices[i]
		kinds, want := of.Types, of.Count*of.Milli
		if len(kinds) == 0 {
			kinds = s.kinds()
		}
		could := s.having(kinds, want, 1, func(d berth.Dimension) int64 { return may[d] }, s.obtainable)
		if could == nil && len(kinds) > 0 {
			if len(r.Resources.Devices) == 1 {
				return nil
			}
			return s.oneTypeEach(r, 1, s.obtainable)
		}
		for _, kind := range could {
			may[berth.DeviceDimension(kind)] += want
		}
		if now := &next.Resources.Devices[i]; len(could) < len(kinds) {
			now.Types, now.AnyOrder = could, len(of.Types) == 0 || of.AnyOrder
		}
	}
	return next
}

// typed is a request with those types of devices of which there is enough for so many, by any of them alone; without any, with all.
func (s *balance) typed(r *berth.Request, n int64, has bounding) *berth.Request {
	return scheduler.WithEnough(r, s.kinds(), n, func(kind string, milli int64) bool {
		d := berth.DeviceDimension(kind)
		return !s.limits(d) || milli <= has(d)
	})
}

// devicesLeft is how much there is of the devices of each limited type that a request may have.
func (s *balance) devicesLeft(r *berth.Request, has bounding) berth.Amounts {
	var left berth.Amounts
	for i := range r.Resources.Devices {
		kinds := r.Resources.Devices[i].Types
		if len(kinds) == 0 {
			kinds = s.kinds()
		}
		for _, kind := range kinds {
			if d := berth.DeviceDimension(kind); s.limits(d) {
				if left == nil {
					left = make(berth.Amounts, len(kinds))
				}
				left[d] = max(has(d), 0)
			}
		}
	}
	return left
}

// retype looks at all who have limits in a pool when the types of devices there are others: what names none may have those.
func (l *loop) retype(p berth.PoolID) {
	now := l.fleet.DeviceTypes(p)
	if slices.Equal(now, l.quotas.types[p]) {
		return
	}
	if l.quotas.types[p] = now; len(now) == 0 {
		delete(l.quotas.types, p)
	}
	l.lookAtTenants(p, func(account) bool { return true })
}

// lookAtTenants has some of those looked at that have limits in a pool, in the order of their names: who is looked at
// first may be placed first.
func (l *loop) lookAtTenants(p berth.PoolID, which func(account) bool) {
	var some []berth.TenantID
	for of := range l.quotas.of {
		if of.pool == p && which(of) {
			some = append(some, of.tenant)
		}
	}
	slices.Sort(some)
	for _, t := range some {
		l.due.add(tenantKey(t))
	}
}

// oneTypeEach is a request with one type of devices for each of its demands, such that there is enough of all; nil: none is found.
func (s *balance) oneTypeEach(r *berth.Request, n int64, has bounding) *berth.Request {
	next, used, steps := *r, make(berth.Amounts), maxTypeSteps
	next.Resources.Devices = slices.Clone(r.Resources.Devices)
	var serve func(int) bool
	serve = func(i int) bool {
		if i == len(r.Resources.Devices) {
			return true
		}
		of := &r.Resources.Devices[i]
		kinds, want := of.Types, n*of.Count*of.Milli
		if len(kinds) == 0 {
			kinds = s.kinds()
		}
		for _, kind := range kinds {
			d := berth.DeviceDimension(kind)
			if steps--; steps < 0 || s.limits(d) && want+used[d] > has(d) {
				continue
			}
			used[d] += want
			if serve(i + 1) {
				next.Resources.Devices[i].Types = []string{kind}
				return true
			}
			used[d] -= want
		}
		return false
	}
	if !serve(0) {
		return nil
	}
	return &next
}

// maxTypeSteps bounds the search for types of several demands.
const maxTypeSteps = 1000
