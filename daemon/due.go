package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
)

// dueKeys is a first-in-first-out set of keys to look at. Behind them comes what a
// load brought, while that lasts. A life says itself that its request or its allocation
// is in the set: they come and go by the thousand, and a map would cost more than most
// looks.
type dueKeys struct {
	view        *view // nil: the map says it of all
	order       []dueKey
	gone        int                      // of order, which were taken: the memory of a few serves for all that come
	in          map[berth.Key]struct{}   // of order, what no life speaks of
	allocations int                      // in order
	most        int                      // keys in order since it was empty
	rest        func() (berth.Key, bool) // nil: none
	swept       bool                     // the last one that was taken came from rest
}

// dueKey is a place in the order. One of which nothing says any more that it is due is
// passed over.
type dueKey struct {
	key berth.Key
	of  *life // that says it; nil: the map
}

// What a life says to be due: its request, and its allocation where that is now.
const (
	dueRequest uint8 = 1 << iota
	dueAllocation
)

// shrinkAbove is how large the set may have been and keep its memory.
const shrinkAbove = 1 << 16

func newDueKeys(of *view) dueKeys { return dueKeys{view: of, in: make(map[berth.Key]struct{})} }

func (d *dueKeys) add(k berth.Key) {
	var x *life
	if d.view != nil {
		x = d.view.lifeAt(k)
	}
	d.addOf(x, k)
}

// addOf is add of a key whose life is at hand.
func (d *dueKeys) addOf(x *life, k berth.Key) {
	if bit := x.dueBit(k); bit == 0 {
		if _, ok := d.in[k]; ok {
			return
		}
		x = nil
		d.in[k] = struct{}{}
	} else if x.due&bit != 0 {
		return
	} else {
		x.due |= bit
	}
	if k.Kind == berth.KindAllocation {
		d.allocations++
	}
	if len(d.order) == cap(d.order) && d.gone > len(d.order)/2 {
		d.order = slices.Delete(d.order, 0, d.gone)
		d.gone = 0
	}
	d.order = append(d.order, dueKey{k, x})
	d.most = max(d.most, d.len())
}

func (d *dueKeys) len() int { return len(d.order) - d.gone }

// dueBit is what a life says of a key; 0: nothing.
func (x *life) dueBit(k berth.Key) uint8 {
	switch {
	case x == nil:
	case k.Kind == berth.KindRequest:
		return dueRequest
	case k.Kind == berth.KindAllocation && x.isOn(berth.WorkerID(k.Owner)):
		return dueAllocation
	}
	return 0
}

func (d *dueKeys) pop() (berth.Key, bool) {
	d.swept = false
	for d.len() > 0 {
		first := d.order[d.gone]
		d.order[d.gone] = dueKey{}
		d.gone++
		if first.key.Kind == berth.KindAllocation {
			d.allocations--
		}
		if first.of == nil && d.drop(first.key) || first.of != nil && first.of.takeDue(first.key) {
			return first.key, true
		}
	}
	d.order, d.gone = d.order[:0], 0
	if d.most > shrinkAbove {
		d.order, d.in, d.most = nil, make(map[berth.Key]struct{}), 0
	}
	if d.rest == nil {
		return berth.Key{}, false
	}
	k, ok := d.rest()
	if d.swept = ok; !ok {
		d.rest = nil
	}
	return k, ok
}

// takeDue says whether a key is due, which from now on it is not.
func (x *life) takeDue(k berth.Key) bool {
	bit := x.dueBit(k)
	was := x.due & bit
	x.due &^= bit
	return was != 0
}

// sweeping says whether only what a load brought is left to look at.
func (d *dueKeys) sweeping() bool { return d.rest != nil && d.len() == 0 }

func (d *dueKeys) has(k berth.Key) bool {
	if d.view != nil {
		if x := d.view.lifeAt(k); x != nil && x.due&x.dueBit(k) != 0 {
			return true
		}
	}
	_, ok := d.in[k]
	return ok
}

// drop takes back a key of which no life speaks, that was looked at before its turn, and
// says whether it was due.
func (d *dueKeys) drop(k berth.Key) bool {
	_, ok := d.in[k]
	delete(d.in, k)
	return ok
}

func (d *dueKeys) empty() bool { return d.len() == 0 && d.rest == nil }

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
