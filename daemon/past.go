package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// Moment says when a question is about: now, at a revision, or at a time.
type Moment struct {
	Revision berth.Revision
	Time     time.Time
}

// Past is what a question about the past was answered from.
type Past struct {
	Revision berth.Revision
	Time     time.Time      // of the revision, as far as it is known
	Oldest   berth.Revision // that could be asked about; 0: not known
}

// find is the revision that a moment of the past is, and its time, if that is known. Rough: it may be of later, up to the
// placement after that.
func (d *Daemon) find(ctx context.Context, m Moment) (p Past, rough bool, err error) {
	oldest, err := d.store.Oldest(ctx)
	if err != nil {
		return Past{}, false, err
	}
	if m.Revision > 0 {
		p := Past{Revision: m.Revision, Oldest: oldest}
		if err := d.call(ctx, func(l *loop) { p.Time = l.past.when(m.Revision) }); err != nil || !p.Time.IsZero() {
			return p, false, err
		}
		if f, err := d.lastPlan(ctx, m.Revision); err == nil && f != nil {
			p.Time = f.Clock
		}
		return p, false, nil
	}
	s, rough, err := d.before(ctx, m.Time, oldest)
	if err != nil {
		return Past{}, false, err
	}
	return Past{Revision: s.revision, Time: s.at, Oldest: oldest}, rough, nil
}

// before is what is known of a time: the view's last revision before it, where this daemon
// remembers that; else, or where it remembers only some, the last revision up to the next placement, which
// may be later (rough).
func (d *Daemon) before(ctx context.Context, t time.Time, oldest berth.Revision) (s sample, rough bool, err error) {
	var ok bool
	var newest berth.Revision
	var first time.Time
	if err := d.call(ctx, func(l *loop) {
		s, ok = l.past.at(t)
		first = l.past.first(oldest)
		rough = !ok || l.past.rough(t)
		newest = l.past.until(t, l.view.revision)
	}); err != nil {
		return s, false, err
	}
	switch {
	case !rough && s.revision < oldest: // somebody has compacted it
		return s, false, &etcdstore.PastError{Oldest: oldest, Time: t, Since: first}
	case !rough:
		return s, false, nil
	}
	placed, err := d.planBefore(ctx, t, max(oldest, s.revision), newest)
	none, isNone := errors.AsType[*etcdstore.PastError](err)
	switch {
	case isNone && ok && s.revision >= oldest:
		return s, true, nil
	case isNone && !first.IsZero() && (none.Since.IsZero() || first.Before(none.Since)):
		none.Since = first
	}
	return placed, true, err
}

// planBefore finds, in the history of the basis of plans, the last revision between two before which nothing was placed after
// a time. The clocks of daemons differ by little, and so does what is found.
func (d *Daemon) planBefore(ctx context.Context, t time.Time, oldest, newest berth.Revision) (sample, error) {
	var found sample
	var first time.Time // of the placements after it that were met
	for lo, hi := oldest, newest; lo <= hi; {
		mid := lo + (hi-lo)/2
		b, err := d.lastPlan(ctx, mid)
		if err != nil {
			return sample{}, err
		}
		if b == nil || !b.Clock.After(t) {
			if b != nil {
				found = sample{revision: mid, at: b.Clock}
			}
			lo = mid + 1
			continue
		}
		hi, first = mid-1, b.Clock
	}
	if found.revision == 0 {
		return sample{}, &etcdstore.PastError{Oldest: oldest, Time: t, Since: first}
	}
	return found, nil
}

// lastPlan is the basis of the last placement up to a revision, or nil.
func (d *Daemon) lastPlan(ctx context.Context, rev berth.Revision) (*berth.PlanBasis, error) {
	facts, err := d.store.GetAt(ctx, rev, planKey)
	if err != nil {
		return nil, err
	}
	b, _ := facts[0].Record.(*berth.PlanBasis)
	return b, nil
}

// ExplainAt is Explain of the past, as far as the store's history reaches back. It
// knows what the records say, and not what only a daemon knew: see explainWaiting.
func (d *Daemon) ExplainAt(ctx context.Context, id berth.RequestID, m Moment) (Explanation, error) {
	if err := berth.CheckID("id", string(id)); err != nil {
		return Explanation{}, err
	}
	ctx, done, err := d.reading(ctx, "explain "+string(id))
	if err != nil {
		return Explanation{}, err
	}
	defer done()
	var e Explanation
	err = patiently(ctx, func() error {
		past, rough, err := d.find(ctx, m)
		if err == nil && rough {
			past.Revision, err = d.notYetAfter(ctx, id, m.Time, &past)
		}
		if err == nil {
			e, err = d.explainAt(ctx, id, past)
		}
		return err
	})
	if err != nil {
		return Explanation{}, fmt.Errorf("explain %s: %w", id, err)
	}
	return e, nil
}

// patiently asks again what the store has not answered in time, as long as ctx lasts.
// Such questions are many small reads, of what does not change any more; one of them that
// took five seconds, on a machine that had others to serve, failed them all.
func patiently(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		if wait(ctx, pause); ctx.Err() != nil {
			return err
		}
	}
}

// notYetSteps bounds how many versions of a request's records are looked at.
const notYetSteps = 16

// notYetAfter is the last revision up to that of a past at which no record of a request tells of anything that was after a
// time. Where that is not known better, it is what keeps what ended later from being told as of then.
func (d *Daemon) notYetAfter(ctx context.Context, id berth.RequestID, t time.Time, of *Past) (berth.Revision, error) {
	rev := of.Revision
	for range notYetSteps {
		if rev < of.Oldest {
			break
		}
		facts, err := d.store.GetAt(ctx, rev, requestKey(id), stateKey(id), archiveKey(id))
		if err != nil {
			return 0, err
		}
		later := berth.Revision(0) // what is of after it came with that
		if a, ok := facts[2].Record.(*berth.Archive); ok && a.EndedAt.After(t) {
			later = facts[2].Mod
		} else if s, ok := facts[0].Record.(*berth.Submission); ok && s.SubmittedAt.After(t) {
			later = facts[0].Create
		} else if p, ok := facts[1].Record.(*berth.Progress); ok && p.Worker != "" {
			held, err := d.store.GetAt(ctx, rev, allocationKey(p.Worker, id))
			if err != nil {
				return 0, err
			}
			if a, ok := held[0].Record.(*berth.Allocation); ok && (a.StartedAt.After(t) || a.Exit != nil && a.Exit.At.After(t)) {
				later = held[0].Mod
			}
		}
		if later == 0 {
			return rev, nil
		}
		rev = later - 1
	}
	return 0, &etcdstore.PastError{Oldest: of.Oldest, Time: t}
}

func (d *Daemon) explainAt(ctx context.Context, id berth.RequestID, past Past) (Explanation, error) {
	e := Explanation{Past: &past}
	facts, err := d.store.GetAt(ctx, past.Revision, requestKey(id), stateKey(id), archiveKey(id))
	if err != nil {
		return e, err
	}
	if a, ok := facts[2].Record.(*berth.Archive); ok {
		if e.Status = archiveStatus(id, a, past.Revision, facts[2].Mod); a.Worker != "" {
			Replayer{d.store}.whyThere(ctx, &e, a.Attempt)
		}
		e.Former, _ = d.former(ctx, &e.Status)
		return e, nil
	}
	sub, ok := facts[0].Record.(*berth.Submission)
	if !ok {
		return e, fmt.Errorf("at revision %d: %w", past.Revision, ErrNotFound)
	}
	p, _ := facts[1].Record.(*berth.Progress)
	e.Status = Status{
		ID: id, State: berth.StatePending, Attempt: 1, Spec: sub.Spec, SubmittedAt: sub.SubmittedAt,
		Revision: past.Revision, Changed: max(facts[0].Mod, facts[1].Mod),
	}
	if p != nil {
		e.Status.Attempt, e.Status.UsedAttempts, e.Status.Reason, e.Status.NotBefore = p.Attempt, p.Used, p.LastEnd, p.NotBefore
	}
	if p != nil && p.State == berth.StatePlaced {
		err = d.explainPlaced(ctx, &e, p)
	} else {
		err = d.explainWaiting(ctx, &e, p)
	}
	return e, err
}

func (d *Daemon) explainPlaced(ctx context.Context, e *Explanation, p *berth.Progress) error {
	s := &e.Status
	s.State, s.Worker = berth.StatePlaced, p.Worker
	facts, err := d.store.GetAt(ctx, s.Revision, allocationKey(p.Worker, s.ID))
	if err != nil {
		return err
	}
	if a, ok := facts[0].Record.(*berth.Allocation); ok {
		s.State, s.Share, s.Exit, s.Stop, s.PlacedAt, s.StartedAt = a.State, &a.Share, a.Exit, a.Stop, a.PlacedAt, a.StartedAt
	}
	Replayer{d.store}.whyThere(ctx, e, p.Attempt)
	e.Former, _ = d.former(ctx, s)
	return nil
}
