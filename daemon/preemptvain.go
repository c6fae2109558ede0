package daemon

import (
	"math"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// preemptsInVain is why nobody makes room now for a request that waits for workers, and for which others may have to; false: it
// is not such a one, or they may yet.
func (l *loop) preemptsInVain(id berth.RequestID) (berth.Reason, bool) {
	sub, seq := l.view.submission(id)
	prog, _ := l.view.progress(id)
	if sub == nil || sub.Spec.Group != nil || sub.Spec.Preemption != berth.PreemptionLower {
		return berth.Reason{}, false
	}
	w := waitingOf(id, sub, seq, prog)
	if !w.preempts {
		return vainAfter(prog)
	}
	if l.braked(sub.Spec.Pool, l.now()) {
		return vain(berth.VainBrake), true
	}
	could := func(patience int64, priority int32) bool {
		c := w.candidate()
		c.Patience, c.Priority = patience, priority
		_, ok := l.fleet.Preempt(c, l.occupants(nil))
		return ok
	}
	patience := l.patienceOf(w, l.now())
	switch {
	case could(patience, w.priority):
		return berth.Reason{}, false // it is about to be made
	case patience > 0 && could(0, w.priority):
		return vain(berth.VainLate), true
	case l.keepsRoomOff(w, l.keptIn(w.request.Pool), new(keptAsks)):
		return vain(berth.VainKeptOff), true
	case could(0, math.MaxInt32):
		return vain(berth.VainPriority), true
	}
	if on := l.claimedFrom(w); on != "" {
		r := vain(berth.VainClaimed)
		r.Workers, r.Some = 1, []berth.WorkerID{on}
		return r, true
	}
	return vain(berth.VainRoom), true
}

// claimedFrom is a worker on which others make room for a request of lower priority than one that would have a place there, were
// that to go again: it is left to it until then, so that nothing is claimed of two.
func (l *loop) claimedFrom(w *waiting) (on berth.WorkerID) {
	for id := range l.claimants {
		sub, _ := l.view.submission(id)
		prog, _ := l.view.progress(id)
		if sub == nil || prog == nil || sub.Spec.Pool != w.request.Pool || sub.Spec.Priority >= w.priority {
			continue
		}
		if fw := l.fleet.Worker(prog.ClaimOn); fw != nil && (on == "" || fw.ID < on) && l.fitsInstead(w, id, *fw) {
			on = fw.ID
		}
	}
	return on
}

// fitsInstead says whether a request fits on a worker once those have ended who make room there for another, and that has, too.
func (l *loop) fitsInstead(w *waiting, of berth.RequestID, on scheduler.Worker) bool {
	claim := on.Ledger.ClaimOf(of)
	if claim == nil {
		return false
	}
	next := on
	ledger, err := on.Ledger.WithoutClaim(of)
	for _, v := range claim.Victims {
		if x := l.view.lives[v]; x != nil && x.isOn(on.ID) && err == nil {
			ledger, err = ledger.Release(x.terms.share)
		}
	}
	if err != nil {
		return false
	}
	next.Ledger = ledger
	l.fleet.Put(next)
	defer l.fleet.Put(on)
	return l.fleet.Fits(w.candidate(), on.ID)
}

// vainAfter says so of one that has made room itself, by what ended its last attempt.
func vainAfter(prog *berth.Progress) (berth.Reason, bool) {
	if prog == nil || prog.ClaimOn != "" || !prog.LastEnd.MadeRoom() {
		return berth.Reason{}, false
	}
	return vain(berth.VainFirst), true
}

func vain(why berth.Vain) berth.Reason {
	return berth.Reason{Code: berth.ReasonPreemption, Detail: string(why)}
}

// tellVain puts behind why a request waits why nobody makes room for it, where that would help.
func tellVain(v *berth.Verdict, vain func() (berth.Reason, bool)) {
	if len(v.Reasons) == 0 || neverAlone(v) || tells(v, berth.ReasonQuota, berth.ReasonClaim, berth.ReasonRestored) {
		return
	}
	if r, ok := vain(); ok {
		v.Reasons = append(v.Reasons, r)
	}
}

// tellKeptOff adds for which group that is kept which keeps others from making room.
func (l *loop) tellKeptOff(v *berth.Verdict, p berth.PoolID) {
	k, _ := l.keep(p)
	if n := len(v.Reasons); k != nil && n > 0 && v.Reasons[n-1].Code == berth.ReasonPreemption && v.Reasons[n-1].Detail == string(berth.VainKeptOff) {
		tellKept(v, k.Group, k)
	}
}
