package daemon

import (
	"container/heap"
	"slices"
	"testing"

	"github.com/berthd/berth"
)

// A walk comes to all of a heap in order, and leaves it as it is.
func TestOrdered_Walk(t *testing.T) {
	var h ordered[*waiting]
	next := uint64(7)
	for range 200 {
		next = next*6364136223846793005 + 1442695040888963407
		heap.Push(&h, &waiting{seq: berth.Revision(next >> 54)})
	}
	was, all := slices.Clone(h), []*waiting(nil)
	w := h.walk()
	for one, ok := w.step(); ok; one, ok = w.step() {
		all = append(all, one)
	}
	if len(all) != len(h) || !slices.IsSortedFunc(all, func(a, b *waiting) int { return int(a.seq - b.seq) }) {
		t.Errorf("%d of %d, or not in order", len(all), len(h))
	}
	if !slices.Equal(h, was) {
		t.Error("the heap is another")
	}
}
