package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// GroupStatus is a group as its user sees it.
type GroupStatus struct {
	ID        berth.GroupID
	Record    berth.Group
	Members   []berth.RequestID // that have not ended
	States    map[berth.State]int
	Succeeded int64          // of a group that does not end
	Spec      berth.Request  // what was submitted for all members; empty when none is left
	Verdict   *berth.Verdict // while it waits: why it does not fit
	Wait      *GroupWait     // while it waits
	Revision  berth.Revision
}

// submitGroup makes a group durable, whole or not at all.
func (d *Daemon) submitGroup(ctx context.Context, r berth.Request) SubmitResult {
	result := SubmitResult{ID: r.ID}
	if result.Err = r.CheckRepeats(); result.Err != nil {
		return result
	}
	r = r.Normalize()
	if result.Err = d.checkGroup(ctx, &r); result.Err != nil {
		return result
	}
	at := d.opts.Now().UTC()
	var members []berth.Submission
	for _, m := range r.Members() {
		members = append(members, berth.Submission{Digest: berth.DigestOf(etcdstore.ContentOf(&m)), SubmittedAt: at, Spec: m})
	}
	rec := berth.Group{
		Size: r.Group.Size, MinCount: r.Group.MinCount, Digest: berth.DigestOf(etcdstore.ContentOf(&r)), Attempt: 1, State: berth.GroupPending, Since: at,
	}
	if result.Err = d.mayAccept(ctx, bytesOf(&r)); result.Err != nil {
		return result
	}
	facts, existing, err := d.store.SubmitGroup(ctx, r.Group.ID, rec, members)
	if err != nil {
		result.Err = err
		return result
	}
	if err := d.call(ctx, func(l *loop) { l.takeFacts(facts) }); err != nil && !errors.Is(err, ErrNotReady) {
		result.Err = fmt.Errorf("submit group %s: %w: %w", r.ID, etcdstore.ErrOutcomeUnknown, err)
	}
	result.Existing = existing
	result.Status = Status{ID: r.ID, State: berth.StatePending, Attempt: 1, Spec: r, SubmittedAt: at}
	if existing {
		d.tellExisting(ctx, &result, members[0].Spec.ID)
	}
	return result
}

// tellExisting tells of a group that was submitted before how it is: as its first member is.
func (d *Daemon) tellExisting(ctx context.Context, result *SubmitResult, first berth.RequestID) {
	if s, err := d.Get(ctx, first); err == nil {
		s.ID, s.Spec = result.ID, result.Status.Spec
		result.Status = s
	}
}

// repeatable says whether the whole call is to be made again: nothing is known to be wrong
// with what it asks for.
func repeatable(err error) bool {
	return errors.Is(err, ErrStopping) || errors.Is(err, ErrNotReady) || errors.Is(err, etcdstore.ErrOutcomeUnknown) || etcdstore.Unreachable(err)
}

// bytesOf is about what the requests of a group take in the store.
func bytesOf(r *berth.Request) int64 {
	return r.Group.Size * int64(len(etcdstore.ContentOf(r))+bytesSubmit)
}

// mayAccept says why nothing new is taken now, or nil. What is taken counts at once, until
// the next look at the store: others are asked for before it is there.
func (d *Daemon) mayAccept(ctx context.Context, bytes int64) (refusal error) {
	err := d.call(ctx, func(l *loop) {
		switch {
		case l.stopping:
			refusal = ErrStopping
		case l.space.RefusesSubmissions():
			refusal = fmt.Errorf("%w: %s", ErrNoSpace, l.space)
		default:
			l.space.InUseBytes += bytes
		}
	})
	if err != nil {
		return err
	}
	return refusal
}

func (d *Daemon) checkGroup(ctx context.Context, r *berth.Request) error {
	if err := r.ValidateAsked(); err != nil {
		return err
	}
	each, err := d.memberBytes(ctx, r)
	if err != nil {
		return err
	}
	if most, because := d.store.GroupMost(each); r.Group.Size > most {
		return &berth.FieldError{
			Field: "group.size", Value: fmt.Sprint(r.Group.Size), Problem: "is more than this store can place in one transaction",
			Bound: fmt.Sprintf("at most %d: %s", most, because),
		}
	}
	return nil
}

// Group is one group that has not ended.
func (d *Daemon) Group(ctx context.Context, id berth.GroupID) (GroupStatus, error) {
	if err := berth.CheckID("group", string(id)); err != nil {
		return GroupStatus{}, err
	}
	var s GroupStatus
	known := false
	if err := d.call(ctx, func(l *loop) { s, known = l.groupStatus(id, true) }); err != nil {
		return GroupStatus{}, fmt.Errorf("get group %s: %w", id, err)
	}
	if !known {
		return GroupStatus{}, fmt.Errorf("group %s: %w", id, ErrNotFound)
	}
	return s, nil
}

// Groups is one page of those that have not ended, by id, without their verdicts: at most
// limit (0: DefaultPage) that come behind after. next is where the page behind it begins,
// or empty.
func (d *Daemon) Groups(ctx context.Context, after berth.GroupID, limit int) (page []GroupStatus, next berth.GroupID, err error) {
	if limit == 0 {
		limit = DefaultPage
	}
	if limit < 1 || limit > MaxPage {
		return nil, "", &berth.FieldError{Field: "limit", Value: fmt.Sprint(limit), Problem: "is out of range", Bound: fmt.Sprintf("1 to %d", MaxPage)}
	}
	var ids []berth.GroupID
	if err := d.call(ctx, func(l *loop) { ids, next = l.groupIDs(after, limit) }); err != nil {
		return nil, "", err
	}
	for len(ids) > 0 {
		if err := d.call(ctx, func(l *loop) { ids, page = l.someGroups(ids, page) }); err != nil {
			return nil, "", err
		}
	}
	return page, next, nil
}

// groupIDs are the first that come behind after; next is the last of them, where there
// are more.
func (l *loop) groupIDs(after berth.GroupID, limit int) (ids []berth.GroupID, next berth.GroupID) {
	for k := range l.view.whole[berth.KindGroup] {
		if id := berth.GroupID(k.ID); id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if len(ids) > limit {
		ids = ids[:limit]
		next = ids[limit-1]
	}
	return ids, next
}

// someGroups adds to a page what may be looked at in one call: others wait behind it.
func (l *loop) someGroups(ids []berth.GroupID, page []GroupStatus) ([]berth.GroupID, []GroupStatus) {
	for looked := 0; len(ids) > 0 && looked < listedAtOnce; ids = ids[1:] {
		if s, ok := l.groupStatus(ids[0], false); ok {
			page = append(page, s)
		}
		looked += 1 + len(l.inGroup(ids[0]))
	}
	return ids, page
}

func (l *loop) groupStatus(id berth.GroupID, judged bool) (GroupStatus, bool) {
	g, _ := l.view.group(id)
	if g == nil {
		return GroupStatus{}, false
	}
	s := GroupStatus{
		ID: id, Record: *g, Members: slices.Clone(l.inGroup(id)), States: make(map[berth.State]int),
		Revision: l.view.revision,
	}
	if g.State != berth.GroupEnding { // then nobody counts how its members end
		s.Succeeded = l.succeeded(id, g)
	}
	for i, m := range s.Members {
		if st, ok := l.status(m); ok {
			s.States[st.State]++
			if i == 0 {
				s.Spec = st.Spec
				s.Spec.ID = berth.RequestID(id)
			}
		}
	}
	s.Wait = l.groupWait(id)
	if judged && g.State == berth.GroupPending {
		s.Verdict = l.groupExplained(id, accountOf(&s.Spec))
	}
	return s, true
}

// groupVerdict is why the group of a pending member waits, as it was judged last, but whether that is its quota is asked anew, and how
// much is left of it.
func (l *loop) groupVerdict(id berth.GroupID) *berth.Verdict {
	g := l.gangs.of[id]
	if p := l.peers.holder[groupKey(id)]; p != nil {
		g = p.gangs.of[id]
	}
	if g == nil || g.open() {
		return nil
	}
	if v := l.fleet.NoWorker(g.pool); v != nil {
		return v // its class was judged when there was one
	}
	v := l.leftNow(g)
	if other := g.class.instead(l, v); other != nil {
		v = other
	}
	victims, on := l.roomOf(id, g.pool)
	return tellMaking(v, victims, on)
}

// CancelGroup ends all of a group. It returns when that is durable: its members end
// thereafter, whatever becomes of this daemon.
func (d *Daemon) CancelGroup(ctx context.Context, id berth.GroupID, message string) (GroupStatus, error) {
	if err := berth.CheckID("group", string(id)); err != nil {
		return GroupStatus{}, err
	}
	if err := berth.CheckMessage("message", message); err != nil {
		return GroupStatus{}, err
	}
	done := make(chan struct{})
	var before GroupStatus
	found := false
	if err := d.call(ctx, func(l *loop) { before, found = l.orderGroupCancel(id, message, done) }); err != nil {
		return GroupStatus{}, fmt.Errorf("cancel group %s: %w", id, err)
	}
	if !found {
		return GroupStatus{}, fmt.Errorf("group %s: %w", id, ErrNotFound)
	}
	select {
	case <-done:
	case <-ctx.Done():
		return GroupStatus{}, fmt.Errorf("cancel group %s: not confirmed yet: %w", id, ctx.Err())
	case <-d.done:
		return GroupStatus{}, fmt.Errorf("cancel group %s: %w", id, ErrNotReady)
	}
	s, err := d.Group(ctx, id)
	if errors.Is(err, ErrNotFound) {
		before.Record.State = berth.GroupEnding // and it has ended
		return before, nil
	}
	return s, err
}

func (l *loop) orderGroupCancel(id berth.GroupID, message string, done chan struct{}) (GroupStatus, bool) {
	s, ok := l.groupStatus(id, false)
	if !ok {
		return s, false
	}
	if s.Record.State == berth.GroupEnding {
		close(done)
		return s, true
	}
	c := l.groupCancels[id]
	if c == nil {
		c = &cancelOrder{message: message}
		l.groupCancels[id] = c
	}
	c.done = append(c.done, done)
	l.aside.hurry(groupKey(id), l.now())
	l.due.add(groupKey(id))
	return s, true
}

// settleGroupCancel: it is in the store, or the group is gone.
func (l *loop) settleGroupCancel(id berth.GroupID) {
	c := l.groupCancels[id]
	if c == nil {
		return
	}
	delete(l.groupCancels, id)
	for _, done := range c.done {
		close(done)
	}
}
