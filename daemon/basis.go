package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// bases knows how the fleet differs from what the store's records say at the view's
// revision, so that a plan can tell on what it was made (berth.PlanBasis) without
// looking at every worker: only at the odd ones.
type bases struct {
	seats map[berth.WorkerID]*seatBasis
	odd   map[berth.WorkerID]struct{} // that may be other than their records say
	ahead map[berth.Key]struct{}      // known newer than the view's revision; not the ledgers put at those of own
	own   []berth.Revision            // of this daemon's transactions beyond it
	told  map[berth.PoolID]toldPrices // where prices stand whole
	gone  berth.Revision              // the store's history before it is, or is about to be
}

func newBases() bases {
	return bases{
		seats: make(map[berth.WorkerID]*seatBasis), odd: make(map[berth.WorkerID]struct{}), ahead: make(map[berth.Key]struct{}),
		told: make(map[berth.PoolID]toldPrices),
	}
}

// seatBasis is what a worker of the fleet was made of.
type seatBasis struct {
	keys   [len(seatKinds)]known
	steps  []reservation // since
	opened bool          // its ledger is opened by the plan that is gathered
	news   bool          // a record of it has come since
}

// known is a record as it was taken in: its ModRevision, 0 where there was none, and a
// revision at which it was so.
type known struct{ mod, at berth.Revision }

// reservation is a share that was reserved on a worker of the fleet, or freed; or what its
// ledger was in all, from then on.
type reservation struct {
	share  berth.Share
	free   bool
	ledger *berth.Ledger
}

// seatKinds are the records that a worker of the fleet is made of.
var seatKinds = [...]berth.Kind{berth.KindWorker, berth.KindLedger, berth.KindIntent, berth.KindConditions}

const ledgerSeat = 1 // of seatKinds

func (l *loop) knownNow(k berth.Key) known {
	if mod, ok := l.view.stored(k); ok {
		return known{mod, mod}
	}
	return known{0, max(l.view.tombstones[k], l.asOf())}
}

// noteForBasis notes that a fact was taken in: of the answer of an own transaction
// that applied at revision own, or else 0.
func (l *loop) noteForBasis(f *berth.Fact, own berth.Revision) {
	switch f.Key.Kind {
	case berth.KindWorker, berth.KindLedger, berth.KindIntent, berth.KindConditions:
		w := berth.WorkerID(f.Key.ID)
		l.bases.odd[w] = struct{}{}
		if s := l.bases.seats[w]; s != nil {
			s.news = true
		}
	case berth.KindPool, berth.KindKeep:
	default:
		return
	}
	switch {
	case f.Mod <= l.asOf():
		delete(l.bases.ahead, f.Key)
	case f.Mod == own && f.Key.Kind == berth.KindLedger && f.Record != nil:
		if n := len(l.bases.own); n == 0 || l.bases.own[n-1] != own {
			l.bases.own = append(l.bases.own, own)
		}
		delete(l.bases.ahead, f.Key)
	default:
		l.bases.ahead[f.Key] = struct{}{}
	}
}

// noteGoneForBasis notes that a key is gone that the view never knew: at its revision the store
// may hold the record still.
func (l *loop) noteGoneForBasis(f *berth.Fact) {
	if gone, buried := l.view.tombstones[f.Key]; buried && gone == f.Mod {
		l.noteForBasis(f, 0)
	}
}

// passedForBasis forgets what is no longer beyond the view's revision.
func (l *loop) passedForBasis() {
	maps.DeleteFunc(l.bases.ahead, func(k berth.Key, _ struct{}) bool { return l.view.mod(k) <= l.asOf() })
	l.bases.own = slices.DeleteFunc(l.bases.own, func(r berth.Revision) bool { return r <= l.asOf() })
}

// oddUntilSeated notes that a worker is to be looked at for something that no record of
// it tells: until then the fleet has what it was before, and a group may be placed first.
func (l *loop) oddUntilSeated(w berth.WorkerID) {
	l.bases.odd[w] = struct{}{}
	l.due.add(workerKey(w))
}

// noteSeat notes that a worker was put into the fleet as the view, and the plan that
// is gathered, have it.
func (l *loop) noteSeat(w berth.WorkerID, b *builder) {
	s := l.bases.seats[w]
	if s == nil {
		s = &seatBasis{}
		l.bases.seats[w] = s
	}
	for i, kind := range seatKinds {
		s.keys[i] = l.knownNow(berth.Key{Kind: kind, ID: string(w)})
	}
	fw := l.fleet.Worker(w)
	ledger, _ := l.view.ledger(w)
	s.opened, s.news = fw.Ready && (ledger == nil || ledger.Epoch != fw.Epoch), false
	s.steps = s.steps[:0]
	if fw.Ready && !s.opened { // else the ledger that it freed is not this one
		b.tellChanges(w, s)
	}
	if len(s.steps) == 0 && !s.opened {
		delete(l.bases.odd, w)
	}
}

// noteLedger notes that a worker of the fleet was given the ledger of the view, with what
// the plan that is gathered does to it.
func (l *loop) noteLedger(w berth.WorkerID, b *builder) {
	s := l.bases.seats[w]
	s.keys[ledgerSeat] = l.knownNow(ledgerKey(w))
	b.tellChanges(w, s)
	l.bases.odd[w] = struct{}{}
	if b.basis != nil {
		b.basis.step(w, l.sumsOf(w))
		b.basis.bound()
	}
}

// noteLeft notes that the fleet has reserved on a worker what a peer is left, instead of something that was to be placed there.
func (l *loop) noteLeft(w berth.WorkerID, b *builder) {
	r := l.sumsOf(w)
	l.bases.seats[w].steps = append(l.bases.seats[w].steps[:0], *r)
	l.bases.odd[w] = struct{}{}
	if b.basis != nil {
		b.basis.step(w, r)
		b.basis.bound()
	}
}

// tellChanges tells how the fleet's ledger of a worker differs from the view's: by what
// the plan has freed, or, where it has done more than that, as it is.
func (b *builder) tellChanges(w berth.WorkerID, s *seatBasis) {
	s.steps = s.steps[:0]
	if _, more := b.changed[w]; more {
		s.steps = append(s.steps, *b.l.sumsOf(w))
		return
	}
	for _, share := range b.freedOn[w] {
		s.steps = append(s.steps, reservation{share: share, free: true})
	}
}

// sumsOf is the ledger of a worker of the fleet, for that may change.
func (l *loop) sumsOf(w berth.WorkerID) *reservation {
	ledger := l.fleet.Worker(w).Ledger
	return &reservation{ledger: &ledger}
}

// noteReserved notes that the fleet has reserved a share.
func (l *loop) noteReserved(w berth.WorkerID, r reservation) {
	s := l.bases.seats[w]
	s.steps = append(s.steps, r)
	l.bases.odd[w] = struct{}{}
}

func (l *loop) noteUnseated(w berth.WorkerID) {
	delete(l.bases.seats, w)
	delete(l.bases.odd, w)
}

// What is told of what differs is bounded twice: here, about, so that gathering it stays
// a small part of the work; and exactly by what the plan itself puts, when that is known
// (see the store's Commit). Beyond either the plan's placements cannot be replayed, and
// its basis says so.
const (
	basisMost      = 4096 // keys and workers
	basisMostBytes = 128 << 10
)

// bareBasis is when the plan is made, and by what rules.
func (l *loop) bareBasis(b *builder) *planBasis {
	return &planBasis{
		record: &berth.PlanBasis{Daemon: l.d.opts.ID, Clock: b.now.UTC(), Revision: l.asOf(), Policy: scheduler.PolicyVersion},
		plain:  make(map[plainShare]int), priced: make(map[berth.PoolID]*berth.Prices),
	}
}

// planBasis is how the fleet differs from the store's records now.
func (l *loop) planBasis(b *builder) *planBasis {
	p := l.bareBasis(b)
	for _, r := range l.share.awake {
		p.record.Awake = append(p.record.Awake, r.id)
	}
	p.record.Ledgers = slices.Clone(l.bases.own)
	p.record.Overlay = make(map[string]berth.Revision, len(l.bases.ahead))
	for k := range l.bases.ahead {
		p.record.Overlay[overlayName(k)] = l.view.mod(k)
	}
	odd := slices.Collect(maps.Keys(l.bases.odd))
	for w := range l.starts {
		if _, is := l.bases.odd[w]; !is {
			odd = append(odd, w)
		}
	}
	for _, h := range l.holds.of {
		odd = append(odd, h.workers...)
	}
	slices.Sort(odd)
	for _, w := range slices.Compact(odd) {
		l.tellSeat(w, p)
	}
	p.bound()
	return p
}

// tellSeat tells of an odd worker how it differs.
func (l *loop) tellSeat(w berth.WorkerID, p *planBasis) {
	fw, s := l.fleet.Worker(w), l.bases.seats[w]
	if fw == nil || s == nil {
		if l.view.has(workerKey(w)) {
			p.record.Seats = append(p.record.Seats, berth.PlannedSeat{Worker: w, Unknown: true})
		}
		return
	}
	if s.news {
		l.tellOlder(w, s, p)
	}
	seat := berth.PlannedSeat{Worker: w, Opened: s.opened, Held: fw.Held, Suspended: fw.Suspended, Probing: fw.Probing}
	if fw.Probing {
		seat.Starting = fw.Starting
		for _, r := range s.steps {
			if !r.free && r.ledger == nil {
				seat.Starting-- // counted with its step
			}
		}
	}
	if is := fw.Foreign; is != (l.share.ofWorker(w) != l.d.opts.ID) {
		seat.Foreign = &is // a copy: the plan is encoded while the fleet goes on
	}
	if seat != (berth.PlannedSeat{Worker: w}) {
		p.record.Seats = append(p.record.Seats, seat)
	}
	for i := range s.steps {
		p.before(w, &s.steps[i])
	}
}

// tellOlder tells of the records of a worker that have changed since it was seated.
func (l *loop) tellOlder(w berth.WorkerID, s *seatBasis, p *planBasis) {
	for i, kind := range seatKinds {
		k := berth.Key{Kind: kind, ID: string(w)}
		if now := l.knownNow(k); now.mod != s.keys[i].mod {
			p.record.Overlay[overlayName(k)] = s.keys[i].at
		}
	}
}

// overlayName is the key without the prefix, of the kinds that stand in an overlay.
func overlayName(k berth.Key) string { return string(k.Kind) + "/" + k.ID }

// planBasis is a basis that is being written.
type planBasis struct {
	record *berth.PlanBasis
	plain  map[plainShare]int // number of those of Shares that are amounts alone
	priced map[berth.PoolID]*berth.Prices
	bytes  int // about, of Shares and Steps

	related      map[relationName]*toldRelation // that some decision has looked at
	relatedBytes int                            // about, of Relations
	crowded      bool                           // that was too much
}

type plainShare [3]int64

// before adds what was reserved or freed before the plan decides anything. Of a worker,
// that is often the same again and again.
func (p *planBasis) before(w berth.WorkerID, r *reservation) {
	n := len(p.record.Steps)
	p.step(w, r)
	if n == 0 || len(p.record.Steps) == n || r.ledger != nil {
		return
	}
	if last, one := &p.record.Steps[n-1], &p.record.Steps[n]; last.Worker == w && last.Share == one.Share && last.Free == one.Free && last.Ledger == nil {
		last.More++
		p.record.Steps = p.record.Steps[:n]
		p.bytes -= stepBytes(w)
	}
}

// step adds what was reserved or freed, and returns its number.
func (p *planBasis) step(w berth.WorkerID, r *reservation) int64 {
	b := p.record
	if b.Partial {
		return 0
	}
	one := berth.PlannedStep{Worker: w, Free: r.free}
	if r.ledger != nil {
		one.Ledger = new(p.sums(r.ledger))
	} else {
		one.Share = p.share(&r.share)
	}
	b.Steps = append(b.Steps, one)
	p.bytes += stepBytes(w)
	return int64(len(b.Steps) - 1)
}

// stepBytes is about what a step takes.
func stepBytes(w berth.WorkerID) int { return len(w) + 20 }

// placed tells that a request was placed by a step.
func (p *planBasis) placed(step int64, id berth.RequestID) {
	if p.record.Partial {
		return
	}
	p.record.Steps[step].For = id
	p.bytes += len(id) + 6
}

// narrow tells that a step was decided about fewer types of devices than its request names.
func (p *planBasis) narrow(step int64, as *berth.Request) {
	if p.record.Partial {
		return
	}
	one := berth.PlannedTypes{Step: step, Types: typesOf(as)}
	p.record.Types = append(p.record.Types, one)
	for _, names := range one.Types {
		p.bytes += 24
		for _, name := range names {
			p.bytes += len(name) + 3
		}
	}
}

func (p *planBasis) sums(l *berth.Ledger) berth.PlannedLedger {
	p.bytes += 40
	return berth.PlannedLedger{Reserved: p.share(&l.Reserved), Held: p.share(&l.Held), Count: l.Count}
}

// share is the number of a share.
func (p *planBasis) share(s *berth.Share) int {
	n := len(p.record.Shares)
	q := &s.Quantities
	if key := (plainShare{q.CPUMilli, q.MemoryBytes, q.DiskBytes}); len(q.Custom) == 0 && len(s.Ports) == 0 && len(s.Devices) == 0 {
		if known, ok := p.plain[key]; ok {
			return known
		}
		p.plain[key] = n
	}
	p.record.Shares = append(p.record.Shares, *s)
	p.bytes += 80 + 8*len(s.Ports) + 48*len(s.Devices) + 48*len(q.Custom)
	return n
}

// bound leaves out what would be too much.
func (p *planBasis) bound() {
	b := p.record
	if len(b.Seats)+len(b.Overlay) <= basisMost && p.bytes <= basisMostBytes {
		return
	}
	*b = b.Bare()
	p.plain, p.bytes = nil, 0
	p.related, p.relatedBytes = nil, 0
}
