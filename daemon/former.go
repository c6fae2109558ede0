package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// Former is how the attempt before that of a request came to its end: before the one that it waits for or runs in, or,
// where it ended while it waited for one, before that.
type Former struct {
	Worker   berth.WorkerID   // "": the store's history does not tell any more
	Revision berth.Revision   // by which the request waited again
	Reason   berth.EndReason  // of its end
	Stop     *berth.StopOrder // that the attempt was given, if any
	Exit     *berth.Exit      // that its worker reported, if any
	At       time.Time        // when; zero: not known

	Member    berth.RequestID // of its group, whose own end was why that is placed anew; "": it was not, or the history does not tell
	MemberEnd *Former         // that one's
}

// formerSteps bounds how many versions of a state are read: one that waits is written again
// when it gets a claim, and when that is given up.
const formerSteps = 8

// Former is how the attempt before came to its end; nil where there is none, the request ended in its last one,
// or the store's history does not tell of it.
func (d *Daemon) Former(ctx context.Context, s *Status) *Former {
	f, _ := d.former(ctx, s)
	return f
}

// former finds the end of the attempt before in the store's history, and when that
// was, as far as this daemon's clock tells: the records of the request tell of neither.
func (d *Daemon) former(ctx context.Context, s *Status) (*Former, time.Time) {
	attempt, rev := s.Attempt, s.Revision
	switch {
	case s.State.Final() && s.Worker != "":
		return nil, time.Time{}
	case s.State.Final(): // its records are gone by then
		attempt, rev = attempt+1, s.Changed-1
	}
	if attempt <= 1 {
		return nil, time.Time{}
	}
	out := &Former{}
	for range formerSteps {
		facts, err := d.store.GetAt(ctx, rev, stateKey(s.ID))
		if err != nil {
			break
		}
		p, ok := facts[0].Record.(*berth.Progress)
		if !ok {
			break
		}
		if p.State == berth.StatePending {
			out.Revision, out.Reason = facts[0].Mod, p.LastEnd
		}
		if p.State == berth.StatePending || p.Attempt >= attempt {
			rev = facts[0].Mod - 1
			continue
		}
		out.Worker = p.Worker
		if a := d.allocationAt(ctx, rev, p.Worker, s.ID); a != nil {
			if out.Stop, out.Exit = a.Stop, a.Exit; out.Reason == berth.EndGroup && a.Group != "" {
				d.tellAnew(ctx, out, a)
			}
		}
		break
	}
	if out.Revision == 0 {
		return nil, time.Time{}
	}
	return out, d.tellWhen(ctx, out)
}

// allocationAt is a request's on a worker, as of a revision; nil: there was none, or the store's history does not tell.
func (d *Daemon) allocationAt(ctx context.Context, at berth.Revision, w berth.WorkerID, id berth.RequestID) *berth.Allocation {
	facts, err := d.store.GetAt(ctx, at, allocationKey(w, id))
	if err != nil {
		return nil
	}
	a, _ := facts[0].Record.(*berth.Allocation)
	return a
}

// tellWhen adds when an attempt came to its end; at is zero where this daemon's clock does not tell.
func (d *Daemon) tellWhen(ctx context.Context, f *Former) (at time.Time) {
	if err := d.call(ctx, func(l *loop) { at = l.past.when(f.Revision) }); err != nil {
		at = time.Time{}
	}
	if f.At = at; f.At.IsZero() && f.Exit != nil {
		f.At = f.Exit.At // by its worker's clock
	}
	return at
}

// Victim is one of those that are to end so that a request has room.
type Victim struct {
	ID   berth.RequestID
	Stop *berth.StopOrder // nil: it has ended, or is not known
}

// claimVictims are those for whom a claim waits.
func claimVictims(c *berth.Claim, allocation func(berth.RequestID) *berth.Allocation) []Victim {
	if c == nil {
		return nil
	}
	out := make([]Victim, 0, len(c.Victims))
	for _, id := range c.Victims {
		v := Victim{ID: id}
		if a := allocation(id); a != nil {
			v.Stop = a.Stop
		}
		out = append(out, v)
	}
	return out
}

// victims are those for whom the claim of a request waits, if it has one.
func (l *loop) victims(id berth.RequestID) []Victim {
	prog, _ := l.view.progress(id)
	if prog == nil || prog.ClaimOn == "" {
		return nil
	}
	ledger, _ := l.view.ledger(prog.ClaimOn)
	if ledger == nil {
		return nil
	}
	return claimVictims(ledger.ClaimOf(id), func(v berth.RequestID) *berth.Allocation {
		a, _ := l.view.allocation(prog.ClaimOn, v)
		return a
	})
}

// victimsAt are those of a claim at a revision.
func (d *Daemon) victimsAt(ctx context.Context, c *berth.Claim, on berth.WorkerID, at berth.Revision) ([]Victim, error) {
	if c == nil || len(c.Victims) == 0 {
		return nil, nil
	}
	keys := make([]berth.Key, len(c.Victims))
	for i, id := range c.Victims {
		keys[i] = allocationKey(on, id)
	}
	facts, err := d.store.GetAt(ctx, at, keys...)
	if err != nil {
		return nil, err
	}
	return claimVictims(c, func(id berth.RequestID) *berth.Allocation {
		a, _ := facts[slices.Index(c.Victims, id)].Record.(*berth.Allocation)
		return a
	}), nil
}
