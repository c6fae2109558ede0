package daemon

import (
	"cmp"
	"container/heap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// queue holds the requests that wait for a worker, in classes of equal shape:
// what no worker can take for the first of a class, none can for the others. A
// blocked class costs nothing until an event wakes it, however many wait in it.
type queue struct {
	classes map[string]*class
	of      map[berth.RequestID]*class
	open    classHeap // classes that are not blocked, by their first
	blocked map[berth.PoolID]map[*class]struct{}
	count   int
	stuck   int // of count, those in blocked classes
}

// waiting is one request in the queue.
type waiting struct {
	id       berth.RequestID
	request  *berth.Request
	avoid    []berth.WorkerID
	priority int32
	seq      berth.Revision // of its submission: first come, first placed
	at       int            // index in its class's heap
}

func (w *waiting) candidate() scheduler.Candidate {
	return scheduler.Candidate{Request: w.request, Priority: w.priority, Avoid: w.avoid}
}

// before is a total order: priority, age, id.
func (w *waiting) before(o *waiting) bool {
	if c := cmp.Compare(o.priority, w.priority); c != 0 {
		return c < 0
	}
	if c := cmp.Compare(w.seq, o.seq); c != 0 {
		return c < 0
	}
	return w.id < o.id
}

type class struct {
	shape   string
	pool    berth.PoolID
	members memberHeap
	ids     map[berth.RequestID]*waiting
	verdict *berth.Verdict // set: blocked
	fitAt   berth.Revision // of another's class: judged to fit then
	at      int            // index in queue.open; -1: not there
}

func newQueue() *queue {
	return &queue{
		classes: make(map[string]*class),
		of:      make(map[berth.RequestID]*class),
		blocked: make(map[berth.PoolID]map[*class]struct{}),
	}
}

// put adds a request, or replaces it.
func (q *queue) put(w *waiting) {
	shape := scheduler.Shape(w.request)
	q.remove(w.id)
	c := q.classes[shape]
	if c == nil {
		c = &class{shape: shape, pool: w.request.Pool, ids: make(map[berth.RequestID]*waiting), at: -1}
		q.classes[shape] = c
	}
	c.ids[w.id] = w
	q.of[w.id] = c
	heap.Push(&c.members, w)
	q.count++
	if c.verdict != nil {
		q.stuck++
	}
	q.reorder(c)
}

// remove takes a request out, wherever it waits.
func (q *queue) remove(id berth.RequestID) {
	c := q.of[id]
	if c == nil {
		return
	}
	w := c.ids[id]
	heap.Remove(&c.members, w.at)
	delete(c.ids, id)
	delete(q.of, id)
	q.count--
	if c.verdict != nil {
		q.stuck--
	}
	if len(c.ids) == 0 {
		q.drop(c)
		return
	}
	q.reorder(c)
}

func (q *queue) drop(c *class) {
	if c.at >= 0 {
		heap.Remove(&q.open, c.at)
	}
	unlink(q.blocked, c.pool, c)
	delete(q.classes, c.shape)
}

func (q *queue) reorder(c *class) {
	switch {
	case c.verdict != nil:
	case c.at < 0:
		heap.Push(&q.open, c)
	default:
		heap.Fix(&q.open, c.at)
	}
}

// next is the first request of the classes that are not blocked, or nil.
func (q *queue) next() *waiting {
	if len(q.open) == 0 {
		return nil
	}
	return q.open[0].members[0]
}

// block sets the verdict on the whole class of a request.
func (q *queue) block(id berth.RequestID, v *berth.Verdict) {
	c := q.of[id]
	if c == nil {
		return
	}
	if c.verdict == nil {
		q.stuck += len(c.ids)
	}
	c.verdict = v
	if c.at >= 0 {
		heap.Remove(&q.open, c.at)
	}
	link(q.blocked, c.pool, c)
}

// wake opens the blocked classes of a pool for which fits is true.
func (q *queue) wake(pool berth.PoolID, fits func(*waiting) bool) {
	for c := range q.blocked[pool] {
		if !fits(c.members[0]) {
			continue
		}
		c.verdict = nil
		q.stuck -= len(c.ids)
		unlink(q.blocked, pool, c)
		q.reorder(c)
	}
}

// shapeBlocked says whether equal requests are known to fit nowhere now.
func (q *queue) shapeBlocked(r *berth.Request) bool {
	c := q.classes[scheduler.Shape(r)]
	return c != nil && c.verdict != nil
}

func (q *queue) len() int { return q.count }

// openCount is how many requests wait in classes that are not blocked.
func (q *queue) openCount() int { return q.count - q.stuck }

func (q *queue) blockedCount() int { return q.stuck }

type memberHeap []*waiting

func (h memberHeap) Len() int           { return len(h) }
func (h memberHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h memberHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *memberHeap) Push(x any) {
	w := x.(*waiting) //nolint:errcheck // only *waiting is pushed
	w.at = len(*h)
	*h = append(*h, w)
}

func (h *memberHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return w
}

type classHeap []*class

func (h classHeap) Len() int           { return len(h) }
func (h classHeap) Less(i, j int) bool { return h[i].members[0].before(h[j].members[0]) }
func (h classHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *classHeap) Push(x any) {
	c := x.(*class) //nolint:errcheck // only *class is pushed
	c.at = len(*h)
	*h = append(*h, c)
}

func (h *classHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	c.at = -1
	*h = old[:len(old)-1]
	return c
}
