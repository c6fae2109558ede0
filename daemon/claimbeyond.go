package daemon

import (
	"github.com/berthd/berth"
)

// A tenant's quota may be set to less while a claim waits for the end of those who make room. What asks for more than all of it
// cannot be placed by its claim, nor ever: that is why it waits, and not the end of anybody.

// withClaim adds to why a request waits that others are to end for it: that comes first, unless it could never be placed for its quota.
func withClaim(v *berth.Verdict, claim berth.Reason) {
	if isQuota(v) && v.NeverFits {
		v.Reasons = append(v.Reasons, claim)
		return
	}
	v.Reasons, v.NeverFits = append([]berth.Reason{claim}, v.Reasons...), false
}

// beyondQuota is why a request that has a claim could never be placed by it, for it asks for more than its tenant's whole quota; or nil.
func (l *loop) beyondQuota(id berth.RequestID) *berth.Verdict {
	sub, seq := l.view.submission(id)
	prog, _ := l.view.progress(id)
	if sub == nil || prog == nil {
		return nil
	}
	by := l.d.opts.ID
	if p := l.peers.holder[requestKey(id)]; p != nil {
		by = p.id
	}
	v := l.overQuota(waitingOf(id, sub, seq, prog), by)
	if v == nil || !v.NeverFits {
		return nil
	}
	return v
}

// withoutClaim tells how a quota stands without what a request's own claim has counted of it.
func (l *loop) withoutClaim(v *berth.Verdict, w *waiting) {
	a := l.allotmentOf(w, nil)
	if a == nil {
		return
	}
	for i := range v.Reasons {
		r := &v.Reasons[i]
		if s := r.Stands; s != nil {
			s.Used = max(s.Used-a.amounts[berth.Dimension(r.Detail)], 0)
			r.Best = max(r.Best, min(s.Allowed-s.Used, r.Total))
		}
	}
}

// couldPreempt says whether others could make room for a request now.
func (l *loop) couldPreempt(w *waiting) bool {
	if l.braked(w.request.Pool, l.now()) {
		return false
	}
	_, could := l.fleet.Preempt(l.patient(w), l.occupants(nil))
	return could
}
