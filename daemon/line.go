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
	count   int             // requests
	open    ordered[*class] // classes that are not blocked, by their first
	at      int             // index in queue.open; -1: no class is open
	rows    map[string]*row
}

// before is a total order: whose turn it is, age, id.
func (g *line) place() *int { return &g.at }

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

// turned notes that the turn of an account may have changed. Its line, if there is one, gets
// its place when somebody asks who is next: once, however often the turn has changed.
func (q *queue) turned(of account) {
	if len(q.lines) < 2 {
		return
	}
	if g := q.lines[of]; g != nil {
		q.stale[g] = struct{}{}
	}
}

// takeTurns gives lines the places of their turns as they are now.
func (q *queue) takeTurns() {
	for g := range q.stale { // in which order decides nothing
		if now := q.workers.turn(g.of); now != g.turn {
			q.move(g, func() { g.turn = now })
		}
	}
	clear(q.stale)
}

// move changes what a line's place depends on.
func (q *queue) move(g *line, change func()) {
	for _, r := range g.rows { // each is in another tree
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
	c.same.open[c] = struct{}{}
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
	delete(c.same.open, c)
}

// shapeState is what is known of the classes of one shape, of all tenants.
type shapeState struct {
	classes int
	open    classSet
	blocked int            // of them, those that no worker can take
	verdict *berth.Verdict // on these, the last; nil: none is blocked
	fitAt   berth.Revision // of another daemon's: judged to fit then
}

func (q *queue) shapeOf(shape string) *shapeState {
	s := q.shapes[shape]
	if s == nil {
		s = &shapeState{open: make(classSet)}
		q.shapes[shape] = s
	}
	return s
}

// shelved counts a class that no worker can take, and unshelved one of which that is not
// known any more.
func (s *shapeState) shelved(v *berth.Verdict) { s.blocked, s.verdict = s.blocked+1, v }

func (s *shapeState) unshelved() {
	if s.blocked--; s.blocked == 0 {
		s.verdict = nil
	}
}
