package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// Of several types of devices a quota may have enough of those that no worker has, and too little of those that there are. What it is
// too little of for all demands together is told beside why no worker takes them, for else nobody would know that the quota is why.

// shortOf is what there is of devices, by a measure of the quota, where that is less than so many of a request could ask for.
func (s *balance) shortOf(r *berth.Request, n int64, has bounding) berth.Amounts {
	most, left := n*devicesAsked(r), s.devicesLeft(r, has)
	maps.DeleteFunc(left, func(_ berth.Dimension, v int64) bool { return v >= most })
	return left
}

// devicesAsked is how much of devices a request asks for, whatever their types.
func devicesAsked(r *berth.Request) (sum int64) {
	for i := range r.Resources.Devices {
		sum += r.Resources.Devices[i].Count * r.Resources.Devices[i].Milli
	}
	return sum
}

// tellTypesShort adds to why a group fits nowhere that its quota has too little of the types of devices that there are, where that is
// so: it would not fit either, were the workers empty, and nothing is kept for it.
func (l *loop) tellTypesShort(r *berth.Request, needs int64, v *berth.Verdict, of func() *balance) {
	if len(r.Resources.Devices) == 0 || l.limited(r) == nil {
		return
	}
	of().tellTypesShort(r, needs, v, l.fitting(r))
}

// fitting is by the workers that there are now.
func (l *loop) fitting(r *berth.Request) fitting {
	return func(members int64, left berth.Amounts) bool { return l.fitsEver(r, members, left) }
}

// tellTypesShort is that by how much of the types is left for as many members as must be placed together.
func (s *balance) tellTypesShort(r *berth.Request, needs int64, v *berth.Verdict, fits fitting) {
	short := s.shortOf(r, needs, s.obtainable)
	if len(short) == 0 || fits(needs, short) || v.NeverFits && !fits(needs, nil) { // never whatever types it may have, or of those that it may have now alone
		return
	}
	v.NeverFits = !fits(needs, s.shortOf(r, max(needs, 1), s.limitOf))
	v.Reasons = append(v.Reasons, s.shortOfTypes(r, needs, short)...)
	if m := s.mixOf(r, needs, fits); m != nil && v.NeverFits && v.Reasons[0].Code == berth.ReasonGroup {
		v.Reasons[0].Ever = m.most(m.by(s.limitOf))
	}
	s.tellMix(v, r, needs, fits)
}

// shortOfTypes are the reasons that a quota is, of those types that so many could use more of.
func (s *balance) shortOfTypes(r *berth.Request, n int64, short berth.Amounts) (out []berth.Reason) {
	for _, d := range short.Dimensions() {
		out = append(out, berth.Reason{
			Code: berth.ReasonQuota, Detail: string(d), Want: n * devicesAsked(r), Best: short[d], Total: s.state.most[d], Tenants: s.quota.Recalled.TenantsOf(d),
		})
	}
	return out
}

// quotaKeeps is what of its quota keeps a request from workers that would take it, now or ever, with other types of devices than those that
// it may have, or nil.
func (l *loop) quotaKeeps(w *waiting, by berth.DaemonID) *berth.Verdict {
	st := l.limited(w.request)
	if st == nil || !severalTypes(w.request) {
		return nil
	}
	of := l.balanceBy(accountOf(w.request), st, by)
	v := of.of(askedBy(w)).keptByTypes(w.request, l.fitting(w.request), func(as *berth.Request) bool {
		c := w.candidate()
		c.Request = as
		return l.fleet.FitsAnywhere(c)
	})
	if v != nil {
		v.At = l.view.revision
	}
	return v
}

// keptByTypes is that, by whether a worker would take it now with some types, and whether one ever could.
func (s *balance) keptByTypes(r *berth.Request, ever fitting, fits func(as *berth.Request) bool) *berth.Verdict {
	short := s.shortOf(r, 1, s.obtainable)
	if len(short) == 0 || ever(0, short) && !fits(r) || !ever(0, nil) {
		return nil
	}
	if slices.ContainsFunc(s.choices(r, s.obtainable), fits) {
		return nil // it is tried with these
	}
	return &berth.Verdict{Reasons: s.shortOfTypes(r, 1, short), NeverFits: !ever(0, s.shortOf(r, 1, s.limitOf))}
}

// limitOf is how much of a limited dimension the whole quota is.
func (s *balance) limitOf(d berth.Dimension) int64 { return s.state.most[d] }
