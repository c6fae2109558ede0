package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Explain says why a request waits, judged now, or why it was placed where it is.
func (d *Daemon) Explain(ctx context.Context, id berth.RequestID) (Explanation, error) {
	s, err := d.Get(ctx, id)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Status: s}
	if s.State != berth.StatePending {
		err = d.call(ctx, func(l *loop) {
			if b, ok := l.heldUntil(id); ok {
				e.Brake = &b
			}
		})
		if err == nil && s.Worker != "" {
			d.whyThere(ctx, &e)
		}
		e.Former, _ = d.former(ctx, &s)
		return e, err
	}
	e.Former, e.Since = d.former(ctx, &s)
	if e.Since.IsZero() {
		e.Since = waitsSince(&s)
	}
	err = d.call(ctx, func(l *loop) {
		turn := l.turnExplained(&s.Spec)
		e.Turn = &turn
		if m := s.Spec.Group; m != nil {
			if e.Verdict = l.groupExplained(m.ID, accountOf(&s.Spec)); e.Verdict != nil {
				e.Victims, _ = l.roomOf(m.ID, s.Spec.Pool)
				return
			}
		}
		l.queueAllFresh()
		by := l.d.opts.ID
		if p := l.peers.holder[requestKey(id)]; p != nil {
			by = p.id
		}
		spec := &s.Spec
		if s.Spec.Group != nil {
			if rec, _ := l.view.group(s.Spec.Group.ID); rec != nil { // it goes where the others are
				spec = &joining(&berth.Submission{Spec: s.Spec}, rec).Spec
			}
		}
		g := l.fleet.Diagnose(scheduler.Candidate{Request: spec, Priority: s.Spec.Priority})
		g.Verdict.At = l.view.revision
		w := &waiting{id: id, request: spec}
		prog, _ := l.view.progress(id)
		if prog != nil {
			w.claimOn = prog.ClaimOn // of what another daemon plans
		}
		if c := l.queue.of[id]; c != nil {
			w = c.ids[id]
		}
		v := l.overQuota(w, by)
		if v == nil || l.lacksWorker(w, by) != nil {
			v = l.quotaKeeps(w, by)
		}
		if v != nil {
			l.tellStands(v, accountOf(spec))
			l.withoutClaim(v, w)
			withQuota(&g.Verdict, v)
		}
		r, claims := l.claimReason(id)
		if claims {
			withClaim(&g.Verdict, r)
			e.Victims = l.victims(id)
		}
		tellVain(&g.Verdict, func() (berth.Reason, bool) { return l.preemptsInVain(id) })
		l.tellKeptOff(&g.Verdict, spec.Pool)
		e.WouldPreempt = isQuota(&g.Verdict) && (claims || mayPreempt(spec, prog) && l.couldPreempt(w))
		if l.hold.active() {
			g.Verdict.Reasons = append([]berth.Reason{l.hold.reason()}, g.Verdict.Reasons...)
		}
		e.Verdict, e.Nearest = &g.Verdict, g.Nearest
	})
	return e, err
}

// withQuota adds to why no worker takes a request that its tenant's quota has no room for it,
// either. First comes what no waiting resolves: where no worker could ever take it, what ends
// of its tenant's would be of no use.
func withQuota(v, short *berth.Verdict) {
	if neverAlone(v) && !short.NeverFits {
		v.Reasons = append(v.Reasons, short.Reasons...)
		return
	}
	v.Reasons = append(short.Reasons, v.Reasons...)
	v.NeverFits = v.NeverFits || short.NeverFits
}

// neverAlone says whether no worker that is there could ever take what a verdict is of.
func neverAlone(v *berth.Verdict) bool {
	return v.NeverFits || slices.ContainsFunc(v.Reasons, func(r berth.Reason) bool { return r.Code == berth.ReasonNoWorker })
}

// whyThere tells how the worker of an attempt stood, and the runner-up, when it was
// chosen; or why that cannot be told.
func (d *Daemon) whyThere(ctx context.Context, e *Explanation) {
	ctx, done, err := d.reading(ctx, "explain "+string(e.Status.ID))
	if err != nil {
		e.NotTold = err.Error()
		return
	}
	defer done()
	Replayer{d.store}.whyThere(ctx, e, e.Status.Attempt)
}

// waitsSince is from when a request could have been placed, as far as its records
// tell: when a former attempt ended is not kept, only until when it was put off. See former.
func waitsSince(s *Status) time.Time {
	if s.NotBefore.After(s.SubmittedAt) {
		return s.NotBefore
	}
	return s.SubmittedAt
}
