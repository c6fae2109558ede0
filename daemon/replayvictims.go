package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/scheduler"
)

// Who makes room for a request is chosen again on the worker where they did: a plan tells who was
// there, and what may change of them, and the records of them tell the rest. Who they are was decided
// by the plan that placed the request, or by the one that claimed the room for it. On which worker it
// is done is not chosen again: that depends on who runs on all others.

// ReplayedVictims is who was to make room for a placement, chosen again.
type ReplayedVictims struct {
	Outcome ReplayOutcome
	Why     string            // of ReplayCannot, and of ReplayDiffers
	At      berth.Revision    // when they were told, or ended
	Were    []berth.RequestID // sorted
	Again   []berth.RequestID
}

// unchosenVictims tells who made room for a group: on which workers others do, and who, is decided over
// all of them at once, and not again. Nobody: nil.
func unchosenVictims(m *MadeRoom) *ReplayedVictims {
	if m == nil {
		return nil
	}
	return &ReplayedVictims{Outcome: ReplayCannot, Why: "who does for a group depends on who ran on all workers, and that is not kept", At: m.Revision, Were: m.By}
}

// choice is what those who make room are chosen by.
type choice struct {
	basis *berth.PlanBasis
	room  *berth.PlannedRoom
	at    berth.Revision // of the plan that chose
	on    berth.WorkerID
	share berth.Share // that the request is to have there
	as    scheduler.Candidate
	fleet *scheduler.Fleet
}

// tellable gives why victims cannot be told, in place of the error that says so.
func tellable(v *ReplayedVictims, err error) (*ReplayedVictims, error) {
	cannot, isCannot := errors.AsType[*errCannot](err)
	past, isPast := errors.AsType[*etcdstore.PastError](err)
	switch {
	case isCannot:
		return &ReplayedVictims{Outcome: ReplayCannot, Why: cannot.why}, nil
	case isPast:
		return &ReplayedVictims{Outcome: ReplayCannot, Why: past.Error()}, nil
	}
	return v, err
}

// claimedAgain chooses again those for whose ends the claim of a request has waited.
func (d Replayer) claimedAgain(ctx context.Context, r *Replay, w *waiting) (*ReplayedVictims, error) {
	state, err := d.claimOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if v, err := d.gaveBack(ctx, r, state.Mod); v != nil || err != nil {
		return v, err
	}
	then, claim, err := d.claimBasis(ctx, r, state.Mod)
	if err != nil {
		return nil, err
	}
	room := then.Basis.RoomOf(r.ID)
	if w.request.Related() && !then.Basis.TellsOf(w.request, *room.Nowhere) {
		return nil, &errCannot{CauseRelated, "it looks at where other requests ran, and that was too much when its claim was written: it is not in the basis"}
	}
	s, err := d.recordsOf(ctx, then.Basis)
	if err != nil {
		return nil, err
	}
	if then.prices, err = d.pricesOf(ctx, room.Prices); err != nil {
		return nil, err
	}
	f, err := then.fleet(s, w, *room.Nowhere)
	if err != nil {
		return nil, err
	}
	p := state.Record.(*berth.Progress) //nolint:errcheck // claimOf returns no other
	as := narrowed(waitingOf(r.ID, &berth.Submission{Spec: *w.request}, 0, p).candidate(), room.Types)
	c := choice{basis: then.Basis, room: room, at: state.Mod, on: r.Worker, share: claim.Wants, as: as, fleet: f}
	if before := f.Place(as); before.Verdict == nil {
		return c.differs("it fits on " + string(before.Worker)), nil
	}
	v, err := d.chooseAgain(ctx, &c)
	if err == nil && v.Outcome == ReplaySame {
		for _, id := range claim.Victims {
			if !slices.Contains(v.Were, id) {
				return c.differs("its claim waits for " + string(id) + ", who was not chosen"), nil
			}
		}
	}
	return v, err
}

// gaveBack tells who made room for a claim of a lender: who gives back what, and where, is decided by all quotas, and not again. Others: nil.
func (d Replayer) gaveBack(ctx context.Context, r *Replay, at berth.Revision) (*ReplayedVictims, error) {
	facts, err := d.Store.GetAt(ctx, at, ledgerKey(r.Worker))
	if err != nil {
		return nil, err
	}
	ledger, ok := facts[0].Record.(*berth.Ledger)
	if !ok || ledger.ClaimOf(r.ID) == nil {
		return nil, ErrCorrupt
	}
	victims := ledger.ClaimOf(r.ID).Victims
	keys := make([]berth.Key, len(victims))
	for i, id := range victims {
		keys[i] = allocationKey(r.Worker, id)
	}
	if facts, err = d.Store.GetAt(ctx, at, keys...); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(facts, func(f berth.Fact) bool {
		a, ok := f.Record.(*berth.Allocation)
		return ok && f.Mod == at && a.Stop != nil && a.Stop.Reason == berth.StopReclaim
	}) {
		return nil, nil
	}
	return &ReplayedVictims{Outcome: ReplayCannot, Why: "who gives back what a tenant has lent depends on all quotas and workers, and that is not kept", At: at, Were: victims}, nil
}

// claimOf is the state by which a placed request got its claim.
func (d Replayer) claimOf(ctx context.Context, r *Replay) (berth.Fact, error) {
	var found berth.Fact
	for rev := r.Revision - 1; ; rev = found.Mod - 1 {
		state, err := d.stateAt(ctx, r.ID, rev)
		if err != nil {
			return berth.Fact{}, err
		}
		p, ok := state.Record.(*berth.Progress)
		switch {
		case ok && p.ClaimOn == r.Worker && p.Attempt == r.Attempt:
			found = state
		case found.Record == nil:
			return berth.Fact{}, ErrCorrupt
		default:
			return found, nil
		}
	}
}

// claimBasis is on what a claim was decided, as of a placement, and the claim.
func (d Replayer) claimBasis(ctx context.Context, r *Replay, at berth.Revision) (*Replay, *berth.Claim, error) {
	facts, err := d.Store.GetAt(ctx, at, planKey, ledgerKey(r.Worker))
	if err != nil {
		return nil, nil, err
	}
	ledger, ok := facts[1].Record.(*berth.Ledger)
	if !ok || ledger.ClaimOf(r.ID) == nil {
		return nil, nil, ErrCorrupt
	}
	basis, ok := facts[0].Record.(*berth.PlanBasis)
	switch {
	case !ok || facts[0].Mod != at:
		return nil, nil, &errCannot{CauseNoBasis, "no basis of its claim was kept: an older program wrote it, or its transaction had no room left for one"}
	case basis.Partial:
		return nil, nil, &errCannot{CausePartial, "too much was different from the store's records when its claim was written: the basis was not kept"}
	case basis.Policy != scheduler.PolicyVersion:
		return nil, nil, &errCannot{CausePolicy, fmt.Sprintf("its claim was written by policy %s; this program has policy %s", basis.Policy, scheduler.PolicyVersion)}
	}
	if room := basis.RoomOf(r.ID); room == nil || room.Nowhere == nil {
		return nil, nil, &errCannot{CauseNoBasis, "the basis of its claim tells nothing of it: an older program wrote it"}
	}
	return &Replay{ID: r.ID, Revision: at, Basis: basis, Worker: r.Worker}, ledger.ClaimOf(r.ID), nil
}

// chooseAgain chooses those who make room on a worker, and compares: with whom the plan says that it
// chose, and with whom its transaction has ended or told to stop.
func (d Replayer) chooseAgain(ctx context.Context, c *choice) (*ReplayedVictims, error) {
	if len(c.room.Occupants) == 0 {
		return nil, &errCannot{CausePartial, "who else ran on the worker was more than the basis may tell, or an older program told nothing of it"}
	}
	all, err := d.occupantsThen(ctx, c)
	if err != nil {
		return nil, err
	}
	prices, err := d.pricesOf(ctx, c.room.Prices)
	if err != nil {
		return nil, err
	}
	c.fleet.SetPrices(c.as.Request.Pool, prices)
	for i := range all {
		priority := all[i].Priority
		if all[i].Leaving {
			priority = scheduler.PriorityLeaving
		}
		c.fleet.Occupy(c.on, priority, &all[i].Share, 1)
	}
	got, _ := c.fleet.Preempt(c.as, func(w berth.WorkerID) []scheduler.Occupant {
		if w != c.on {
			return nil
		}
		return all
	})
	v := &ReplayedVictims{Outcome: ReplaySame, At: c.at, Were: c.chosen(), Again: got.Victims}
	switch {
	case got.Worker != c.on || !slices.Equal(v.Were, v.Again):
		v.Outcome, v.Why = ReplayDiffers, "others are chosen"
	case !reflect.DeepEqual(got.Share, c.share):
		v.Outcome, v.Why = ReplayDiffers, "it gets something else when they have ended"
	default:
		if v.Why, err = d.toldOtherwise(ctx, c); v.Why != "" {
			v.Outcome = ReplayDiffers
		}
	}
	return v, err
}

// chosen are those whom the plan says that it chose.
func (c *choice) chosen() (ids []berth.RequestID) {
	for i := range c.room.Occupants {
		if o := &c.room.Occupants[i]; o.Chosen {
			ids = append(ids, o.Request)
		}
	}
	slices.Sort(ids)
	return ids
}

func (c *choice) differs(why string) *ReplayedVictims {
	return &ReplayedVictims{Outcome: ReplayDiffers, Why: why, At: c.at, Were: c.chosen()}
}

// toldOtherwise says how what a plan did is not what it chose; "": it is.
func (d Replayer) toldOtherwise(ctx context.Context, c *choice) (string, error) {
	after, err := d.onWorker(ctx, c, c.at)
	if err != nil {
		return "", err
	}
	for i := range c.room.Occupants {
		o := &c.room.Occupants[i]
		a, there := after[factsEach*i].Record.(*berth.Allocation)
		switch {
		case o.Chosen && there && a.Stop == nil && a.Exit == nil:
			return string(o.Request) + " was chosen, and not told to stop", nil
		case !o.Chosen && there && after[factsEach*i].Mod == c.at && a.Stop != nil && a.Stop.Message == makesRoomFor(c.room.Request):
			return string(o.Request) + " was told to stop, and not chosen", nil
		}
	}
	return "", nil
}

// factsEach is how many facts onWorker reads of each.
const factsEach = 3

// onWorker are the allocations, the requests and the states, in turn, of those who could have made room.
func (d Replayer) onWorker(ctx context.Context, c *choice, at berth.Revision) (all []berth.Fact, err error) {
	for some := range slices.Chunk(c.room.Occupants, membersAtOnce) {
		var keys []berth.Key
		for i := range some {
			keys = append(keys, allocationKey(c.on, some[i].Request), requestKey(some[i].Request), stateKey(some[i].Request))
		}
		facts, err := d.Store.GetAt(ctx, at, keys...)
		if err != nil {
			return nil, err
		}
		all = append(all, facts...)
	}
	return all, nil
}

// occupantsThen are those who could have made room. Their records are those of right before the plan
// that chose among them, unless what is there then came later than all that its daemon knew.
func (d Replayer) occupantsThen(ctx context.Context, c *choice) (all []scheduler.Occupant, err error) {
	seen, err := d.onWorker(ctx, c, c.basis.Revision)
	if err != nil {
		return nil, err
	}
	before, err := d.onWorker(ctx, c, c.at-1)
	if err != nil {
		return nil, err
	}
	for i := range c.room.Occupants {
		one, ok := c.occupant(&c.room.Occupants[i], seen[factsEach*i:], before[factsEach*i:])
		if !ok {
			return nil, &errCannot{CausePartial, "of " + string(one.Request) + ", who ran there, too little is known: it came and went while it was decided"}
		}
		all = append(all, one)
	}
	return all, nil
}

// occupant is one of them: what the plan tells of it, and what its records do. Its priority is that of
// the records where they stayed the same.
func (c *choice) occupant(o *berth.PlannedOccupant, seen, before []berth.Fact) (scheduler.Occupant, bool) {
	from := before
	unknown := from[0].Create > c.basis.Revision && !slices.Contains(c.basis.Ledgers, from[0].Create)
	if from[0].Record == nil || unknown && seen[0].Record != nil {
		from = seen
	}
	one := scheduler.Occupant{Request: o.Request, Priority: o.Priority, Leaving: o.Leaving, Members: o.Members}
	a, isAllocation := from[0].Record.(*berth.Allocation)
	sub, isSub := from[1].Record.(*berth.Submission)
	if !isAllocation || !isSub {
		return one, false
	}
	placed, _ := momentOf(a.PlacedAt)
	one.Placed, one.Share, one.Labels = int64(placed), a.Share, sub.Spec.Labels
	if !o.Leaving {
		one.Group = a.Group
	}
	if p, ok := seen[2].Record.(*berth.Progress); ok && seen[2].Mod == before[2].Mod {
		one.Priority = waitingOf(o.Request, sub, 0, p).priority
	}
	return one, true
}
