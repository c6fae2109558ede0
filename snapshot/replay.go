package snapshot

import (
	"fmt"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Decided is the fleet of a pool as it was when a step of a plan was decided. The
// snapshot holds the records that the basis tells of. foreign says which workers were
// another daemon's share.
func (s *Snapshot) Decided(b *berth.PlanBasis, step int64, pool berth.PoolID, foreign func(berth.WorkerID) bool) (*scheduler.Fleet, error) {
	if step < 0 || step > int64(len(b.Steps)) {
		return nil, fmt.Errorf("step %d of a plan of %d", step, len(b.Steps))
	}
	workers := make(map[berth.WorkerID]*scheduler.Worker)
	for id, r := range s.workers {
		if r.Worker != nil && r.Worker.Pool == pool {
			w := scheduler.Seat(id, r)
			w.Foreign = foreign(id)
			workers[id] = &w
		}
	}
	for i := range b.Seats {
		seat := &b.Seats[i]
		switch w := workers[seat.Worker]; {
		case w == nil:
		case seat.Unknown:
			delete(workers, seat.Worker)
		default:
			s.takeSeat(w, seat)
		}
	}
	for i, t := range b.Steps[:step] {
		w := workers[t.Worker]
		if w == nil {
			continue
		}
		for range 1 + t.More {
			if err := takeStep(w, t, b.Shares); err != nil {
				return nil, err
			}
		}
		if !t.Free && t.Ledger == nil && (b.Group == nil || int64(i) < b.Group.From) { // a group's members are one start
			w.Starting += 1 + t.More
		}
	}
	f := scheduler.NewFleet()
	if p := s.pools[pool]; p != nil {
		f.Set(pool, p)
	}
	f.Keep(pool, s.kept[pool])
	f.SetClock(b.Clock.UnixMilli())
	for _, id := range slices.Sorted(maps.Keys(workers)) {
		f.Put(*workers[id])
	}
	for i := range b.Relations {
		r := &b.Relations[i]
		if counts, looked := r.At(step); looked && r.Pool == pool {
			f.SetCounts(pool, r.Requests, r.Topology, counts)
		}
	}
	return f, nil
}

// takeSeat makes a worker what its daemon took it for.
func (s *Snapshot) takeSeat(w *scheduler.Worker, seat *berth.PlannedSeat) {
	if seat.Opened {
		w.Ready, w.Ledger = true, berth.Ledger{Epoch: w.Epoch, Capacity: s.workers[w.ID].Worker.Capacity}
	}
	if seat.Foreign != nil {
		w.Foreign = *seat.Foreign
	}
	w.Held = seat.Held
	w.Suspended, w.Probing, w.Starting = seat.Suspended, seat.Probing, seat.Starting
}

func takeStep(w *scheduler.Worker, t berth.PlannedStep, shares []berth.Share) (err error) {
	if t.Ledger != nil {
		w.Ledger, err = withSums(w.Ledger, t.Ledger, shares)
		return err
	}
	if t.Share < 0 || t.Share >= len(shares) {
		return fmt.Errorf("share %d of a plan that has %d", t.Share, len(shares))
	}
	if t.Free {
		w.Ledger, err = w.Ledger.Release(shares[t.Share])
	} else {
		w.Ledger, err = w.Ledger.Reserve(shares[t.Share])
	}
	if err != nil {
		return fmt.Errorf("worker %s: %w", w.ID, err)
	}
	return nil
}

// withSums is a ledger with other sums.
func withSums(l berth.Ledger, as *berth.PlannedLedger, shares []berth.Share) (berth.Ledger, error) {
	if n := len(shares); as.Reserved < 0 || as.Reserved >= n || as.Held < 0 || as.Held >= n {
		return l, fmt.Errorf("shares %d and %d of a plan that has %d", as.Reserved, as.Held, n)
	}
	l.Reserved, l.Held, l.Count = shares[as.Reserved], shares[as.Held], as.Count
	return l, nil
}

// InRoom is a fleet of the one worker where others have made room, as it was then.
func (s *Snapshot) InRoom(b *berth.PlanBasis, room *berth.PlannedRoom, on berth.WorkerID) (*scheduler.Fleet, error) {
	f := scheduler.NewFleet()
	r := s.workers[on]
	if r == nil || r.Worker == nil {
		return f, nil
	}
	w := scheduler.Seat(on, r)
	w.Ready, w.Ledger.Epoch = true, w.Epoch
	var err error
	if w.Ledger, err = withSums(w.Ledger, &room.PlannedLedger, b.Shares); err != nil {
		return nil, err
	}
	f.Put(w)
	f.SetBeside(on, room.Beside)
	return f, nil
}

// Forget takes out what was put of a key: it was absent.
func (s *Snapshot) Forget(k berth.Key) {
	w := s.workers[berth.WorkerID(k.ID)]
	switch {
	case k.Kind == berth.KindPool:
		delete(s.pools, berth.PoolID(k.ID))
	case k.Kind == berth.KindKeep:
		delete(s.kept, berth.PoolID(k.ID))
	case w == nil:
	case k.Kind == berth.KindWorker:
		w.Worker, w.Epoch = nil, 0
	case k.Kind == berth.KindLedger:
		w.Ledger = nil
	case k.Kind == berth.KindIntent:
		w.Intent = berth.Intent{}
	case k.Kind == berth.KindConditions:
		w.Conditions = nil
	}
}
