package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// A load tells of every key that the store holds. What it does not tell of, and the
// view knows, was deleted meanwhile: so what is told while it goes on is marked.

// Of a life's keys: those that are marked.
const (
	markedRequest uint8 = 1 << iota
	markedState
	markedAllocation
)

// loadBegins forgets what was marked.
func (v *view) loadBegins() {
	v.loading, v.marked = true, make(map[berth.Key]struct{})
	for _, x := range v.lives {
		x.marked = 0
	}
	for _, a := range v.archive {
		a.marked = false
	}
}

// mark notes that a load, or an answer beside it, has told of a key.
func (v *view) mark(k berth.Key) {
	if _, ok := v.packed(k); !ok {
		v.marked[k] = struct{}{}
		return
	}
	switch k.Kind {
	case berth.KindArchive:
		v.archive[berth.RequestID(k.ID)].marked = true
	case berth.KindRequest:
		v.lifeAt(k).marked |= markedRequest
	case berth.KindState:
		v.lifeAt(k).marked |= markedState
	case berth.KindAllocation:
		v.lifeAt(k).marked |= markedAllocation
	}
}

// loadEnds lists the keys that a load of revision rev has not told of.
func (v *view) loadEnds(rev berth.Revision) (gone []berth.Key) {
	for _, x := range v.lives {
		gone = x.unmarked(rev, gone)
	}
	for id, a := range v.archive {
		if !a.marked && a.mod <= rev {
			gone = append(gone, archiveKey(id))
		}
	}
	for _, facts := range v.whole {
		for k, f := range facts {
			if _, ok := v.marked[k]; !ok && f.Mod <= rev {
				gone = append(gone, k)
			}
		}
	}
	v.loading, v.marked = false, nil
	slices.SortFunc(gone, compareKeys)
	return gone
}

func (x *life) unmarked(rev berth.Revision, gone []berth.Key) []berth.Key {
	if x.spec != nil && x.marked&markedRequest == 0 && x.requestMod <= rev {
		gone = append(gone, requestKey(x.id))
	}
	if x.stateIs != 0 && x.marked&markedState == 0 && x.stateMod <= rev {
		gone = append(gone, stateKey(x.id))
	}
	if x.runs != 0 && x.marked&markedAllocation == 0 && x.mod <= rev {
		gone = append(gone, allocationKey(x.worker.Value(), x.id))
	}
	return gone
}

// sweep gives, one after another, the keys of all requests that are to be looked at,
// in order: after the first load it is not each of them that stands in the queue.
func (v *view) sweep() func() (berth.Key, bool) {
	var keys []berth.Key
	pivot := &life{}
	return func() (berth.Key, bool) {
		if len(keys) == 0 {
			keys = v.keysAfter(pivot, keys)
		}
		if len(keys) == 0 {
			return berth.Key{}, false
		}
		k := keys[0]
		keys = keys[1:]
		return k, true
	}
}

// keysAfter are those of the next lives after pivot, which it moves on.
func (v *view) keysAfter(pivot *life, keys []berth.Key) []berth.Key {
	after, lives := pivot.id, 0
	v.order.AscendGreaterOrEqual(pivot, func(x *life) bool {
		if x.id > after {
			for w := range v.holders(x.id) {
				keys = append(keys, allocationKey(w, x.id))
			}
			keys = append(keys, requestKey(x.id))
			pivot.id = x.id
			lives++
		}
		return lives < 256
	})
	return keys
}
