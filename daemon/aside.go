package daemon

import (
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// aside keeps the keys of which the store refused a plan that had nothing else in
// it, as too large or malformed: whenever it is made again it will be refused again.
// Such a key is left out of everybody's plans, and tried in one of its own, after a
// pause that grows; so it holds nothing else up. It is tried at once when its own
// record has changed, or a user asks.
type aside struct {
	of     map[berth.Key]*setAside
	ready  []berth.Key // whose pause is over
	trying berth.Key   // in the plan that is gathered now
	turn   bool        // the next plan is for one of these, when any is ready
}

type setAside struct {
	wait  time.Duration
	until time.Time
	mod   berth.Revision // of its record then
	ready bool
}

// Pauses between tries: short where another hand may mend it soon, and never so
// long that what became possible waits much longer.
const (
	asideFirst = time.Second
	asideMost  = time.Minute
)

func newAside() aside { return aside{of: make(map[berth.Key]*setAside)} }

// put sets a key aside, for longer each time in a row.
func (s *aside) put(k berth.Key, mod berth.Revision, now time.Time) *setAside {
	e := s.of[k]
	if e == nil {
		e = &setAside{}
		s.of[k] = e
	}
	e.wait = min(max(2*e.wait, asideFirst), asideMost)
	e.until, e.mod, e.ready = now.Add(e.wait), mod, false
	return e
}

// holds says whether a key is to be left out of the plan that is gathered, and
// notes when its turn has come.
func (s *aside) holds(k berth.Key, mod berth.Revision, now time.Time) bool {
	e := s.of[k]
	if e == nil || k == s.trying {
		return false
	}
	if e.mod == mod && now.Before(e.until) {
		return true
	}
	if !e.ready {
		e.ready = true
		s.ready = append(s.ready, k)
	}
	return true
}

// hurry ends a key's pause: somebody waits for it.
func (s *aside) hurry(k berth.Key, now time.Time) {
	if e := s.of[k]; e != nil {
		e.until = now
	}
}

func (s *aside) pop() (berth.Key, bool) {
	if len(s.ready) == 0 {
		return berth.Key{}, false
	}
	k := s.ready[0]
	s.ready = s.ready[1:]
	if e := s.of[k]; e != nil {
		e.ready = false
	}
	return k, true
}

// held says whether a key is set aside now.
func (l *loop) held(k berth.Key, now time.Time) bool {
	e := l.aside.of[k]
	if e == nil || !l.aside.holds(k, l.view.mod(k), now) {
		return false
	}
	if now.Before(e.until) {
		l.timers.set(k, e.until)
	}
	return true
}

// tryAside plans for one key that was set aside, and for nothing else; it says
// whether there was one.
func (l *loop) tryAside(b *builder) bool {
	k, ok := l.aside.pop()
	if !ok {
		return false
	}
	if l.flights.defers(k) {
		return true // its turn comes again with that answer
	}
	batch := b.batch
	b.batch, l.aside.trying = 1, k
	l.look(k, b)
	l.aside.trying = berth.Key{}
	if b.plan.Empty() {
		b.batch = batch
		if !l.inQueue(k) { // else it is tried when it is placed
			l.forgetAside(k)
		}
	}
	return true
}

// inQueue says whether a request or a group waits for its place.
func (l *loop) inQueue(k berth.Key) bool {
	switch k.Kind {
	case berth.KindRequest:
		return l.queue.of[berth.RequestID(k.ID)] != nil
	case berth.KindGroup:
		return l.gangs.of[berth.GroupID(k.ID)] != nil
	}
	return false
}

// setAside leaves out what the store refuses whatever it is sent with.
func (l *loop) setAside(b *builder, err error) {
	own := make(map[berth.Key]struct{}, len(b.own))
	for _, k := range b.own {
		own[k] = struct{}{}
		e := l.aside.put(k, l.view.mod(k), l.now())
		l.timers.set(k, e.until)
		l.log.Error("the store refuses what is to be done about this, whenever it is sent: set aside; run berth fsck",
			zap.String("kind", string(k.Kind)), zap.String("owner", k.Owner), zap.String("id", k.ID),
			zap.Duration("again_in", e.wait), zap.Error(err))
	}
	l.metrics.aside.Set(float64(len(l.aside.of)))
	for _, k := range b.keys {
		if _, ok := own[k]; !ok && k != (berth.Key{}) {
			l.due.add(k)
		}
	}
	for _, s := range b.subs {
		if len(b.plan.Places) > 0 { // it may be the worker's ledger, and not the request
			s.unplaced = true
			l.incoming.putBack([]*submission{s})
			continue
		}
		l.answer(s, SubmitResult{ID: s.record.Spec.ID, Err: err})
	}
}

func (l *loop) forgetAside(k berth.Key) {
	if _, ok := l.aside.of[k]; ok {
		delete(l.aside.of, k)
		l.metrics.aside.Set(float64(len(l.aside.of)))
	}
}
