package daemon

import (
	"context"

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
	f := s.Fleet()
	g := waitingGroup{request: spec}
	if spec.Group != nil {
		if g, err = d.groupAt(ctx, spec, at); err != nil {
			return err
		}
	}
	claimed := p != nil && p.ClaimOn != ""
	var short *berth.Verdict
	if !claimed { // who has a claim is counted already
		if short, err = d.quotaAt(ctx, f, e, &g, p); err != nil {
			return err
		}
	}
	if len(g.members) > 0 {
		got := f.PlaceGang(scheduler.Gang{Members: g.members, Need: int(g.needs), Topology: spec.Group.Topology, Linked: spec.Group.Linked})
		f.Undo(got)
		if e.Verdict = got.Verdict; short != nil {
			e.Verdict = groupWithQuota(got.Verdict, short)
		}
		if e.Verdict != nil {
			e.Verdict.At = at
			k := s.Keep(spec.Pool)
			tellKept(e.Verdict, spec.Group.ID, k)
			if k == nil || k.Group != spec.Group.ID {
				return nil
			}
			victims, on, err := Replayer{d.store}.makingAt(ctx, k, at)
			e.Verdict, e.Victims = tellMaking(e.Verdict, victims, on), victims
			return err
		}
	}
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
	facts, err := d.store.GetAt(ctx, at, ledgerKey(p.ClaimOn))
	if err != nil {
		return err
	}
	ledger, _ := facts[0].Record.(*berth.Ledger)
	withClaim(e.Verdict, claimReason(e.Status.ID, p.ClaimOn, ledger))
	if ledger != nil {
		e.Victims, err = d.victimsAt(ctx, ledger.ClaimOf(e.Status.ID), p.ClaimOn, at)
	}
	return err
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

// waitingGroup is what a request waited as.
type waitingGroup struct {
	request *berth.Request
	members []scheduler.Candidate // of its group, which waited whole; none: it waited by itself
	needs   int64                 // so many of them must be placed
}

// least is how many requests are placed together, at least.
func (g *waitingGroup) least() int64 {
	if len(g.members) == 0 {
		return 1
	}
	return min(g.needs, int64(len(g.members)))
}

// groupAt is a request's group at a revision.
func (d *Daemon) groupAt(ctx context.Context, spec *berth.Request, at berth.Revision) (waitingGroup, error) {
	one := waitingGroup{request: spec}
	facts, err := d.store.GetAt(ctx, at, groupKey(spec.Group.ID))
	if err != nil {
		return one, err
	}
	g, ok := facts[0].Record.(*berth.Group)
	if !ok {
		return one, nil // it was being submitted
	}
	if g.State != berth.GroupPending {
		one.request = &joining(&berth.Submission{Spec: *spec}, g).Spec
		return one, nil
	}
	members, err := Replayer{d.store}.members(ctx, spec.Group.ID, g, at)
	if err != nil {
		return one, err
	}
	for i := range members {
		one.members = append(one.members, members[i].waiting.candidate())
	}
	one.needs = needs(g, int64(len(members)))
	return one, nil
}
