package daemon

import (
	"context"
	"slices"

	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// inRoom decides again what a request gets on the worker where others have made room for
// it, beside whom it met there; and, where they did so in the same plan, that it had fitted nowhere
// before, and that the same make room.
func (d Replayer) inRoom(ctx context.Context, r *Replay, s *snapshot.Snapshot, w *waiting) (scheduler.Decision, error) {
	room := r.Basis.RoomOf(r.ID)
	as := narrowed(w.candidate(), room.Types)
	beside := as
	if len(room.Beside) == 0 {
		beside = unrelated(as)
	}
	if room.Nowhere != nil {
		f, err := r.fleet(s, w, w.step)
		if err != nil {
			return scheduler.Decision{}, err
		}
		if before := f.Place(as); before.Verdict == nil {
			return before, nil
		}
		c := choice{basis: r.Basis, room: room, at: r.Revision, on: r.Worker, share: r.Share, as: as, fleet: f}
		if r.Victims, err = tellable(d.chooseAgain(ctx, &c)); err != nil {
			return scheduler.Decision{}, err
		}
	}
	if err := d.lay(ctx, s, room.Overlay); err != nil {
		return scheduler.Decision{}, err
	}
	prices, err := d.pricesOf(ctx, room.Prices)
	if err != nil {
		return scheduler.Decision{}, err
	}
	f, err := s.InRoom(r.Basis, room, r.Worker)
	if err != nil {
		return scheduler.Decision{}, err
	}
	f.SetPrices(w.request.Pool, prices)
	got, ok := f.PlaceOn(beside, r.Worker)
	if !ok {
		got = scheduler.Decision{Verdict: new(f.Explain(beside))}
	}
	return got, nil
}

// unrelated is a candidate that looks at no others: where it requires nothing of them, the plan tells
// nothing of whom it met in the room that was made for it, and an older program told nothing at all.
func unrelated(c scheduler.Candidate) scheduler.Candidate {
	as := *c.Request
	as.Affinity, as.AntiAffinity, as.Spread = nil, nil, nil
	c.Request = &as
	return c
}

// narrowed is a candidate of whose types of devices its tenant's quota leaves those; nil:
// all.
func narrowed(c scheduler.Candidate, types [][]string) scheduler.Candidate {
	if types == nil {
		return c
	}
	as := *c.Request
	as.Resources.Devices = slices.Clone(as.Resources.Devices)
	for i := range min(len(types), len(as.Resources.Devices)) {
		d := &as.Resources.Devices[i]
		d.Types, d.AnyOrder = types[i], len(d.Types) == 0
	}
	c.Request = &as
	return c
}
