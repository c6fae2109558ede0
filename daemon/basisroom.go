package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Where others make room for a request, its worker is not chosen, only its ports and
// devices there. A plan tells what that worker's ledger was then: for it may come to that
// while the plan is still gathered, from workers that will be others before anything else
// is decided.

// madeRoom is a placement on a worker where others have made room.
type madeRoom struct {
	room   berth.PlannedRoom
	ledger berth.Ledger
}

// haveRoom notes that a request is placed, with these types of devices, on the worker of its claim, whose ledger without
// that is given, and whom it meets there.
func (b *builder) haveRoom(w *waiting, as *berth.Request, on berth.WorkerID, ledger *berth.Ledger, beside []berth.PlannedBeside) {
	w.hasRoom = true
	one := b.roomOf(w, on, ledger)
	if as != w.request {
		one.room.Types = typesOf(as)
	}
	one.room.Beside = beside
	b.made = append(b.made, one)
}

// makeRoom notes that a request that fits nowhere is placed where others have just ended
// for it. as is what of it its tenant's quota allows; it fitted nowhere when a step was the
// next one.
func (b *builder) makeRoom(w *waiting, as *berth.Request, on berth.WorkerID, who chosenAmong) {
	w.hasRoom = true
	one := b.roomAmong(w, as, on, who)
	one.room.Beside = b.l.fleet.Beside(w.candidate(), on)
	b.made = append(b.made, one)
}

// claimRoom notes that those on a worker have been chosen to make room for a request that fits
// nowhere, and that waits for them now.
func (b *builder) claimRoom(w *waiting, as *berth.Request, on berth.WorkerID, who chosenAmong) {
	one := b.roomAmong(w, as, on, who)
	one.room.Claim = true
	b.made = append(b.made, one)
}

// chosenAmong is who could have made room on a worker, and when that was: a step was the next one.
type chosenAmong struct {
	step      int64
	occupants []berth.PlannedOccupant
}

func (b *builder) roomAmong(w *waiting, as *berth.Request, on berth.WorkerID, who chosenAmong) madeRoom {
	b.decided = true // that it fits nowhere
	now, _ := b.l.ledgerNow(on, b)
	one := b.roomOf(w, on, now)
	one.room.Nowhere, one.room.Occupants = &who.step, who.occupants
	if as != w.request {
		one.room.Types = typesOf(as)
	}
	return one
}

// mostOccupants bounds how many of those a plan tells who could have made room: of a worker on which
// there are more than are left of it, it tells nobody.
const mostOccupants = 512

// among tells who is on a worker as the choice of those who make room there saw them.
func (b *builder) among(p *scheduler.Preemption, patience int64) chosenAmong {
	who := chosenAmong{step: int64(len(b.basis.record.Steps))} // it fitted nowhere then
	all := scheduler.InTime(b.l.occupants(b)(p.Worker), patience)
	if b.told += len(all); b.told > mostOccupants {
		b.told -= len(all)
		return who
	}
	for i := range all {
		o := &all[i]
		_, chosen := slices.BinarySearch(p.Victims, o.Request)
		who.occupants = append(who.occupants, berth.PlannedOccupant{Request: o.Request, Priority: o.Priority, Members: o.Members, Leaving: o.Leaving, Chosen: chosen})
	}
	return who
}

// unmake takes the last of them back: its request is not placed after all.
func (b *builder) unmake(w *waiting) {
	w.hasRoom, b.made = false, b.made[:len(b.made)-1]
}

func (b *builder) roomOf(w *waiting, on berth.WorkerID, ledger *berth.Ledger) madeRoom {
	l := b.l
	one := madeRoom{berth.PlannedRoom{Request: w.id}, *ledger}
	for i, kind := range seatKinds {
		k := berth.Key{Kind: kind, ID: string(on)}
		if was := l.bases.seats[on].keys[i]; i != ledgerSeat && (was.mod != l.knownNow(k).mod || was.mod > l.asOf()) {
			if one.room.Overlay == nil {
				one.room.Overlay = make(map[string]berth.Revision)
			}
			one.room.Overlay[overlayName(k)] = was.at
		}
	}
	if len(w.request.Resources.Devices) > 0 {
		one.room.Prices = l.pricesNow(w.request.Pool)
	}
	return one
}

// tellBasis tells on what the plan's placements were decided, once it is whole.
func (b *builder) tellBasis() {
	if len(b.plan.Places) == 0 && len(b.made) == 0 {
		return
	}
	if !b.decided {
		b.basis = b.l.bareBasis(b)
	}
	for i := range b.made {
		b.basis.tellRoom(&b.made[i])
	}
	b.basis.bound()
	b.plan.Basis = b.basis.record
}

func (p *planBasis) tellRoom(m *madeRoom) {
	if p.record.Partial {
		return
	}
	m.room.PlannedLedger = p.sums(&m.ledger)
	for i := range m.room.Beside {
		one := &m.room.Beside[i]
		p.bytes += 80 + len(one.Topology) + len(one.Requests.Label) + len(one.Requests.Value)
	}
	p.record.Room = append(p.record.Room, m.room)
}

// typesOf are the types of devices that each of a request's demands names.
func typesOf(r *berth.Request) [][]string {
	out := make([][]string, len(r.Resources.Devices))
	for i := range out {
		out[i] = append([]string{}, r.Resources.Devices[i].Types...)
	}
	return out
}
