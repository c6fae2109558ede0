package daemon

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// A claim is worked off by whoever ends its victims, and given up by the owner of its
// worker. What it is worth is in the records: it counts while its request is PENDING,
// in the attempt that it names, and names its worker. A request that was cancelled,
// placed elsewhere or ended leaves a claim behind that counts no more; one whose worker
// takes nothing any more is taken back, so that its request can have another.

// claimStands says whether a claim of a ledger counts.
func (l *loop) claimStands(on berth.WorkerID, c *berth.Claim) bool {
	sub, _ := l.view.submission(c.Request)
	prog, _ := l.view.progress(c.Request)
	return sub != nil && prog != nil && prog.State == berth.StatePending && prog.Attempt == c.Attempt && prog.ClaimOn == on && !l.corrupt(c.Request)
}

// markClaim looks again at the worker on which a request has, or had, a claim.
func (l *loop) markClaim(f berth.Fact, old former) {
	id := berth.RequestID(f.Key.ID)
	if old.claimOn != "" {
		l.due.add(workerKey(old.claimOn))
	}
	if is, ok := f.Record.(*berth.Progress); ok && is.ClaimOn != "" {
		if _, had := l.claimants[id]; !had {
			l.claimants[id] = time.Time{}
		}
		l.due.add(workerKey(is.ClaimOn))
	} else if _, had := l.claimants[id]; had {
		delete(l.claimants, id)
		l.callBack()
	}
}

// lookClaims gives up the claims of a worker that count no more, or will not be met
// there, and places those whose victims have ended.
func (l *loop) lookClaims(w berth.WorkerID, ledger *berth.Ledger, b *builder) {
	if ledger == nil || len(ledger.Claims) == 0 {
		return
	}
	for _, c := range slices.Clone(ledger.Claims) {
		stands, takes := l.claimStands(w, &c), l.keepsClaim(w, c.Request)
		switch {
		case stands && takes && len(c.Victims) > 0:
		case l.halfTold(w, workerKey(w)), l.behind(workerKey(w), stateKey(c.Request), requestKey(c.Request)), l.defersClaim(&c, workerKey(w)):
		case l.flights.requests[c.Request] != nil:
			f := l.flights.requests[c.Request]
			f.again = append(f.again, workerKey(w))
		case !l.mayAct(workerKey(w), l.share.ofWorker(w)):
			return
		case !b.room():
			b.keys = append(b.keys, workerKey(w))
			l.timers.set(workerKey(w), b.now) // in the next plan
			return
		case stands && takes && (l.fleet.Worker(w).Held || !l.mayPlace()):
			l.timers.set(workerKey(w), b.now.Add(pause))
		case stands && takes && (b.meetClaim(w, &c) || l.awaitsQuota(w, &c, b.now)):
		default:
			b.releaseClaim(w, &c, stands)
		}
	}
}

// keepsClaim says whether a worker is one on which what a request has claimed is to be placed.
func (l *loop) keepsClaim(w berth.WorkerID, id berth.RequestID) bool {
	fw := l.fleet.Worker(w)
	if !takesRequests(fw) {
		return false
	}
	sub, _ := l.view.submission(id)
	return sub == nil || !l.fleet.Repels(w, &sub.Spec)
}

// releaseClaim gives a claim up. Where it counts, its request can have another then;
// where not, the plan depends on that.
func (b *builder) releaseClaim(w berth.WorkerID, c *berth.Claim, stands bool) {
	now, _ := b.l.ledgerNow(w, b)
	ledger, err := now.WithoutClaim(c.Request)
	if err != nil {
		b.l.log.Error("cannot take a claim off its ledger: run berth fsck",
			zap.String("request", string(c.Request)), zap.String("worker", string(w)), zap.Error(err))
		return
	}
	if !b.claim(c.Request, workerKey(w)) || !b.discountClaim(c, &now.Capacity, workerKey(w)) {
		return
	}
	b.ledger(w).Ledger = ledger
	b.changed[w] = struct{}{}
	if prog, mod := b.l.view.progress(c.Request); stands {
		b.l.queue.remove(c.Request) // a plan changes it once; it is put there again by the answer
		next := *prog
		next.ClaimOn = ""
		b.putClaim(c.Request, mod, next)
	} else {
		was, _ := b.l.view.stored(stateKey(c.Request))
		b.guard(berth.Guard{Key: stateKey(c.Request), Was: was})
		b.add(ops{}, 0, workerKey(w))
	}
	b.freed(w, ledger)
}

// victimEnded takes what an end gives back into the claim that waits for it, and says
// which that is; nil: none.
func (b *builder) victimEnded(w berth.WorkerID, id berth.RequestID) *berth.Claim {
	lw := b.ledger(w)
	ledger, c, err := lw.Ledger.VictimEnded(id, b.l.hasOn(w))
	if err != nil {
		b.l.log.Error("cannot take an end into its claim: run berth fsck",
			zap.String("request", string(id)), zap.String("worker", string(w)), zap.Error(err))
		return nil
	}
	lw.Ledger = ledger
	return c
}

// hasOn tells what a request has on a worker; nothing where it has no place there that is known.
func (l *loop) hasOn(w berth.WorkerID) func(berth.RequestID) berth.Share {
	return func(id berth.RequestID) (share berth.Share) {
		if x := l.view.lives[id]; x != nil && x.isOn(w) {
			share = x.terms.share
		}
		return share
	}
}

// meetClaim places a request whose victims have ended, by the plan that ends the last
// of them or after it, or has given the claim up; false: it cannot be placed there now.
func (b *builder) meetClaim(on berth.WorkerID, c *berth.Claim) bool {
	l := b.l
	sub, seq := l.view.submission(c.Request)
	prog, mod := l.view.progress(c.Request)
	if len(c.Victims) > 0 || !l.claimStands(on, c) || !l.keepsClaim(on, c.Request) || l.fleet.Worker(on).Held || !l.mayPlace() ||
		l.cancels[c.Request] != nil || l.flights.requests[c.Request] != nil {
		return false
	}
	w := waitingOf(c.Request, sub, seq, prog)
	now, _ := l.ledgerNow(on, b)
	before := *now
	bare, err := before.WithoutClaim(c.Request)
	was := *l.fleet.Worker(on)
	if err != nil || was.Epoch != bare.Epoch {
		return false
	}
	b.changed[on] = struct{}{}
	open := was
	open.Ledger = bare
	l.fleet.Put(open)
	beside := l.fleet.Beside(w.candidate(), on)
	as, d, ok := l.placeClaimed(w, c, on)
	if !ok || !b.payClaim(w, on, c, &d.Share) || l.unsure(w, on) || !b.claim(c.Request, requestKey(c.Request)) {
		was.Ledger = before
		l.fleet.Put(was)
		l.noteLedger(on, b)
		return false
	}
	l.noteLedger(on, b)
	b.haveRoom(w, as, on, &bare, beside)
	l.queue.remove(c.Request)
	b.ledger(on).Ledger = bare
	if !b.place(w, prog, mod, d, false) {
		// What place asks for has just been asked. Whatever is wrong, the claim must not stand in
		// the way for ever: its request waits as any other.
		l.log.Error("a claim cannot be met, and is given up: run berth fsck", zap.String("request", string(c.Request)), zap.String("worker", string(on)))
		b.unmake(w)
		b.ledger(on).Ledger = before
		delete(b.acted, c.Request)
		b.releaseClaim(on, c, true)
	}
	return true
}

// claimReason is what a request waits for that has a claim.
func (l *loop) claimReason(id berth.RequestID) (berth.Reason, bool) {
	prog, _ := l.view.progress(id)
	if prog == nil || prog.ClaimOn == "" {
		return berth.Reason{}, false
	}
	ledger, _ := l.view.ledger(prog.ClaimOn)
	if ledger != nil && ledger.ClaimOf(id).WaitsForQuota() {
		return berth.Reason{}, false
	}
	return claimReason(id, prog.ClaimOn, ledger), true
}

// claimReason is that of a claim on a worker with that ledger; nil: it has none.
func claimReason(id berth.RequestID, on berth.WorkerID, ledger *berth.Ledger) berth.Reason {
	r := berth.Reason{Code: berth.ReasonClaim, Detail: string(on), Workers: 1, Some: []berth.WorkerID{on}}
	if ledger != nil {
		if c := ledger.ClaimOf(id); c != nil {
			r.Want = int64(len(c.Victims))
		}
	}
	return r
}
