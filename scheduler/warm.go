package scheduler

import (
	"cmp"
	"slices"
	"sort"
)

// Workers say which affinity keys are warm on them, and which images are there. For each
// key and image the pool keeps who is open and has said so, in the order of the ring: so
// a request looks at those first, and no search goes through the pool for one that may
// have it. What nobody has named costs a look into a map.

// maxWarm bounds the workers that are looked at for a key or an image, from where the
// search begins; those beyond them are as good as without it.
const maxWarm = 64

// heat is who is warm, by key; or who holds it, by image.
type heat map[string][]*node

// note brings who has what in line with a worker that has changed: with what it says
// now, where it is open. It returns that in place of what was said before.
func (h heat) note(n *node, was, now []string) []string {
	if !n.open {
		now = nil
	}
	if slices.Equal(was, now) {
		return was
	}
	for _, key := range was {
		list := h[key]
		at, _ := slices.BinarySearchFunc(list, n, onRing)
		if list = slices.Delete(list, at, at+1); len(list) == 0 {
			delete(h, key)
			continue
		}
		h[key] = list
	}
	was = was[:0]
	for _, key := range now {
		list := h[key]
		if at, found := slices.BinarySearchFunc(list, n, onRing); !found { // said twice
			h[key] = slices.Insert(list, at, n)
			was = append(was, key)
		}
	}
	return was
}

func onRing(a, b *node) int {
	switch {
	case a == b:
		return 0
	case ringOrder(a, b):
		return -1
	}
	return 1
}

// wish is what a request would rather find where it goes: its key warm, or its image.
type wish struct {
	holders []*node // who has it, from a place on the ring on: maxWarm at most. None where it does not count
	from    uint64
}

func (w *wish) find(list []*node, from uint64) {
	w.holders, w.from = w.holders[:0], from
	first := sort.Search(len(list), func(i int) bool { return list[i].position >= from })
	for i := range min(len(list), maxWarm) {
		w.holders = append(w.holders, list[(first+i)%len(list)])
	}
}

// lacks says whether others have it, and n does not, however it is seen: see node.unkept.
func (w *wish) lacks(n *node) bool {
	if len(w.holders) == 0 {
		return false
	}
	_, found := slices.BinarySearchFunc(w.holders, n, func(o, n *node) int {
		return cmp.Or(cmp.Compare(o.position-w.from, n.position-w.from), cmp.Compare(o.worker.ID, n.worker.ID))
	})
	return !found
}

// wish finds who has what the query's request would rather find, from a place on the
// ring on. Under binpack that counts only where it is weighed: few machines are worth
// more. Where devices are dealt the image stands behind all that they would lose.
func (q *query) wish(from uint64) {
	if q.minds(scoreCold, q.request.AffinityKey, !q.binpack) {
		q.key.find(q.pool.heat[q.request.AffinityKey], from)
	}
	if q.minds(scorePulls, q.request.Image, q.dealt || !q.binpack) {
		q.image.find(q.pool.held[q.request.Image], from)
	}
}

// minds says whether it counts for the query who has something; unweighed is what holds
// where the pool says nothing of it.
func (q *query) minds(scorer int, what string, unweighed bool) bool {
	switch v := q.weighing; {
	case what == "":
		return false
	case v != nil && v.named[scorer]:
		return v.weights[scorer] > 0
	}
	return unweighed
}

// wished says whether anybody has any of it.
func (q *query) wished() bool { return len(q.key.holders)+len(q.image.holders) > 0 }

// lookAhead looks at those who have any of it, before the search for all others. So
// whoever is looked at then has nothing of it, and what is no better so is passed over.
func (q *query) lookAhead() {
	if !q.wished() {
		return
	}
	q.early = true
	for i := range q.scope {
		q.at = &q.scope[i]
		for _, w := range []*wish{&q.key, &q.image} {
			for _, n := range w.holders {
				if n.group == q.at.group {
					q.look(n)
				}
			}
		}
	}
	q.early, q.cold, q.pulls = false, len(q.key.holders) > 0, len(q.image.holders) > 0
}
