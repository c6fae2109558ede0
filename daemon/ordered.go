package daemon

import "container/heap"

// ordered is a heap, for container/heap, of what knows its place in it: so each can be taken
// out, or put where it belongs now, wherever it stands.
type ordered[T placed[T]] []T

type placed[T any] interface {
	before(T) bool
	place() *int // in the heap; it points to -1 where it is in none
}

// walk goes through a heap in order, and leaves it as it is: it is a heap itself of where those stand that come next, and what is behind one
// is there when that has been gone through.
type walk[T placed[T]] struct {
	through ordered[T]
	next    []int
}

func (h ordered[T]) walk() *walk[T] {
	w := &walk[T]{through: h}
	w.add(0)
	return w
}

func (w *walk[T]) add(at int) {
	if at < len(w.through) {
		heap.Push(w, at)
	}
}

// step is the next one; not ok: all have been gone through.
func (w *walk[T]) step() (one T, ok bool) {
	if len(w.next) == 0 {
		return one, false
	}
	at := w.next[0]
	heap.Pop(w)
	w.add(2*at + 1)
	w.add(2*at + 2)
	return w.through[at], true
}

func (w *walk[T]) Len() int           { return len(w.next) }
func (w *walk[T]) Less(i, j int) bool { return w.through[w.next[i]].before(w.through[w.next[j]]) }
func (w *walk[T]) Swap(i, j int)      { w.next[i], w.next[j] = w.next[j], w.next[i] }
func (w *walk[T]) Push(at any)        { w.next = append(w.next, at.(int)) } //nolint:errcheck // only places are pushed

func (w *walk[T]) Pop() any {
	last := len(w.next) - 1
	at := w.next[last]
	w.next = w.next[:last]
	return at
}

func (h ordered[T]) Len() int           { return len(h) }
func (h ordered[T]) Less(i, j int) bool { return h[i].before(h[j]) }
func (h ordered[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	*h[i].place(), *h[j].place() = i, j
}

func (h *ordered[T]) Push(x any) {
	one := x.(T) //nolint:errcheck // only T is pushed
	*one.place() = len(*h)
	*h = append(*h, one)
}

func (h *ordered[T]) Pop() any {
	var none T
	last := len(*h) - 1
	one := (*h)[last]
	(*h)[last] = none
	*one.place() = -1
	*h = (*h)[:last]
	return one
}
