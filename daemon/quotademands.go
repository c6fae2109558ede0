package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A request by itself may have several demands for devices, each of several types. It is tried first with those types that its
// quota leaves each demand whatever the others get; and where that fits nowhere with one choice of types for all of them after the other, as
// far as there is enough of these together.

// choices are those of which there is enough for a request, of the types that are in its pool; but those that it was tried with.
func (s *balance) choices(r *berth.Request, has bounding, tried ...*berth.Request) (out []*berth.Request) {
	portions := s.portionsOf(r)
	if len(portions) < len(r.Resources.Devices) {
		return nil
	}
	there := s.kinds()
	for i := range portions {
		portions[i].Kinds = slices.DeleteFunc(slices.Clone(portions[i].Kinds), func(kind string) bool { return !slices.Contains(there, kind) })
	}
	for _, types := range scheduler.Typings(portions, kindsOf(s.devicesLeft(r, has))) {
		if !slices.ContainsFunc(tried, func(as *berth.Request) bool { return names(as, types) }) {
			out = append(out, withTypes(r, types))
		}
	}
	return out
}

// names says whether these are among the types that a request may have.
func names(r *berth.Request, types []string) bool {
	for i, kind := range types {
		if of := r.Resources.Devices[i].Types; len(of) > 0 && !slices.Contains(of, kind) {
			return false
		}
	}
	return true
}

// withTypes is a request with one type for each of its demands.
func withTypes(r *berth.Request, types []string) *berth.Request {
	next := *r
	next.Resources.Devices = slices.Clone(r.Resources.Devices)
	for i := range types {
		next.Resources.Devices[i].Types = types[i : i+1]
	}
	return &next
}

// judgeDemands judges a request that finds too little where its demands choose their types one after the other. Of what it gets, that
// is taken when a device of it is found: see exceeds.
func (s *balance) judgeDemands(r *berth.Request, a allowance) allowance {
	for _, has := range []bounding{s.takeable, s.obtainable} {
		if as := s.oneTypeEach(r, 1, has); as != nil {
			a = s.judgeDealt(r, 1, s.onlyTypes(r, 1))
			a.request = as
			return a
		}
	}
	if !a.verdict.NeverFits { // of those types, taken in that order
		return a
	}
	if as := s.oneTypeEach(r, 1, func(d berth.Dimension) int64 { return s.state.most[d] }); as != nil {
		ever := s.judgeInOrder(as, 1)
		a.need, a.verdict = ever.need, ever.verdict
	}
	return a
}

// tryChoices asks the fleet for a worker for a request that fits nowhere with the types of devices that it was tried with, with each choice
// of types that there is enough of for all of its demands, or could be borrowed. The verdict says that it never fits where that is so of all.
func (l *loop) tryChoices(w *waiting, c *scheduler.Candidate, d scheduler.Decision, b *builder) scheduler.Decision {
	st := l.limited(w.request)
	if st == nil || len(w.request.Resources.Devices) < 2 || !severalTypes(w.request) {
		return d // it was tried with all that it may have
	}
	of := l.balance(accountOf(w.request), st, b)
	s := of.of(askedBy(w))
	for _, as := range s.choices(w.request, s.obtainable, c.Request) {
		one := *c
		one.Request, one.Again = as, true
		if l.fleet.FitsAnywhere(one) {
			if other := b.decide(w, one); other.Verdict == nil {
				*c = one
				return other
			}
		}
		if d.Verdict.NeverFits {
			if v := l.fleet.Explain(one); !v.NeverFits {
				d.Verdict = &v
			}
		}
	}
	return d
}
