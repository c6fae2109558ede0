package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// ReplayOutcome is what came of deciding again.
type ReplayOutcome string

// The outcomes.
const (
	ReplaySame    ReplayOutcome = "same"
	ReplayDiffers ReplayOutcome = "differs"
	ReplayCannot  ReplayOutcome = "cannot" // Why says why not
)

// ReplayCause is why a placement cannot be decided again.
type ReplayCause string

// The causes.
const (
	CauseForgotten ReplayCause = "forgotten" // the store's history does not reach back so far
	CausePartial   ReplayCause = "partial"   // more differed from the records than a basis may tell
	CauseNoBasis   ReplayCause = "no_basis"  // of an older program, or of a transaction without room for one
	CausePolicy    ReplayCause = "policy"    // other rules placed it
	CauseRelated   ReplayCause = "related"   // where other requests ran was more than a basis may tell
	CauseUnplaced  ReplayCause = "unplaced"  // it was not placed
)

// WhyUnplaced is why nothing is decided again of what was not placed, or not in that attempt.
const WhyUnplaced = "it was not placed"

// Replay is one placement, decided again on what it was decided on.
type Replay struct {
	ID        berth.RequestID
	Attempt   int64
	Revision  berth.Revision // of the placement
	Basis     *berth.PlanBasis
	Worker    berth.WorkerID // as it was decided
	Share     berth.Share
	Outcome   ReplayOutcome
	Cause     ReplayCause        // of ReplayCannot
	Why       string             // that, in words
	Again     scheduler.Decision // of the others
	Standings []berth.Standing   // the choice, and the runner-up
	Victims   *ReplayedVictims   // nil: nobody made room for it

	prices *berth.Prices // by which devices were dealt; nil: by none
}

// errCannot says why a placement cannot be replayed.
type errCannot struct {
	cause ReplayCause
	why   string
}

func (e *errCannot) Error() string { return e.why }

// Replay decides again where an attempt of a request goes (0: the last one that was
// placed), on what the store held then, and compares. It reads the store, and leaves
// the loop alone.
func (d *Daemon) Replay(ctx context.Context, id berth.RequestID, attempt int64) (Replay, error) {
	if err := berth.CheckID("id", string(id)); err != nil {
		return Replay{}, err
	}
	if attempt < 0 {
		return Replay{}, &berth.FieldError{Field: "attempt", Value: fmt.Sprint(attempt), Problem: "is negative", Bound: "an attempt; 0: the last one"}
	}
	ctx, done, err := d.reading(ctx, "replay "+string(id))
	if err != nil {
		return Replay{}, err
	}
	defer done()
	return Replayer{d.store}.Replay(ctx, id, attempt)
}

// Replayer replays placements of a store. It needs no daemon.
type Replayer struct{ Store *etcdstore.Store }

// Replay is as a daemon's.
func (d Replayer) Replay(ctx context.Context, id berth.RequestID, attempt int64) (Replay, error) {
	var r Replay
	err := patiently(ctx, func() error {
		r = Replay{ID: id, Attempt: attempt}
		return d.replay(ctx, &r)
	})
	cannot, isCannot := errors.AsType[*errCannot](err)
	past, isPast := errors.AsType[*etcdstore.PastError](err)
	switch {
	case isCannot:
		r.Outcome, r.Cause, r.Why = ReplayCannot, cannot.cause, cannot.why
	case isPast:
		r.Outcome, r.Cause, r.Why = ReplayCannot, CauseForgotten, past.Error()
	case err != nil:
		return Replay{}, fmt.Errorf("replay %s: %w", id, err)
	}
	return r, nil
}

func (d Replayer) replay(ctx context.Context, r *Replay) error {
	c, err := d.findPlacement(ctx, r)
	if err != nil {
		return err
	}
	s, err := d.recordsOf(ctx, r.Basis)
	if err != nil {
		return err
	}
	if r.prices, err = d.pricesOf(ctx, r.Basis.PricesAt(c.request.Pool, c.step)); err != nil {
		return err
	}
	f, err := r.fleet(s, c, c.step)
	if err != nil {
		return err
	}
	as := narrowed(c.candidate(), r.Basis.TypesAt(c.step))
	switch room := r.Basis.RoomOf(r.ID); {
	case room != nil:
		if r.Again, err = d.inRoom(ctx, r, s, c); err == nil && room.Nowhere == nil {
			r.Victims, err = tellable(d.claimedAgain(ctx, r, c))
		}
	case r.Basis.Group != nil:
		if !r.Basis.Group.Kept {
			r.Standings = f.Standings(narrowed(c.candidate(), r.Basis.Group.Types), 2)
		}
		if len(r.Standings) > 0 && r.Standings[0].Worker != r.Worker {
			r.Standings = nil // of one by itself: see unchosen
		}
		r.Again, err = d.inGroup(ctx, r, s, c)
		r.Victims = unchosenVictims(d.groupMadeRoom(ctx, r, c.request))
	default:
		r.Standings = f.Standings(as, 2)
		r.Again = f.Place(as)
	}
	if err != nil {
		return err
	}
	r.Outcome = ReplayDiffers
	others := r.Victims != nil && r.Victims.Outcome == ReplayDiffers
	if r.Again.Worker == r.Worker && reflect.DeepEqual(r.Again.Share, r.Share) && !others { // where others cannot be chosen again, Victims says so
		r.Outcome = ReplaySame
	}
	return nil
}

// whyThere fills in the standings of a placement, or why they cannot be told, and who made room.
func (d Replayer) whyThere(ctx context.Context, e *Explanation, attempt int64) {
	r, err := d.Replay(ctx, e.Status.ID, attempt)
	if err != nil {
		e.NotTold = err.Error()
		return
	}
	e.MadeRoom = d.groupMadeRoom(ctx, &r, &e.Status.Spec)
	if r.Outcome == ReplayDiffers {
		e.NotTold = "decided again, it goes elsewhere: see berth replay"
		return
	}
	e.Standings, e.NotTold = r.Standings, cmp.Or(r.Why, d.unchosen(ctx, &r))
}

// findPlacement reads what was placed, and on what basis.
func (d Replayer) findPlacement(ctx context.Context, r *Replay) (*waiting, error) {
	state, err := d.placedState(ctx, r.ID, r.Attempt)
	if err != nil {
		return nil, err
	}
	p := state.Record.(*berth.Progress) //nolint:errcheck // placedState returns no other
	r.Attempt, r.Revision, r.Worker = p.Attempt, state.Mod, p.Worker
	facts, err := d.Store.GetAt(ctx, state.Mod, requestKey(r.ID), allocationKey(p.Worker, r.ID), planKey)
	if err != nil {
		return nil, err
	}
	sub, isSub := facts[0].Record.(*berth.Submission)
	a, isAllocation := facts[1].Record.(*berth.Allocation)
	if !isSub || !isAllocation {
		return nil, ErrCorrupt
	}
	r.Share = a.Share
	basis, isBasis := facts[2].Record.(*berth.PlanBasis)
	switch {
	case !isBasis || facts[2].Mod != state.Mod:
		return nil, &errCannot{CauseNoBasis, "no basis was kept: an older program placed it, or its transaction had no room left for one"}
	case basis.Partial:
		return nil, &errCannot{CausePartial, "too much was different from the store's records when it was placed: the basis was not kept"}
	case basis.Policy != scheduler.PolicyVersion:
		return nil, &errCannot{CausePolicy, fmt.Sprintf("it was placed by policy %s; this program has policy %s", basis.Policy, scheduler.PolicyVersion)}
	}
	r.Basis = basis
	step, err := r.step()
	if err != nil {
		return nil, err
	}
	if r.looksAround() && !basis.TellsOf(&sub.Spec, step) {
		return nil, &errCannot{CauseRelated, "it looks at where other requests ran, and that was too much when it was placed: it is not in the basis"}
	}
	if sub, err = d.member(ctx, sub, state.Mod); err != nil {
		return nil, err
	}
	w := waitingOf(r.ID, sub, 0, p)
	w.step, w.asked = step, true // the prices that it was decided by are told, with what was learned from it
	return w, nil
}

// step is the decision by which it was placed, or the one before which it fitted nowhere;
// of one that others had made room for by then there is none.
func (r *Replay) step() (int64, error) {
	if room := r.Basis.RoomOf(r.ID); room != nil {
		if room.Nowhere == nil {
			return 0, nil
		}
		return *room.Nowhere, nil
	}
	step, ok := r.Basis.StepOf(r.ID)
	if !ok {
		return 0, fmt.Errorf("its plan has no step of it: %w", ErrCorrupt)
	}
	return step, nil
}

// looksAround says whether a decision about a fleet is made again. Where others had made room
// before, what is given on the worker where they did is all that is asked: see inRoom.
func (r *Replay) looksAround() bool {
	room := r.Basis.RoomOf(r.ID)
	return room == nil || room.Nowhere != nil
}

var planKey = berth.Key{Kind: berth.KindPlan}

// placedState is the state by which an attempt was placed, with the revision of that
// as its Mod: from the newest state back.
func (d Replayer) placedState(ctx context.Context, id berth.RequestID, attempt int64) (berth.Fact, error) {
	facts, err := d.Store.Get(ctx, stateKey(id), archiveKey(id), requestKey(id))
	if err != nil {
		return berth.Fact{}, err
	}
	state := facts[0]
	if state.Record == nil && facts[1].Record == nil && facts[2].Record == nil {
		return berth.Fact{}, ErrNotFound
	}
	if facts[1].Record != nil { // the end of it took the state away
		if state, err = d.stateAt(ctx, id, facts[1].Create-1); err != nil {
			return berth.Fact{}, err
		}
	}
	if p, ok := state.Record.(*berth.Progress); ok && attempt > p.Attempt {
		return berth.Fact{}, &errCannot{CauseUnplaced, fmt.Sprintf("it has no attempt %d: its last one is attempt %d", attempt, p.Attempt)}
	}
	for {
		p, ok := state.Record.(*berth.Progress)
		switch {
		case !ok || attempt > p.Attempt:
			return berth.Fact{}, &errCannot{CauseUnplaced, WhyUnplaced}
		case p.State == berth.StatePlaced && (attempt == 0 || attempt == p.Attempt):
			return state, nil
		}
		if state, err = d.stateAt(ctx, id, state.Mod-1); err != nil {
			return berth.Fact{}, err
		}
	}
}

func (d Replayer) stateAt(ctx context.Context, id berth.RequestID, rev berth.Revision) (berth.Fact, error) {
	facts, err := d.Store.GetAt(ctx, rev, stateKey(id))
	if err != nil {
		return berth.Fact{}, err
	}
	return facts[0], nil
}

// recordsOf are the records that a plan was made from.
func (d Replayer) recordsOf(ctx context.Context, b *berth.PlanBasis) (*snapshot.Snapshot, error) {
	s := snapshot.New(snapshot.Header{Revision: b.Revision, Policy: b.Policy})
	put := func(f berth.Fact) error { s.Put(f); return nil }
	if _, err := d.Store.ScanAt(ctx, b.Revision, snapshot.FleetKinds, put); err != nil {
		return nil, err
	}
	for _, rev := range slices.Sorted(slices.Values(b.Ledgers)) {
		_, err := d.Store.ScanAt(ctx, rev, []berth.Kind{berth.KindLedger}, func(f berth.Fact) error {
			if f.Mod == rev {
				s.Put(f)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if err := d.lay(ctx, s, b.Overlay); err != nil {
		return nil, err
	}
	return s, nil
}

// lay replaces records by what they were at other revisions.
func (d Replayer) lay(ctx context.Context, s *snapshot.Snapshot, overlay map[string]berth.Revision) error {
	for _, name := range slices.Sorted(maps.Keys(overlay)) {
		k, err := overlayKey(name)
		if err != nil {
			return err
		}
		facts, err := d.Store.GetAt(ctx, overlay[name], k)
		if err != nil {
			return err
		}
		s.Forget(k)
		s.Put(facts[0])
	}
	return nil
}

// fleet is a request's pool as it was when a step of its plan was decided.
func (r *Replay) fleet(s *snapshot.Snapshot, w *waiting, step int64) (*scheduler.Fleet, error) {
	of := newShare(r.Basis.Daemon)
	of.setAwake(r.Basis.Awake)
	f, err := s.Decided(r.Basis, step, w.request.Pool, func(w berth.WorkerID) bool { return of.ofWorker(w) != r.Basis.Daemon })
	if err != nil {
		return nil, err
	}
	f.SetPrices(w.request.Pool, r.prices)
	if g := r.Basis.Group; g != nil { // the members before this one count for it, as placed
		for i := max(g.From, 0); i < step; i++ {
			if one := &r.Basis.Steps[i]; one.For != "" {
				f.Count(one.Worker, w.request.Labels, 1)
			}
		}
	}
	return f, nil
}

// pricesOf is what prices are made of, as a plan tells of them; nil: there were none.
func (d Replayer) pricesOf(ctx context.Context, by *berth.PlannedPrices) (*berth.Prices, error) {
	if by == nil || by.At == 0 {
		return pricesIn(by), nil
	}
	facts, err := d.Store.GetAt(ctx, by.At, planKey)
	if err != nil {
		return nil, err
	}
	then, ok := facts[0].Record.(*berth.PlanBasis)
	if !ok || facts[0].Mod != by.At {
		return nil, ErrCorrupt
	}
	for i := range slices.Backward(then.Prices) {
		if p := &then.Prices[i]; p.Pool == by.Pool && p.Prices != nil {
			return p.Prices, nil
		}
	}
	return nil, ErrCorrupt
}

func pricesIn(p *berth.PlannedPrices) *berth.Prices {
	if p == nil {
		return nil
	}
	return p.Prices
}

// overlayKey is the inverse of overlayName.
func overlayKey(name string) (berth.Key, error) {
	kind, id, ok := strings.Cut(name, "/")
	if !ok || !slices.Contains(snapshot.FleetKinds, berth.Kind(kind)) {
		return berth.Key{}, fmt.Errorf("overlay %q: %w", name, ErrCorrupt)
	}
	return berth.Key{Kind: berth.Kind(kind), ID: id}, berth.CheckID("overlay", id)
}
