package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// A pool that is full is asked for the same shapes again and again, and has to say each time
// why no worker takes them: nearly always, for it has too little of something. That follows
// from the shape and from what is free of a worker alone, so a row keeps it, until the worker
// changes. Only the names are left, of which the first few are told: so those who are told of
// come in the order of their names.

// whys are what a worker may have too little of, as far as rows keep it.
var whys = [...]berth.ReasonCode{
	cpu: berth.ReasonCPU, memory: berth.ReasonMemory, disk: berth.ReasonDisk,
	amounts: berth.ReasonDevices, berth.ReasonDeviceMilli, berth.ReasonDeviceMemory,
}

// nothing is the place in whys of what somebody lacks who takes the shape.
const nothing = -1

// lacking is why a worker that is plain does not take a shape: see seat.
type lacking struct {
	version     uint64 // of the worker, then: it changes with all that this follows from
	best, total int64
	why         int8 // its place in whys
}

// explainPool is explain of all workers of the pool.
func (q *query) explainPool() berth.Verdict {
	p := q.pool
	r := q.lacksIn(p)
	if r == nil {
		return q.explain(p.nodes)
	}
	t := q.telling(p.nodes)
	for _, at := range p.named {
		s, one := &p.dealer.seats[at], &r.lacking[at]
		if s.plain && one.version != s.version {
			*one = q.lackingOf(r, p.nodes[at])
		}
		if !s.plain || one.why == nothing {
			q.tell(&t, p.nodes[at])
			continue
		}
		y := &t.tallies[one.why]
		if y.workers == 0 {
			y.measure = r.said[one.why]
		}
		y.workers++
		y.best, y.total = max(y.best, one.best), max(y.total, one.total)
		if len(y.some) < someNames {
			y.some = append(y.some, p.nodes[at].worker.ID)
		}
	}
	return q.verdict(&t, p.nodes)
}

// lacksIn is the row in which it is kept why workers do not take the query's shape; nil: it
// has none, or more may be in the way.
func (q *query) lacksIn(p *pool) *row {
	if malformed(&q.request.Resources) || slices.ContainsFunc(q.filters, func(f filter) bool { return !f.byRow }) {
		return nil
	}
	key, ok := q.rowKey()
	if !ok {
		return nil
	}
	r := p.dealer.rows[key]
	if r != nil && len(r.lacking) < len(p.nodes) {
		r.lacking = append(r.lacking, make([]lacking, len(p.nodes)-len(r.lacking))...)
	}
	return r
}

// lackingOf is why a plain worker does not take the shape of a row. What is the same for
// all workers is kept once.
func (q *query) lackingOf(r *row, n *node) lacking {
	f := rejects(q.filters, q, n)
	if f == nil {
		return lacking{version: n.version, why: nothing}
	}
	m := f.measure(q, n)
	why := slices.Index(whys[:], f.codeOf(&m))
	r.said[why] = measure{detail: m.detail, want: m.want}
	return lacking{version: n.version, best: m.best, total: m.total, why: int8(why)}
}

// tally is what is told of the workers with too little of one thing: most of those that reject a request are such.
type tally struct {
	measure
	workers int
	some    []berth.WorkerID
}

func (t *tally) add(n *node, m *measure) {
	t.workers++
	t.some = addName(t.some, n.worker.ID)
	t.want, t.best, t.total = m.want, max(t.best, m.best), max(t.total, m.total)
}

// join adds a tally to what was told of other workers.
func (t *tally) join(reasons []berth.Reason, code berth.ReasonCode) []berth.Reason {
	i := slices.IndexFunc(reasons, func(r berth.Reason) bool { return r.Code == code && r.Detail == t.detail })
	if i < 0 {
		return append(reasons, berth.Reason{Code: code, Detail: t.detail, Workers: t.workers, Some: t.some, Want: t.want, Best: t.best, Total: t.total})
	}
	have := &reasons[i]
	have.Workers += t.workers
	for _, name := range t.some {
		have.Some = addName(have.Some, name)
	}
	have.Want, have.Best, have.Total = max(have.Want, t.want), max(have.Best, t.best), max(have.Total, t.total)
	return reasons
}
