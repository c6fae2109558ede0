package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/scheduler"
)

// submission is a request on its way into the store, with its first placement
// in the same transaction where a worker fits.
type submission struct {
	record   berth.Submission
	content  []byte    // of the record's spec
	unplaced bool      // with its placement it was refused: it is put alone
	until    time.Time // left to another daemon: when it is answered though it is not placed
	replies  []reply   // of this and of equal ones that came meanwhile
}

// submissions are those not yet in a plan, first come first.
type submissions struct {
	order []*submission // from gone on
	gone  int
	byID  map[berth.RequestID]*submission // also those in flight, and those that were left
	left  map[berth.RequestID]*submission // durable, and to be placed by other daemons
}

func newSubmissions() submissions {
	return submissions{byID: make(map[berth.RequestID]*submission), left: make(map[berth.RequestID]*submission)}
}

func (s *submissions) len() int { return len(s.order) - s.gone }

// add puts a submission behind all others.
func (s *submissions) add(one *submission) {
	if len(s.order) == cap(s.order) && s.gone > len(s.order)/2 {
		s.order = slices.Delete(s.order, 0, s.gone)
		s.gone = 0
	}
	s.order = append(s.order, one)
}

func (s *submissions) first() *submission { return s.order[s.gone] }

func (s *submissions) pop() *submission {
	first := s.first()
	s.order[s.gone] = nil
	if s.gone++; s.gone == len(s.order) {
		s.order, s.gone = nil, 0
	}
	return first
}

// putBack puts submissions before all others: where such stood that were popped, in most
// cases. Else the others are copied, behind as much room as they take: a plan that is made
// again would copy the whole backlog each time.
func (s *submissions) putBack(subs []*submission) {
	if n := s.len(); len(subs) > s.gone {
		next := make([]*submission, len(subs)+2*n)
		copy(next[len(subs)+n:], s.order[s.gone:])
		s.order, s.gone = next, len(subs)+n
	}
	s.gone -= len(subs)
	copy(s.order[s.gone:], subs)
}

// TooManyEntries refuses a call for one of its lists, which may have as many as a call
// may have requests. Who receives calls says so before all entries are in memory.
func TooManyEntries(list string, n int) *berth.FieldError {
	return &berth.FieldError{Field: list, Value: fmt.Sprint(n), Problem: "has too many entries", Bound: fmt.Sprintf("at most %d a call", berth.MaxRequestsPerCall)}
}

// Submit makes requests durable, and places at once what fits. The results are
// in the order of the requests; each is its own success or failure. When ctx
// ends first, the outcome is unknown: submit again with the same ids.
func (d *Daemon) Submit(ctx context.Context, requests []berth.Request) ([]SubmitResult, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	if len(requests) > berth.MaxRequestsPerCall {
		return nil, TooManyEntries("requests", len(requests))
	}
	c := newSubmitCall(len(requests))
	for i, r := range requests {
		if r.Group != nil {
			if c.results[i] = d.submitGroup(ctx, r); repeatable(c.results[i].Err) {
				return nil, c.results[i].Err
			}
			continue
		}
		s, err := d.prepare(r)
		if err != nil {
			c.results[i] = SubmitResult{ID: r.ID, Err: err}
			continue
		}
		c.add(s, i)
	}
	if len(c.subs) > 0 {
		if err := d.submit(ctx, c); err != nil {
			return nil, err
		}
	}
	d.fillArchived(ctx, c.results)
	return c.results, nil
}

// prepare checks a request and makes the record of it.
func (d *Daemon) prepare(r berth.Request) (*submission, error) {
	if err := r.CheckRepeats(); err != nil {
		return nil, err
	}
	r = r.Normalize()
	if err := r.ValidateFields(); err != nil {
		return nil, err
	}
	content := etcdstore.ContentOf(&r) // once: for its size, its digest and its record
	if err := berth.CheckContent(r.ID, content); err != nil {
		return nil, err
	}
	if r.Replaces != "" {
		return nil, &berth.FieldError{Field: "replaces", Value: string(r.Replaces), Problem: "is given", Bound: "nothing: a daemon sets it, in the successor of a request"}
	}
	return &submission{
		record:  berth.Submission{Digest: berth.DigestOf(content), SubmittedAt: d.opts.Now().UTC(), Spec: r},
		content: content,
	}, nil
}

// archivedAtOnce bounds the records of one read: each is as large as its request.
const archivedAtOnce = 32

// fillArchived fetches the records of requests that had ended before, many in one
// read. One by one, a call of 100 that was repeated for want of an answer took
// 100 reads after another, and had none within its time again.
func (d *Daemon) fillArchived(ctx context.Context, results []SubmitResult) {
	var ended []*SubmitResult
	for i := range results {
		if r := &results[i]; r.Err == nil && r.Existing && r.Status.State.Final() && r.Status.Spec.ID == "" {
			ended = append(ended, r)
		}
	}
	for some := range slices.Chunk(ended, archivedAtOnce) {
		keys := make([]berth.Key, len(some))
		for i, r := range some {
			keys[i] = archiveKey(r.ID)
		}
		facts, err := d.store.Get(ctx, keys...)
		for i, r := range some {
			if err != nil {
				r.Err = fmt.Errorf("get %s: %w", r.ID, err)
			} else if a, ok := facts[i].Record.(*berth.Archive); ok {
				r.Status = archiveStatus(r.ID, a, r.Status.Revision, facts[i].Mod)
			} else {
				r.Err = fmt.Errorf("request %s: %w", r.ID, ErrNotFound)
			}
		}
	}
}

func (l *loop) receive(subs []*submission) {
	for _, s := range subs {
		id := s.record.Spec.ID
		if first := l.incoming.byID[id]; first != nil {
			l.joinSubmission(first, s)
			continue
		}
		if l.known(s) {
			continue
		}
		if l.stopping {
			l.answer(s, SubmitResult{ID: id, Err: ErrStopping})
			continue
		}
		if l.space.RefusesSubmissions() {
			l.answer(s, SubmitResult{ID: id, Err: fmt.Errorf("%w: %s", ErrNoSpace, l.space)})
			continue
		}
		l.incoming.byID[id] = s
		l.incoming.add(s)
	}
}

// refuseAll answers the submissions that are in no plan.
func (l *loop) refuseAll(err error) {
	for l.incoming.len() > 0 {
		s := l.incoming.pop()
		l.answer(s, SubmitResult{ID: s.record.Spec.ID, Err: err})
	}
	for _, s := range l.early.known {
		l.answer(s, SubmitResult{ID: s.record.Spec.ID, Err: err})
	}
	l.early.known = nil
}

// joinSubmission lets an equal request that came while the first is on its way
// share its answer.
func (l *loop) joinSubmission(first, s *submission) {
	if first.record.Digest != s.record.Digest {
		l.answer(s, SubmitResult{ID: s.record.Spec.ID, Err: ErrConflictingID})
		return
	}
	first.replies = append(first.replies, s.replies...)
}

// known answers a submission whose id is in the view already.
func (l *loop) known(s *submission) bool {
	id := s.record.Spec.ID
	if l.knownEarly(s) {
		return true
	}
	if l.view.lives[id] == nil && l.view.archived(id) == nil && !l.view.unreadable(archiveKey(id)) {
		return false
	}
	if l.broken(id) {
		l.answer(s, SubmitResult{ID: id, Err: ErrCorrupt})
		return true
	}
	digest := ""
	if sub, _ := l.view.submission(id); sub != nil {
		digest = sub.Digest
	} else if a := l.view.archived(id); a != nil {
		digest = a.digest
	} else {
		return false
	}
	r := SubmitResult{ID: id, Existing: true}
	if digest == s.record.Digest {
		r.Status, _ = l.status(id)
	} else {
		r.Existing, r.Err = false, ErrConflictingID
	}
	l.answer(s, r)
	return true
}

// accepted answers a submission whose transaction applied.
func (l *loop) accepted(s *submission) {
	st, _ := l.status(s.record.Spec.ID)
	l.answer(s, SubmitResult{ID: s.record.Spec.ID, Status: st})
}

func (l *loop) answer(s *submission, r SubmitResult) {
	for _, to := range s.replies {
		to.answer(&r)
	}
	if l.incoming.byID[s.record.Spec.ID] == s {
		delete(l.incoming.byID, s.record.Spec.ID)
		if r.Err != nil { // nothing of it may ever be looked at
			delete(l.asked, s.record.Spec.ID)
		}
	}
}

// admit places what waits, in the order of its turns, then what is new; behind: what is next waits for a group to be tried.
func (l *loop) admit(b *builder) (behind bool) {
	if !b.decided {
		b.basis = nil // what was decided led nowhere, and the fleet may have changed since
	}
	l.takeTurns()
	groups := l.firstGangs(b.now)
	for b.room() && l.mayPlace() && !l.flights.crowded() {
		w := l.queue.next()
		if w == nil {
			break
		}
		if behind = l.isBehind(groups, w.request, w.priority); behind {
			break
		}
		l.admitWaiting(w, b)
	}
	b.lefts = make(leftsForNew)
	defer func() { b.lefts = nil }()
	for b.room() && l.incoming.len() > 0 && !l.flights.crowded() {
		if spec := &l.incoming.first().record.Spec; l.mayPlace() && l.isBehind(groups, spec, spec.Priority) {
			return true
		}
		s := l.incoming.pop()
		if l.known(s) {
			continue
		}
		l.admitNew(s, b)
	}
	return behind
}

// admitWaiting places a request of the queue, or sets the verdict on it.
func (l *loop) admitWaiting(w *waiting, b *builder) {
	if l.due.has(requestKey(w.id)) {
		// It has changed since it came here: another daemon has placed it, or it has ended.
		// The view tells so already, and a plan would compare that, and apply.
		l.queue.remove(w.id)
		return
	}
	if _, acted := b.acted[w.id]; acted { // its claim was met, or given up, and then it was looked at
		l.queue.remove(w.id)
		b.after = append(b.after, requestKey(w.id))
		return
	}
	if f := l.flights.requests[w.id]; f != nil { // others are told to make room for it
		l.queue.remove(w.id)
		l.flights.parkKey(f, requestKey(w.id))
		return
	}
	c := w.candidate()
	if st := l.limited(w.request); st != nil && !l.allowWaiting(w, st, &c, b) {
		return
	}
	if l.hasQuotaForClaim(w, b) {
		return
	}
	d := b.decide(w, c)
	l.noteAsked(w)
	own := c // with what others would lend is tried last, and nobody stops for that
	if d.Verdict != nil && l.lends(w, &c, b) {
		d = b.decide(w, c)
	}
	if d.Verdict != nil {
		d = l.tryChoices(w, &c, d, b)
	}
	if d.Verdict != nil && d.Verdict.NeverFits && c.Request != w.request { // with the types that its quota has left it
		short := l.quotaKeeps(w, l.d.opts.ID)
		d.Verdict.NeverFits = short == nil || short.NeverFits
	}
	if d.Verdict != nil && w.preempts && b.now.Before(w.yields.until) { // nobody stops before that is taken, or given up
		l.queue.park(l.queue.of[w.id], w.yields.to)
		return
	}
	if d.Verdict != nil && !d.Verdict.NeverFits && w.preempts && !l.takesKept(w, own, b.now) && (l.preempt(w, own, b) || l.givesUpRoom(w, own, b)) {
		return
	}
	if d.Verdict != nil {
		d.Verdict.At = l.view.revision
		l.queue.block(w.id, d.Verdict)
		if c.Request != w.request {
			l.noteNarrowed(w, c.Request, b)
		}
		l.leavesQuota(w.request, asked{request: w.id})
		l.touched(w.id)
		l.log.Debug("blocked", zap.String("request", string(w.id)), zap.Bool("never_fits", d.Verdict.NeverFits))
		return
	}
	if l.exceeds(w, d, b) {
		return
	}
	if l.leavesWorker(w, &d, b) { // it is still next
		return
	}
	l.queue.remove(w.id)
	if l.unsure(w, d.Worker) {
		return // it is looked at again when the watch has told
	}
	f := l.flights.workers[d.Worker]
	if f == nil && w.claimOn != "" {
		f = l.flights.workers[w.claimOn]
	}
	switch {
	case f != nil:
		l.flights.parkKey(f, requestKey(w.id))
	case !b.placeWaiting(w, d): // at once it might be decided so again, and so for ever
		l.timers.set(requestKey(w.id), b.now.Add(time.Millisecond))
	}
}

// admitNew submits a request and, where a worker of this daemon's share would take it
// best, places it in the same plan.
func (l *loop) admitNew(s *submission, b *builder) {
	w := &waiting{id: s.record.Spec.ID, request: &s.record.Spec, priority: s.record.Spec.Priority}
	var d scheduler.Decision
	if l.placesNew(s) {
		c := w.candidate()
		allowed, inFlight := l.allowNew(w, &c, b)
		if inFlight != nil {
			l.flights.park(inFlight, s)
			return
		}
		for again := allowed; again; {
			d = l.askNew(w, &c, b)
			again = d.Worker != "" && l.leavesWorker(w, &d, b)
		}
	}
	s.record.Planner = ""
	switch f := l.flights.workers[d.Worker]; {
	case d.Worker == "": // it joins the queue when the answer brings it
		b.submit(s)
	case l.share.ofWorker(d.Worker) != l.d.opts.ID && !w.request.Related(): // of those that are related one daemon plans all
		l.leave(s, d.Worker, b)
	case f != nil:
		l.flights.park(f, s)
	case l.unsure(w, d.Worker):
		b.submit(s)
	default:
		b.submit(s)
		b.place(w, nil, 0, d, true)
	}
}

// askNew asks the fleet for a new request, which counts once for what is usual: not when its plan is made again, nor when it
// joins the queue.
func (l *loop) askNew(w *waiting, c *scheduler.Candidate, b *builder) scheduler.Decision {
	_, c.Again = l.asked[w.id]
	l.noteAsked(w)
	return b.decide(w, *c)
}

// noteAsked notes that the fleet was asked for a request, which counts until it is placed.
func (l *loop) noteAsked(w *waiting) {
	if w.asked = true; len(w.request.Resources.Devices) > 0 {
		l.asked[w.id] = struct{}{}
	}
}

// placesNew says whether this daemon asks the fleet for a worker for a new request.
// Where equal ones wait, it joins them when the answer brings it.
func (l *loop) placesNew(s *submission) bool {
	r := &s.record.Spec
	if r.Related() && l.share.ofRequest(r, "") != l.d.opts.ID {
		return false // who plans all that are related so sees where the others go
	}
	return !s.unplaced && l.mayPlace() && (l.queue.len() == 0 || !l.queue.shapeBlocked(r))
}
