package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Members of a group may each get devices of another type. So what its quota has too little of is not all that they ask for of one type, but
// of each what they lack beside what there is of the others: with that they are placed, and with less they are not. This is for telling
// alone; what is taken, gathered and wanted back for them is what everOf says.

// fitting says whether workers could take so many members, were they empty, with no more of each limited type than is left.
type fitting func(members int64, left berth.Amounts) bool

// mix is what so many members may get of several types.
type mix struct {
	portions []scheduler.Portion
	members  int64
	all      int64             // that is as much as they could use of any type
	unit     int64             // all that they may use is a multiple of it
	order    []berth.Dimension // the limited types, by preference
	fits     fitting           // nil: there are workers enough
}

// shareOfMix is how much of one type would do.
type shareOfMix struct {
	of      berth.Dimension
	want    int64
	members int64 // that have enough then: with what is wanted of those before, where one alone would not do
}

// mixOf is that of a group; nil: it may have one type only, or nothing of what it may have is limited.
func (s *balance) mixOf(r *berth.Request, members int64, fits fitting) *mix {
	m := &mix{portions: s.portionsOf(r), members: members, all: members * devicesAsked(r), fits: fits}
	kinds := make(map[string]struct{})
	for _, p := range m.portions {
		m.unit = gcd(m.unit, p.Want)
		for _, kind := range p.Kinds {
			kinds[kind] = struct{}{}
			if d := berth.DeviceDimension(kind); s.limits(d) && !slices.Contains(m.order, d) {
				m.order = append(m.order, d)
			}
		}
	}
	if len(kinds) < 2 || len(m.order) == 0 || !severalTypes(r) {
		return nil
	}
	return m
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// by is how much there is of each limited type.
func (m *mix) by(has bounding) berth.Amounts {
	left := make(berth.Amounts, len(m.order))
	for _, d := range m.order {
		left[d] = max(has(d), 0)
	}
	return left
}

// enough says whether so many members could have that.
func (m *mix) enough(members int64, left berth.Amounts) bool {
	if !scheduler.DealTypes(m.portions, members, kindsOf(left)).Found {
		return false
	}
	if m.fits == nil {
		return true
	}
	short := maps.Clone(left) // of what there is enough whichever they get, the workers need not be told
	maps.DeleteFunc(short, func(_ berth.Dimension, v int64) bool { return v >= members*(m.all/m.members) })
	return m.fits(max(members, 1), short)
}

// most is how many of the members could.
func (m *mix) most(left berth.Amounts) int64 {
	return mostUpTo(0, m.members, func(n int64) bool { return m.enough(n, left) })
}

// least is how much of one type would do, beside what is left of the others; false: as much as up to would not.
func (m *mix) least(d berth.Dimension, left berth.Amounts, upTo int64) (int64, bool) {
	with, from := maps.Clone(left), left[d]/m.unit
	does := func(units int64) bool {
		with[d] = units * m.unit
		return m.enough(m.members, with)
	}
	upTo /= m.unit
	if upTo <= from || !does(upTo) {
		return 0, false
	}
	return (1 + mostUpTo(from, upTo-1, func(units int64) bool { return !does(units) })) * m.unit, true
}

// lacksOn are lacks by the workers that there are: where these do not suffice for what does by the quota alone, which takes few looks at
// them. What no workers suffice for is told by the quota.
func (m *mix) lacksOn(left, limits berth.Amounts) []shareOfMix {
	any := *m
	any.fits = nil
	shares := any.lacks(left, limits)
	if m.fits == nil || len(shares) > 0 && m.suffice(shares, left) {
		return shares
	}
	if here := m.lacks(left, limits); len(here) > 0 {
		return here
	}
	return shares
}

// suffice says whether each of these shares would do on the workers, or all of them together, where one alone would not.
func (m *mix) suffice(shares []shareOfMix, left berth.Amounts) bool {
	with := maps.Clone(left)
	for _, one := range shares {
		with[one.of] = one.want
		if one.members < m.members {
			continue // with the next
		}
		if !m.enough(m.members, with) {
			return false
		}
		with = maps.Clone(left)
	}
	return true
}

// lacks are the shares of which each alone would do, those that the limits have room for first; or else those that would do together, best
// within the limits. None: that is not found.
func (m *mix) lacks(left, limits berth.Amounts) []shareOfMix {
	if m.enough(m.members, left) {
		return nil
	}
	var within, beyond []shareOfMix
	for _, d := range m.order {
		switch want, ok := m.least(d, left, m.all); {
		case ok && want <= limits[d]:
			within = append(within, shareOfMix{d, want, m.members})
		case ok:
			beyond = append(beyond, shareOfMix{d, want, m.members})
		}
	}
	if len(within) == 0 {
		within = m.together(left, limits)
	}
	if len(within) > 0 && within[0].members < m.members {
		return within
	}
	if within = append(within, beyond...); len(within) > 0 {
		return within
	}
	return m.together(left, m.by(func(berth.Dimension) int64 { return m.all }))
}

// together are shares that would do together, of each no more than up to that; as little as may be of what is preferred least.
func (m *mix) together(left, upTo berth.Amounts) (out []shareOfMix) {
	with := m.by(func(d berth.Dimension) int64 { return max(left[d], min(upTo[d], m.all)) })
	if !m.enough(m.members, with) {
		return nil
	}
	for _, d := range slices.Backward(m.order) {
		less := maps.Clone(with)
		if less[d] = left[d]; m.enough(m.members, less) {
			with = less
		} else if want, ok := m.least(d, less, with[d]); ok {
			with[d] = want
		}
	}
	has := maps.Clone(left)
	for _, d := range m.order {
		if with[d] > left[d] {
			has[d] = with[d]
			out = append(out, shareOfMix{d, with[d], m.most(has)})
		}
	}
	return out
}

// tellMix tells, in place of what a verdict says of types of devices that a quota has too little of, what the members lack by the best
// choice of types for each of them.
func (s *balance) tellMix(v *berth.Verdict, r *berth.Request, members int64, fits fitting) {
	if v == nil || !slices.ContainsFunc(v.Reasons, lacksDevices) {
		return
	}
	m := s.mixOf(r, members, fits)
	if m == nil {
		return
	}
	limits := m.by(s.limitOf)
	left := limits
	if !v.NeverFits {
		left = m.by(s.obtainable)
	}
	shares := m.lacksOn(left, limits)
	if len(shares) == 0 {
		return
	}
	v.Reasons = slices.DeleteFunc(v.Reasons, func(r berth.Reason) bool {
		return lacksDevices(r) && slices.Contains(m.order, berth.Dimension(r.Detail))
	})
	for _, one := range shares {
		v.Reasons = append(v.Reasons, s.lackOf(one))
	}
}

// lackOf is what is told of a share.
func (s *balance) lackOf(one shareOfMix) berth.Reason {
	total := s.state.most[one.of]
	return berth.Reason{
		Code: berth.ReasonQuota, Detail: string(one.of), Want: one.want, Best: min(s.takeable(one.of), total), Total: total,
		Tenants: s.quota.Recalled.TenantsOf(one.of), Ever: one.members,
	}
}
