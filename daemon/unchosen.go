package daemon

import (
	"context"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// ThereBecause begins an explanation's NotTold where no worker was chosen, but it is known
// why the request is there.
const ThereBecause = "it is there because "

// unchosen says why a request is where it is, where no worker was chosen for it.
func (d Replayer) unchosen(ctx context.Context, r *Replay) string {
	switch b := r.Basis; {
	case b == nil:
	case b.RoomOf(r.ID) != nil:
		return ThereBecause + d.madeRoom(ctx, r) + " made room for it there"
	case b.Group != nil && b.Group.Kept:
		return ThereBecause + "its group kept the workers that it had held"
	case b.Group != nil && len(r.Standings) == 0:
		return ThereBecause + "its group was placed together; by itself it would have gone elsewhere"
	}
	return ""
}

// MadeRoom is who was told to stop so that a group had room.
type MadeRoom struct {
	Revision berth.Revision    // by which they were
	By       []berth.RequestID // sorted; who had not started ended at once, and is not known any more
}

// groupMadeRoom is who made room for the group that a request was placed with, as far as the store's
// history tells: what is kept for it says that others did, until it is placed.
func (d Replayer) groupMadeRoom(ctx context.Context, r *Replay, spec *berth.Request) *MadeRoom {
	if r.Basis == nil || r.Basis.Group == nil || spec.Group == nil {
		return nil
	}
	facts, err := d.Store.GetAt(ctx, r.Revision-1, keepKey(spec.Pool))
	if err != nil {
		return nil
	}
	k, ok := facts[0].Record.(*berth.Keep)
	if !ok || k.Group != spec.Group.ID || k.MadeRoom.IsZero() {
		return nil
	}
	told := &MadeRoom{Revision: facts[0].Mod}
	victims, _, err := d.makingAt(ctx, k, told.Revision)
	if err != nil {
		return told
	}
	for i := range victims {
		told.By = append(told.By, victims[i].ID)
	}
	slices.Sort(told.By)
	return told
}

// madeRoom names those who made room for a request. The plan that chose them does, and else its claim, as long as the store's
// history reaches back to when that was made; who had not started, and ended at once, is in no claim.
func (d Replayer) madeRoom(ctx context.Context, r *Replay) string {
	if r.Victims != nil && len(r.Victims.Were) > 0 {
		return victimsText(r.Victims.Were)
	}
	const unknown = "others"
	state, err := d.stateAt(ctx, r.ID, r.Revision-1)
	if err != nil {
		return unknown
	}
	if p, ok := state.Record.(*berth.Progress); !ok || p.ClaimOn != r.Worker {
		return unknown
	}
	facts, err := d.Store.GetAt(ctx, state.Mod, ledgerKey(r.Worker))
	if err != nil {
		return unknown
	}
	ledger, ok := facts[0].Record.(*berth.Ledger)
	if !ok {
		return unknown
	}
	claim := ledger.ClaimOf(r.ID)
	if claim == nil || len(claim.Victims) == 0 {
		return unknown
	}
	return victimsText(claim.Victims)
}

func victimsText(ids []berth.RequestID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	return strings.Join(names, ", ")
}
