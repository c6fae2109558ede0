package daemon

import (
	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A request by itself may have several demands for devices, each of several types. It is tried first with those types that its
// quota leaves each demand whatever the others get; and where that fits nowhere with one choice of types for all of them after the other, as
// far as there is enough of these together.

// choices are those of which there is enough for a request, of the types that are in its pool.
func (s *balance) choices(r *berth.Request, has bounding) []*berth.Request {
	return scheduler.Choices(r, s.kinds(), kindsOf(s.devicesLeft(r, has)))
}

// choicesThatAre are those that come to these amounts, of all types.
func (l *loop) choicesThatAre(r *berth.Request, amounts berth.Amounts) []*berth.Request {
	there, left := l.fleet.DeviceTypes(r.Pool), make(map[string]int64)
	for _, kind := range there {
		left[kind] = amounts[berth.DeviceDimension(kind)]
	}
	return scheduler.Choices(r, there, left)
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
	if len(s.quota.Lent) > 0 {
		if as := s.oneTypeEach(r, 1, s.back); as != nil && s.takes(as) {
			own := s.judgeInOrder(as, 1)
			a.need, a.verdict = own.need, own.verdict
			return a
		}
	}
	if !a.verdict.NeverFits { // of those types, taken in that order
		return a
	}
	if as := s.oneTypeEach(r, 1, s.limitOf); as != nil {
		ever := s.judgeInOrder(as, 1)
		a.need, a.verdict = ever.need, ever.verdict
	}
	return a
}

// tryChoices asks the fleet for a worker for a request that fits nowhere with the types of devices that it was tried with, with each choice
// of types that there is enough of for all of its demands, or could be borrowed. The verdict says that it never fits where that is so of all.
func (l *loop) tryChoices(w *waiting, c *scheduler.Candidate, d scheduler.Decision, b *builder) scheduler.Decision {
	if !l.hasChoices(w.request) {
		return d // it was tried with all that it may have
	}
	of := l.balance(accountOf(w.request), l.limited(w.request), b)
	s := of.of(askedBy(w))
	for _, as := range s.choices(w.request, s.obtainable) {
		if scheduler.Includes(c.Request, as) {
			continue
		}
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

// hasChoices says whether a request may have other types of devices for all of its demands than for each of them.
func (l *loop) hasChoices(r *berth.Request) bool {
	return len(r.Resources.Devices) > 1 && severalTypes(r) && l.limited(r) != nil
}

// explainChoices is tryChoices of a request that is only asked about, and that some daemon plans. nil: it fits.
func (l *loop) explainChoices(w *waiting, c scheduler.Candidate, v *berth.Verdict, by berth.DaemonID) *berth.Verdict {
	of := l.balanceBy(accountOf(w.request), l.limited(w.request), by)
	s := of.of(askedBy(w))
	for _, as := range s.choices(w.request, s.obtainable) {
		if scheduler.Includes(c.Request, as) {
			continue
		}
		one := c
		if one.Request = as; l.fleet.FitsAnywhere(one) {
			return nil
		}
		if v.NeverFits {
			v = new(l.fleet.Explain(one))
		}
	}
	return v
}
