package daemon

import (
	"container/heap"
	"time"

	"github.com/berthd/berth"
)

// timers remembers when a key is to be looked at again. A key has one moment,
// the earliest asked for; looking too early is harmless.
type timers struct {
	heap   timerHeap
	at     map[berth.Key]time.Time
	starts startTimers
}

type timer struct {
	at  time.Time
	key berth.Key
}

func newTimers() *timers { return &timers{at: make(map[berth.Key]time.Time)} }

func (t *timers) set(k berth.Key, at time.Time) {
	if was, ok := t.at[k]; ok && !was.After(at) {
		return
	}
	t.at[k] = at
	t.heap = append(t.heap, timer{at, k}) // heap.Push would allocate the timer
	heap.Fix(&t.heap, len(t.heap)-1)
}

// due takes out the keys whose moment has come.
func (t *timers) due(now time.Time, fire func(berth.Key)) {
	for len(t.heap) > 0 && !t.heap[0].at.After(now) {
		e := t.heap[0]
		heap.Pop(&t.heap)
		if at, ok := t.at[e.key]; ok && at.Equal(e.at) {
			delete(t.at, e.key)
			fire(e.key)
		}
	}
	t.starts.due(now, fire)
}

// next is the earliest moment, or zero.
func (t *timers) next() time.Time {
	starts := t.starts.next()
	if len(t.heap) == 0 || !starts.IsZero() && starts.Before(t.heap[0].at) {
		return starts
	}
	return t.heap[0].at
}

type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return compareKeys(h[i].key, h[j].key) < 0
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop are heap's: nothing is pushed by it, and what it pops is at the end.
func (h *timerHeap) Push(any) {}
func (h *timerHeap) Pop() any { *h = (*h)[:len(*h)-1]; return nil }
