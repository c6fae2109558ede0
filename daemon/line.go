package daemon

import (
	"cmp"
	"container/heap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// line is what waits of one tenant in one pool. Lines come in the order of their
// tenants' turns, which changes with what tenants hold: then one line gets another place
// in the trees that it stands in, whatever waits in it.
type line struct {
	of      account
	turn    scheduler.Turn // as of when it got its place
	seq     berth.Revision // of the oldest that has waited in it
	classes int
	count   int       // requests
	open    classHeap // classes that are not blocked, by their first
	at      int       // index in queue.open; -1: no class is open
	rows    map[string]*row
}

// before is a total order: whose turn it is, age, id.
func (g *line) before(o *line) bool {
	if c := g.turn.Compare(o.turn); c != 0 {
		return c < 0
	}
	if c := cmp.Compare(g.seq, o.seq); c != 0 {
		return c < 0
	}
	return g.of.compare(o.of) < 0
}

// lineOf is the line of a request; made with its first.
func (q *queue) lineOf(w *waiting) *line {
	of := accountOf(w.request)
	g := q.lines[of]
	if g == nil {
		g = &line{of: of, turn: q.workers.turn(of), seq: w.seq, at: -1, rows: make(map[string]*row)}
		q.lines[of] = g
		if len(q.lines) == 2 { // the first one's turn was of no interest before
			for other := range q.lines {
				q.turned(other)
			}
		}
	}
	return g
}

// began notes how old what waits in a line is.
func (q *queue) began(g *line, seq berth.Revision) {
	if seq < g.seq {
		q.move(g, func() { g.seq = seq })
	}
}

// turned gives the line of an account, if there is one, the place of its turn.
func (q *queue) turned(of account) {
	g := q.lines[of]
	if g == nil || len(q.lines) == 1 {
		return
	}
	if now := q.workers.turn(of); now != g.turn {
		q.move(g, func() { g.turn = now })
	}
}

// move changes what a line's place depends on.
func (q *queue) move(g *line, change func()) {
	for _, r := range g.rows {
		r.group.rows.remove(&r.node)
	}
	change()
	for _, r := range g.rows {
		r.group.rows.add(&r.node)
	}
	if g.at >= 0 {
		heap.Fix(&q.open, g.at)
	}
}

// openUp puts a class among those that are not blocked, and close takes it out.
func (q *queue) openUp(c *class) {
	g := c.line
	heap.Push(&g.open, c)
	if g.at < 0 {
		heap.Push(&q.open, g)
	}
	q.shapeOf(c).open[c] = struct{}{}
}

func (q *queue) close(c *class) {
	if c.at < 0 {
		return
	}
	g := c.line
	heap.Remove(&g.open, c.at)
	if len(g.open) == 0 {
		heap.Remove(&q.open, g.at)
	}
	delete(q.shapeOf(c).open, c)
	q.forgetShape(c.key.shape)
}

// shapeState is what is known of the classes of one shape, of all tenants.
type shapeState struct {
	open    classSet
	blocked int            // of them, those that no worker can take
	verdict *berth.Verdict // on these, the last; nil: none is blocked
	fitAt   berth.Revision // of another daemon's: judged to fit then
}

func (q *queue) shapeOf(c *class) *shapeState {
	s := q.shapes[c.key.shape]
	if s == nil {
		s = &shapeState{open: make(classSet)}
		q.shapes[c.key.shape] = s
	}
	return s
}

// shapeIs counts a class that no worker can take, or can now.
func (q *queue) shapeIs(c *class, by int) {
	s := q.shapeOf(c)
	s.blocked += by
	switch {
	case by > 0:
		s.verdict = c.verdict
	case s.blocked == 0:
		s.verdict = nil
		q.forgetShape(c.key.shape)
	}
}

func (q *queue) forgetShape(shape string) {
	if s := q.shapes[shape]; len(s.open) == 0 && s.blocked == 0 {
		delete(q.shapes, shape)
	}
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

type lineHeap []*line

func (h lineHeap) Len() int           { return len(h) }
func (h lineHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h lineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *lineHeap) Push(x any) {
	g := x.(*line) //nolint:errcheck // only *line is pushed
	g.at = len(*h)
	*h = append(*h, g)
}

func (h *lineHeap) Pop() any {
	old := *h
	g := old[len(old)-1]
	old[len(old)-1] = nil
	g.at = -1
	*h = old[:len(old)-1]
	return g
}
