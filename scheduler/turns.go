package scheduler

import (
	"cmp"
	"container/heap"

	"github.com/berthd/berth"
)

// Turns hands out what waits of several tenants in the order in which its turns come:
// each thing once, as in one look of the daemon at all that waits. Between two of
// them, only the shares of the tenant change that had the first.
type Turns[T any] struct {
	shares *Shares
	lines  turnHeap[T]
	began  int
}

type turnLine[T any] struct {
	tenant berth.TenantID
	pool   berth.PoolID
	turn   Turn
	number int // as they were added
	things []T
}

// NewTurns asks shares whose turn it is.
func NewTurns[T any](shares *Shares) *Turns[T] { return &Turns[T]{shares: shares} }

// Add adds all that waits of a tenant in a pool, in the tenant's own order. Of tenants
// whose turns are equal, the one that was added first comes first.
func (t *Turns[T]) Add(tenant berth.TenantID, pool berth.PoolID, things []T) {
	if len(things) > 0 {
		heap.Push(&t.lines, &turnLine[T]{tenant, pool, t.shares.Turn(tenant, pool), t.began, things})
		t.began++
	}
}

// Next is the next one; false: there is none.
func (t *Turns[T]) Next() (next T, ok bool) {
	for len(t.lines) > 0 {
		g := t.lines[0]
		if now := t.shares.Turn(g.tenant, g.pool); now != g.turn {
			g.turn = now
			heap.Fix(&t.lines, 0)
			continue
		}
		if len(g.things) == 0 {
			heap.Pop(&t.lines)
			continue
		}
		next, g.things = g.things[0], g.things[1:]
		return next, true
	}
	return next, false
}

type turnHeap[T any] []*turnLine[T]

func (h turnHeap[T]) Len() int { return len(h) }
func (h turnHeap[T]) Less(i, j int) bool {
	return cmp.Or(h[i].turn.Compare(h[j].turn), cmp.Compare(h[i].number, h[j].number)) < 0
}
func (h turnHeap[T]) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *turnHeap[T]) Push(x any)   { *h = append(*h, x.(*turnLine[T])) } //nolint:errcheck // container/heap pushes what it is given
func (h *turnHeap[T]) Pop() any {
	x := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return x
}
