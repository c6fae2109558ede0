package daemon

import (
	"time"

	"github.com/berthd/berth"
)

// dueKeys is a first-in-first-out set of keys to look at.
type dueKeys struct {
	order       []berth.Key
	in          map[berth.Key]struct{}
	allocations int // of them
}

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
}

func (d *dueKeys) pop() (berth.Key, bool) {
	for len(d.order) > 0 {
		k := d.order[0]
		d.order = d.order[1:]
		if d.drop(k) {
			return k, true
		}
	}
	return berth.Key{}, false
}

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

func (d *dueKeys) empty() bool { return len(d.in) == 0 }

// sighting is when this daemon first saw a key at a revision: time-outs count
// from here, by our own clock, and not from a time that another machine wrote.
type sighting struct {
	state   berth.State
	at      time.Time
	changed bool // the state before it was seen too
}

// firstSeen notes an allocation's or request's state, and says since when it is so.
func (l *loop) firstSeen(k berth.Key, state berth.State, now time.Time) sighting {
	s, ok := l.seen[k]
	if !ok || s.state != state {
		s = sighting{state: state, at: now, changed: ok}
		l.seen[k] = s
	}
	return s
}
