package daemon

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthd/berth"
)

// status is what the view knows of a request. Of one that ended long ago only
// its state's being final is known; Get reads the rest from the store.
func (l *loop) status(id berth.RequestID) (s Status, ok bool) {
	x := l.view.lives[id]
	switch {
	case x == nil:
		return l.endedStatus(id)
	case x.whole == 0 && x.spec != nil:
		x.fill(&s)
	case !l.view.fillStatus(id, &s):
		return l.endedStatus(id)
	}
	if m := s.Spec.Group; m != nil {
		if g, _ := l.view.group(m.ID); g != nil {
			s.UsedAttempts = g.Used
		}
	}
	if s.Spec.OnDrain == berth.OnDrainReplace {
		l.tellSuccessor(&s)
	}
	s.Revision, s.Changed = l.asOf(), l.view.changed(id)
	s.Lost = l.lossOf(id)
	if s.State == berth.StatePending {
		s.NotBefore = l.nextAttempt(id, s.Reason, s.NotBefore)
		s.Verdict = l.briefly(l.verdict(id), accountOf(&s.Spec), id)
		s.Blocked = s.Verdict != nil
		if s.Spec.PendingLimitMS > 0 { // most have none, and a list asks of all
			s.ExpiresAt = l.expiresAt(id, l.now())
		}
	} else {
		s.Reason = "" // of the attempt before: this one has not ended
	}
	return s, true
}

func (l *loop) endedStatus(id berth.RequestID) (Status, bool) {
	a := l.view.archived(id)
	if a == nil {
		return Status{}, false
	}
	if whole := l.archive.recent[id]; whole != nil {
		return archiveStatus(id, whole, l.view.revision, l.view.changed(id)), true
	}
	return Status{ID: id, State: berth.StateSucceeded, EndedAt: a.endedAt, Revision: l.view.revision}, true
}

func archiveStatus(id berth.RequestID, a *berth.Archive, rev, changed berth.Revision) Status {
	return Status{
		ID: id, State: a.State, Reason: a.Reason, Message: a.Message, Attempt: a.Attempt, Worker: a.Worker,
		Exit: a.Exit, Spec: a.Spec, SubmittedAt: a.SubmittedAt, PlacedAt: a.PlacedAt,
		StartedAt: a.StartedAt, EndedAt: a.EndedAt, ReplacedBy: a.ReplacedBy, Revision: rev, Changed: changed,
	}
}

// Get is one request, ended or not.
func (d *Daemon) Get(ctx context.Context, id berth.RequestID) (Status, error) {
	if err := berth.CheckID("id", string(id)); err != nil {
		return Status{}, err
	}
	var s Status
	var ok bool
	if err := d.call(ctx, func(l *loop) {
		if s, ok = l.status(id); s.State == berth.StatePending && s.Spec.Group != nil {
			s.GroupWait = l.groupWait(s.Spec.Group.ID)
		}
	}); err != nil {
		return Status{}, fmt.Errorf("get %s: %w", id, err)
	}
	if ok && s.Spec.ID != "" {
		return s, nil
	}
	return d.read(ctx, id, s.Revision)
}

// read asks the store for what the view holds no more, or not yet: the watch may
// be behind what another daemon has acknowledged, and "not found" would then be
// wrong.
func (d *Daemon) read(ctx context.Context, id berth.RequestID, at berth.Revision) (Status, error) {
	facts, err := d.store.Get(ctx, archiveKey(id), requestKey(id))
	if err != nil {
		return Status{}, fmt.Errorf("get %s: %w", id, err)
	}
	if a, ok := facts[0].Record.(*berth.Archive); ok {
		return archiveStatus(id, a, at, facts[0].Mod), nil
	}
	if _, ok := facts[1].Record.(*berth.Submission); ok {
		return Status{}, fmt.Errorf("request %s: %w: it was accepted, and is not in this daemon's view yet", id, ErrNotReady)
	}
	return Status{}, fmt.Errorf("request %s: %w", id, ErrNotFound)
}

// List is one page of the requests that match, ordered by id.
func (d *Daemon) List(ctx context.Context, f Filter) ([]Status, error) {
	if f.Limit == 0 {
		f.Limit = DefaultPage
	}
	if f.Limit < 1 || f.Limit > MaxPage {
		return nil, &berth.FieldError{Field: "limit", Value: fmt.Sprint(f.Limit), Problem: "is out of range", Bound: fmt.Sprintf("1 to %d", MaxPage)}
	}
	var page []Status
	for {
		var ids []berth.RequestID
		var some []Status
		if err := d.call(ctx, func(l *loop) { ids = l.ids(f, listedAtOnce); some = l.statuses(ids) }); err != nil || len(ids) == 0 {
			return page, err
		}
		f.After = ids[len(ids)-1]
		for _, s := range some {
			if s.Spec.ID == "" {
				whole, err := d.Get(ctx, s.ID)
				if err != nil {
					continue // purged meanwhile
				}
				s = whole
			}
			if f.Matches(&s) {
				page = append(page, s)
			}
			if len(page) == f.Limit {
				return page, nil
			}
		}
	}
}

// listedAtOnce is how many requests one call of the loop looks at for a list: others
// wait behind it.
const listedAtOnce = 256

// ids are the next n candidates of a filter, in order.
func (l *loop) ids(f Filter, n int) (ids []berth.RequestID) {
	switch {
	case len(f.IDs) > 0:
		ids = slices.Compact(slices.Sorted(slices.Values(f.IDs)))
	case f.Worker != "" && !f.Ended:
		for _, x := range l.view.on[f.Worker] {
			ids = append(ids, x.id)
		}
	case f.Group != "" && !f.Ended:
		ids = slices.Clone(l.inGroup(f.Group))
	default:
		return l.view.ids(f.After, f.Ended, n)
	}
	first, _ := slices.BinarySearch(ids, f.After)
	if f.After != "" && first < len(ids) && ids[first] == f.After {
		first++
	}
	return ids[first:min(first+n, len(ids))]
}

func (l *loop) statuses(ids []berth.RequestID) []Status {
	out := make([]Status, 0, len(ids))
	for _, id := range ids {
		if s, ok := l.status(id); ok {
			out = append(out, s)
		}
	}
	return out
}
