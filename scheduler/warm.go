package scheduler

import (
	"slices"
	"sort"
)

// Workers say which affinity keys are warm on them. For each key the pool keeps who is
// open and has said so, in the order of the ring: so a request with a key looks at
// those first, and no search goes through the pool for one that may be warm. A key that
// nobody has named costs a look into a map.

// maxWarm bounds the warm workers that are looked at for a request, from where its
// search begins; those beyond them are as good as cold.
const maxWarm = 64

// heat is who is warm, by key.
type heat map[string][]*node

// note brings who is warm in line with a worker that has changed.
func (h heat) note(n *node) {
	var now []string
	if n.open {
		now = n.worker.Warm
	}
	if slices.Equal(n.warm, now) {
		return
	}
	for _, key := range n.warm {
		list := h[key]
		at, _ := slices.BinarySearchFunc(list, n, onRing)
		if list = slices.Delete(list, at, at+1); len(list) == 0 {
			delete(h, key)
			continue
		}
		h[key] = list
	}
	n.warm = n.warm[:0]
	for _, key := range now {
		list := h[key]
		if at, found := slices.BinarySearchFunc(list, n, onRing); !found { // said twice
			h[key] = slices.Insert(list, at, n)
			n.warm = append(n.warm, key)
		}
	}
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

// warmFrom are the workers on which the query's key is warm, from a place on the ring
// on: at most maxWarm. None where that does not count: under binpack, unless it is
// weighed, and where it is weighed with 0.
func (q *query) warmFrom(from uint64) {
	q.warm = q.warm[:0]
	list := q.pool.heat[q.request.AffinityKey]
	if len(list) == 0 || !q.minds() {
		return
	}
	first := sort.Search(len(list), func(i int) bool { return list[i].position >= from })
	for i := range min(len(list), maxWarm) {
		q.warm = append(q.warm, list[(first+i)%len(list)])
	}
}

// minds says whether it counts for the query who is warm.
func (q *query) minds() bool {
	switch v := q.weighing; {
	case q.request.AffinityKey == "":
		return false
	case v != nil && v.named[scoreCold]:
		return v.weights[scoreCold] > 0
	}
	return !q.binpack
}

// isCold says whether others are warm, and n is not, however it is seen: see node.unkept.
func (q *query) isCold(n *node) bool {
	return len(q.warm) > 0 && !slices.ContainsFunc(q.warm, func(o *node) bool { return o.worker.ID == n.worker.ID })
}

// lookAhead looks at those who are warm, before the search for all others. So whoever is
// looked at then is cold, and what is no better cold is passed over.
func (q *query) lookAhead() {
	if len(q.warm) == 0 {
		return
	}
	for i := range q.scope {
		q.at = &q.scope[i]
		for _, n := range q.warm {
			if n.group == q.at.group {
				q.look(n)
			}
		}
	}
	q.rest = true
}
