package daemon

import "slices"

// ordered is a heap, for container/heap, of what knows its place in it: so each can be taken
// out, or put where it belongs now, wherever it stands.
type ordered[T placed[T]] []T

type placed[T any] interface {
	before(T) bool
	place() *int // in the heap; it points to -1 where it is in none
}

// firsts are so many of it, in order: what is behind one in the heap is looked at when that is taken.
func (h ordered[T]) firsts(most int) (out []T) {
	for next := []int{0}; len(out) < min(most, len(h)); {
		at := 0
		for i := range next {
			if h[next[i]].before(h[next[at]]) {
				at = i
			}
		}
		one := next[at]
		out, next = append(out, h[one]), slices.Delete(next, at, at+1)
		for _, child := range []int{2*one + 1, 2*one + 2} {
			if child < len(h) {
				next = append(next, child)
			}
		}
	}
	return out
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
