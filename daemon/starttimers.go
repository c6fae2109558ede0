package daemon

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// startTimers remember until when what is placed is to be started. There is one for each
// allocation, and nearly all have gone on long before: so they are kept apart from the
// other timers, with no key and no map to find them by. Whether one still stands is told
// by the allocation's revision; those that do not are thrown out when they are half.
type startTimers struct {
	heap   startHeap
	pruned int // how many stood when it was last rid of the others
}

type startTimer struct {
	at  time.Time
	of  *life
	mod berth.Revision // of its allocation
}

// prunedLeast is how many timers are never looked through.
const prunedLeast = 1024

func (t *startTimer) stands() bool { return t.of.mod == t.mod }

// set sets the moment of an allocation as it is, once.
func (t *startTimers) set(x *life, at time.Time) {
	if x.timed {
		return
	}
	x.timed = true
	if len(t.heap) >= 2*max(t.pruned, prunedLeast) {
		t.prune()
	}
	t.heap = append(t.heap, startTimer{at, x, x.mod}) // heap.Push would allocate the timer
	heap.Fix(&t.heap, len(t.heap)-1)
}

func (t *startTimers) prune() {
	t.heap = slices.DeleteFunc(t.heap, func(e startTimer) bool { return !e.stands() })
	t.pruned = len(t.heap)
	heap.Init(&t.heap)
}

// due takes out the allocations whose moment has come.
func (t *startTimers) due(now time.Time, fire func(berth.Key)) {
	for len(t.heap) > 0 && !t.heap[0].at.After(now) {
		if e := t.pop(); e.stands() {
			e.of.timed = false
			fire(allocationKey(e.of.worker.Value(), e.of.id))
		}
	}
}

// next is the earliest moment, or zero.
func (t *startTimers) next() time.Time {
	for len(t.heap) > 0 {
		if t.heap[0].stands() {
			return t.heap[0].at
		}
		t.pop()
	}
	return time.Time{}
}

func (t *startTimers) pop() startTimer {
	e := t.heap[0]
	heap.Pop(&t.heap)
	return e
}

type startHeap []startTimer

func (h startHeap) Len() int { return len(h) }

// Less is a total order of those that stand.
func (h startHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return cmp.Or(cmp.Compare(h[i].of.id, h[j].of.id), cmp.Compare(h[i].mod, h[j].mod)) < 0
}
func (h startHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop are heap's: nothing is pushed by it, and what it pops is at the end.
func (h *startHeap) Push(any) {}

func (h *startHeap) Pop() any {
	last := len(*h) - 1
	(*h)[last] = startTimer{}
	*h = (*h)[:last]
	return nil
}
