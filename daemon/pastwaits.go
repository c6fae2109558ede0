package daemon

import (
	"context"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// explainWaiting tells why a request waited, by the records of then: for those who make
// room for it, for its tenant's quota, for its group, or for workers. It is what Explain
// said then, but for what only daemons knew: which workers were suspended, or held for a
// group, and that there was less of a quota than had been taken of it.
func (d *Daemon) explainWaiting(ctx context.Context, e *Explanation, p *berth.Progress) error {
	at, spec := e.Status.Revision, &e.Status.Spec
	if e.Former, e.Since = d.former(ctx, &e.Status); e.Since.IsZero() {
		e.Since = waitsSince(&e.Status)
	}
	s, err := d.snapshotAt(ctx, snapshot.Header{Revision: at, TakenAt: e.Past.Time}, spec.Related())
	if err != nil {
		return err
	}
	waiting, err := d.claimantsAt(ctx, s, spec.Pool)
	if err != nil {
		return err
	}
	e.Status.NotBefore = waiting.nextAttempt(spec, e.Status.Reason, e.Status.NotBefore, e.Past.Time)
	f := s.Fleet()
	g := waitingGroup{request: spec}
	if spec.Group != nil {
		if g, err = d.groupAt(ctx, e, waiting); err != nil {
			return err
		}
	}
	e.Status.GroupWait = g.wait
	if spec.PendingLimitMS > 0 {
		e.Status.ExpiresAt = e.Since.Add(time.Duration(spec.PendingLimitMS) * time.Millisecond)
	}
	ledger, claim, err := d.claimAt(ctx, spec.ID, p, at)
	if err != nil {
		return err
	}
	claimed := p != nil && p.ClaimOn != "" && !claim.WaitsForQuota()
	var quota *pastQuota
	if !claimed { // who has a claim is counted already
		if quota, err = d.quotaAt(ctx, workersThen{s, f}, e, &g, p); err != nil {
			return err
		}
	}
	short := quota.over(f, &g)
	if len(g.members) > 0 {
		if e.Verdict = g.whyNot(f, quota, short); e.Verdict != nil {
			return d.tellGroupAt(ctx, e, &g, groupThen{f, quota, s.Keep(spec.Pool)})
		}
	}
	quota.tell(short)
	verdict := f.Diagnose(scheduler.Candidate{Request: g.request, Priority: spec.Priority})
	e.Verdict, e.Nearest = &verdict.Verdict, verdict.Nearest
	e.Verdict.At = at
	if short != nil {
		withQuota(e.Verdict, short)
	}
	if !claimed {
		if spec.Group == nil && spec.Preemption == berth.PreemptionLower { // of the rest only daemons knew
			tellVain(e.Verdict, func() (berth.Reason, bool) { return vainAfter(p) })
		}
		return nil
	}
	withClaim(e.Verdict, claimReason(e.Status.ID, p.ClaimOn, ledger))
	e.Victims, err = d.victimsAt(ctx, claim, p.ClaimOn, at)
	return err
}

// claimAt is the claim of a request as of a revision, and its worker's ledger.
func (d *Daemon) claimAt(ctx context.Context, id berth.RequestID, p *berth.Progress, at berth.Revision) (*berth.Ledger, *berth.Claim, error) {
	if p == nil || p.ClaimOn == "" {
		return nil, nil, nil
	}
	facts, err := d.store.GetAt(ctx, at, ledgerKey(p.ClaimOn))
	if err != nil {
		return nil, nil, err
	}
	ledger, _ := facts[0].Record.(*berth.Ledger)
	if ledger == nil {
		return nil, nil, nil
	}
	claim := ledger.ClaimOf(id)
	return ledger, claim, nil
}

// workersThen are those of a revision, and as a scheduler sees them.
type workersThen struct {
	records *snapshot.Snapshot
	fleet   *scheduler.Fleet
}

// snapshotAt is of the workers at a revision; of one who is related, with what is placed there.
func (d *Daemon) snapshotAt(ctx context.Context, h snapshot.Header, related bool) (*snapshot.Snapshot, error) {
	kinds := snapshot.FleetKinds
	if related {
		kinds = snapshot.RelatedKinds
	}
	s := snapshot.New(h)
	_, err := d.store.ScanAt(ctx, h.Revision, kinds, func(f berth.Fact) error { s.Put(f); return nil })
	return s, err
}
