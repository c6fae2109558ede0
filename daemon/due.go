package daemon

import (
	"time"

	"github.com/berthd/berth"
)

// dueKeys is a first-in-first-out set of keys to look at. Behind them comes what a
// load brought, while that lasts.
type dueKeys struct {
	order       []berth.Key
	in          map[berth.Key]struct{}
	allocations int                      // of them
	most        int                      // keys in the set since it was empty
	rest        func() (berth.Key, bool) // nil: none
}

// shrinkAbove is how large the set may have been and keep its memory.
const shrinkAbove = 1 << 16

func newDueKeys() dueKeys { return dueKeys{in: make(map[berth.Key]struct{})} }

func (d *dueKeys) add(k berth.Key) {
	if _, ok := d.in[k]; ok {
		return
	}
	d.in[k] = struct{}{}
	if k.Kind == berth.KindAllocation {
		d.allocations++
	}
	d.order = append(d.order, k)
	d.most = max(d.most, len(d.in))
}

func (d *dueKeys) pop() (berth.Key, bool) {
	for len(d.order) > 0 {
		k := d.order[0]
		d.order = d.order[1:]
		if d.drop(k) {
			return k, true
		}
	}
	if d.most > shrinkAbove {
		d.order, d.in, d.most = nil, make(map[berth.Key]struct{}), 0
	}
	if d.rest == nil {
		return berth.Key{}, false
	}
	k, ok := d.rest()
	if !ok {
		d.rest = nil
	}
	return k, ok
}

// sweeping says whether only what a load brought is left to look at.
func (d *dueKeys) sweeping() bool { return d.rest != nil && len(d.in) == 0 }

func (d *dueKeys) has(k berth.Key) bool {
	_, ok := d.in[k]
	return ok
}

// drop takes back a key that was looked at before its turn, and says whether it
// was due.
func (d *dueKeys) drop(k berth.Key) bool {
	_, ok := d.in[k]
	delete(d.in, k)
	if ok && k.Kind == berth.KindAllocation {
		d.allocations--
	}
	return ok
}

func (d *dueKeys) empty() bool { return len(d.in) == 0 && d.rest == nil }

// sighting is when this daemon first saw a key at a revision: time-outs count
// from here, by our own clock, and not from a time that another machine wrote.
type sighting struct {
	state   berth.State
	at      time.Time
	changed bool // the state before it was seen too
}

// firstSeen notes an allocation's or request's state, and says since when it is so.
func (l *loop) firstSeen(k berth.Key, state berth.State, now time.Time) sighting {
	if x := l.view.lifeAt(k); k.Kind == berth.KindAllocation && x != nil && x.isOn(berth.WorkerID(k.Owner)) {
		return l.firstSeenOn(x, now)
	}
	s, ok := l.seen[k]
	if !ok || s.state != state {
		s = sighting{state: state, at: now, changed: ok}
		l.seen[k] = s
	}
	return s
}

// firstSeenOn is firstSeen of an allocation that is packed: there may be a million.
func (l *loop) firstSeenOn(x *life, now time.Time) sighting {
	if l.began.IsZero() {
		l.began = now
	}
	if x.seenIs != x.runs {
		x.seenNext, x.seenIs, x.seenAt = x.seenIs != 0, x.runs, now.Sub(l.began)
	}
	return sighting{state: x.runs.state(), at: l.began.Add(x.seenAt), changed: x.seenNext}
}
