package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Members of a group that ask for devices several times may get different types: so there may be enough for all of them, though of no
// one type there is enough for one demand of all.

// judgeMembers is judge of the members of a group, of which each may get other types. The fleet chooses among them, and what that
// comes to is waited for as it is of one demand.
func (s *balance) judgeMembers(r *berth.Request, n int64) allowance {
	if len(r.Resources.Devices) < 2 {
		return s.judge(r, n)
	}
	a := s.judgeInOrder(r, n)
	if a.verdict == nil || !slices.ContainsFunc(a.verdict.Reasons, lacksDevices) {
		return a
	}
	for _, has := range []bounding{s.takeable, s.obtainable} {
		if s.dealt(r, n, has).Found {
			return s.judgeDealt(r, n, s.onlyTypes(r, n))
		}
	}
	mosts := []bounding{s.itsOwn, s.limitOf}
	if len(s.quota.Lent) > 0 {
		mosts = slices.Insert(mosts, 0, bounding(s.back))
	}
	for _, has := range mosts {
		d := s.dealt(r, n, has)
		if d.Found {
			need := make(berth.Amounts, len(d.Of))
			for kind, v := range d.Of {
				need[berth.DeviceDimension(kind)] = v
			}
			return s.judgeDealt(r, n, need)
		}
		a.verdict.NeverFits = a.verdict.NeverFits && !d.GaveUp
	}
	return a
}

// lacksDevices says whether what a reason is of is a type of devices, and not there.
func lacksDevices(r berth.Reason) bool {
	_, devices := berth.Dimension(r.Detail).DeviceType()
	return devices && lacking(r)
}

// judgeDealt judges so many members that need so much of the limited types.
func (s *balance) judgeDealt(r *berth.Request, n int64, devices berth.Amounts) allowance {
	return s.judgeBy(r, n, func(_ *allowance, i int) berth.Amounts {
		if i > 0 {
			return nil
		}
		return devices
	})
}

// onlyTypes is what so many members need of limited types where there are no others for them.
func (s *balance) onlyTypes(r *berth.Request, n int64) berth.Amounts {
	need := make(berth.Amounts)
	for _, p := range s.portionsOf(r) {
		if d := berth.DeviceDimension(p.Kinds[0]); len(p.Kinds) == 1 && s.limits(d) {
			need[d] += n * p.Want
		}
	}
	return need
}

// dealt deals so many members what there is of limited types.
func (s *balance) dealt(r *berth.Request, n int64, has bounding) scheduler.Dealt {
	return scheduler.DealTypes(s.portionsOf(r), n, kindsOf(s.devicesLeft(r, has)))
}

// portionsOf are those of a request's demands, where there are devices at all.
func (s *balance) portionsOf(r *berth.Request) (out []scheduler.Portion) {
	for i := range r.Resources.Devices {
		d := &r.Resources.Devices[i]
		kinds := d.Types
		if len(kinds) == 0 {
			kinds = s.kinds()
		}
		if len(kinds) > 0 {
			out = append(out, scheduler.Portion{Want: d.Count * d.Milli, Kinds: kinds})
		}
	}
	return out
}
