package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// A quota may limit types of devices, and a demand for devices may name several, or none: any will do then. It is given those
// that its quota has enough of, whatever of them the fleet chooses.

// chooseType is the limited type of which a demand for devices needs more, or none: the
// first in the order of preference that the account may have. Those that it may not have are
// left out of the request.
func (s *balance) chooseType(a *allowance, i int, n int64, wide bool) berth.Dimension {
	d := &a.request.Resources.Devices[i]
	want := n * d.Count * d.Milli
	if len(d.Types) == 0 {
		return s.chooseAny(a, i, want)
	}
	var allowed []string
	var best berth.Dimension
	for _, kind := range d.Types {
		dim := berth.DeviceDimension(kind)
		switch need, room := want+a.need[dim]+a.may[dim], s.room(dim); {
		case !s.limits(dim) || need <= room:
			allowed = append(allowed, kind)
		case (len(allowed) == 0 || wide) && best == "" && need <= room+s.free(dim):
			best = dim // it can be taken, and is preferred, or they fit nowhere without
		}
	}
	switch {
	case best != "":
		return best
	case len(allowed) == 0:
		return s.everOf(d.Types, want)
	case len(allowed) < len(d.Types):
		a.leave(i, allowed, false)
	}
	return s.chosen(a, allowed, want)
}

// chooseAny is chooseType of a demand that names no type. What it gets is to be taken then, if need be: only
// those that cannot be are left out.
func (s *balance) chooseAny(a *allowance, i int, want int64) berth.Dimension {
	kinds := s.kinds()
	could := s.takeable(kinds, want, func(d berth.Dimension) int64 { return a.need[d] + a.may[d] })
	switch {
	case len(kinds) == 0:
		return ""
	case len(could) == 0:
		return s.everOf(kinds, want)
	case len(could) < len(kinds):
		a.leave(i, could, true)
	}
	return s.chosen(a, could, want)
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
	for of := range l.quotas.of { // in which order decides nothing
		if of.pool == p {
			l.due.add(tenantKey(of.tenant))
		}
	}
}

// chosen counts what a demand may take, so that the next of the request sees it: of several types as much of each, and of a
// single one, which it names, for sure.
func (s *balance) chosen(a *allowance, types []string, want int64) berth.Dimension {
	if dim := berth.DeviceDimension(types[0]); len(types) == 1 && s.limits(dim) {
		return dim
	}
	if len(a.request.Resources.Devices) == 1 {
		return ""
	}
	if a.may == nil {
		a.may = make(berth.Amounts, len(types))
	}
	for _, kind := range types {
		a.may[berth.DeviceDimension(kind)] += want
	}
	return ""
}

// leave leaves a demand some types of devices.
func (a *allowance) leave(i int, types []string, anyOrder bool) {
	next := *a.request
	next.Resources.Devices = slices.Clone(next.Resources.Devices)
	next.Resources.Devices[i].Types, next.Resources.Devices[i].AnyOrder = types, anyOrder
	a.request = &next
}

// takeable are those types of which there is so much beside something, or could be taken.
func (s *balance) takeable(kinds []string, want int64, beside bounding) []string {
	return slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool {
		d := berth.DeviceDimension(kind)
		return s.limits(d) && want+beside(d) > s.room(d)+s.free(d)
	})
}

// couldTake says whether something is more than there is, and could be taken.
func (s *balance) couldTake(a berth.Amounts) bool { return !s.fits(a) && s.allFree(a) }

// everOf is the first of some types of which the whole quota is enough, or the first.
func (s *balance) everOf(types []string, want int64) berth.Dimension {
	for _, kind := range types {
		if dim := berth.DeviceDimension(kind); s.state.most[dim] >= want {
			return dim
		}
	}
	return berth.DeviceDimension(types[0])
}

// couldHave is a request with those types of devices of which there are enough for so many, or could be taken; without any,
// with all.
func (s *balance) couldHave(r *berth.Request, n int64) *berth.Request {
	a := allowance{request: r}
	for i := range r.Resources.Devices {
		d := &r.Resources.Devices[i]
		kinds := d.Types
		if len(kinds) == 0 {
			kinds = s.kinds()
		}
		could := s.takeable(kinds, n*d.Count*d.Milli, func(berth.Dimension) int64 { return 0 })
		if len(could) > 0 && len(could) < len(kinds) {
			a.leave(i, could, len(d.Types) == 0)
		}
	}
	return a.request
}

// oneTypeEach is a request with one type of devices for each of its demands, such that there is enough of all, or could be
// taken; nil: none is found.
func (s *balance) oneTypeEach(r *berth.Request, n int64) *berth.Request {
	a, steps := allowance{request: r, need: make(berth.Amounts)}, maxTypeSteps
	var serve func(int) bool
	serve = func(i int) bool {
		if i == len(r.Resources.Devices) {
			return true
		}
		d := &r.Resources.Devices[i]
		kinds, want := d.Types, n*d.Count*d.Milli
		if len(kinds) == 0 {
			kinds = s.kinds()
		}
		for _, kind := range s.takeable(kinds, want, func(d berth.Dimension) int64 { return a.need[d] }) {
			if steps--; steps < 0 {
				return false
			}
			dim := berth.DeviceDimension(kind)
			a.need[dim] += want
			if serve(i + 1) {
				a.leave(i, []string{kind}, false)
				return true
			}
			a.need[dim] -= want
		}
		return false
	}
	if !serve(0) {
		return nil
	}
	return a.request
}

// maxTypeSteps bounds the search for types of several demands.
const maxTypeSteps = 1000
