package daemon

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// queue holds the requests that wait for a worker, in classes of equal shape and
// tenant: what no worker can take for the first of a class, none can for the others. A
// blocked class costs nothing until an event wakes it, however many wait in it.
//
// Whose turn it is is decided among tenants first (see line), and then among a tenant's
// own by priority and age.
//
// A worker that has more to give opens the class that comes first of those that it
// could take, when its turn has come: see give. So what is judged is what is placed, and
// once more, not all that would have fitted.
type queue struct {
	workers    workers
	classes    map[classKey]*class
	of         map[berth.RequestID]*class
	lines      map[account]*line
	open       ordered[*line]     // those with classes that are not blocked
	stale      map[*line]struct{} // whose turns have changed since they got their places
	shapes     map[string]*shapeState
	blocked    map[berth.PoolID]*blockedClasses
	awaited    map[awaits]classSet            // the blocked ones that wait for other requests, by for which
	givers     inOrder[berth.PoolID, *givers] // workers that may have something for the blocked ones
	gave       int64                          // how often any has had more
	preemptors map[berth.PoolID]classSet      // the blocked ones that others may have to make room for
	over       shelves[*class]                // the blocked ones whose tenant's quota has no room
	parked     map[berth.TenantID]classSet    // those whose tenant's block is in flight
	narrowed   map[account]classSet           // the blocked ones that their quota has left fewer types of devices than they name
	count      int
	idle       int // of count, in blocked and parked classes
}

// classKey is what the requests of a class have in common.
type classKey struct {
	shape  string
	tenant berth.TenantID
}

func (k classKey) compare(o classKey) int {
	return cmp.Or(cmp.Compare(k.shape, o.shape), cmp.Compare(k.tenant, o.tenant))
}

// workers is what the queue asks about them.
type workers interface {
	// fits says whether a worker would take a request now.
	fits(w *waiting, by berth.WorkerID) bool
	// room is what a worker has left, and its labels; not ok: it takes nothing now.
	room(of berth.WorkerID) (left need, labels map[string]string, ok bool)
	// shape is equal for requests on which a verdict is the same.
	shape(r *berth.Request) string
	// turn is when the turn of a tenant comes in a pool.
	turn(of account) scheduler.Turn
}

// waiting is one request in the queue.
type waiting struct {
	id       berth.RequestID
	request  *berth.Request
	avoid    []berth.WorkerID
	planner  berth.DaemonID // that it was left to, or none
	priority int32
	seq      berth.Revision // of its submission: first come, first placed
	step     int64          // of the plan's basis, once it is decided
	at       int            // index in its class's members; -1: it has left them
	asked    bool           // Place was asked for it, or PlaceGang
	hasRoom  bool           // others have made room for it: its worker is not chosen
	preempts bool           // others may have to make room for it
	claimOn  berth.WorkerID // where it has a claim, or none
	lent     bool           // the claim counts in no quota, for that is lent
	counted  berth.DaemonID // in whose block of its tenant's quota its claim has counted what it is placed with
	extra    berth.Amounts  // what it would have got of its tenant's quota, which had no room for it
	yields   yields         // where something is left to a peer that it could have had
}

// candidate is for the scheduler. What was left to a daemon is for its own workers:
// who left it has chosen one of them.
func (w *waiting) candidate() scheduler.Candidate {
	return scheduler.Candidate{Request: w.request, Priority: w.priority, Avoid: w.avoid, Own: w.planner != "", Again: w.asked}
}

// shape is what a verdict on a request depends on. Where others may have to make room,
// the first of a class is the one for whom most may; one that has a claim already has what
// it needs of its tenant's quota, unless that is lent: then it waits for that alone.
func (q *queue) shape(w *waiting) string {
	shape := q.workers.shape(w.request)
	switch {
	case w.preempts:
		shape += " preempts"
	case w.lent:
		shape += " has room, and no quota"
	case w.claimOn != "":
		shape += " has a claim"
	}
	return shape
}

// classSet is classes, in no order.
type classSet map[*class]struct{}

// sorted are its classes in the order of their turns.
func (s classSet) sorted() []*class {
	return slices.SortedFunc(maps.Keys(s), func(a, b *class) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
}

// before is a total order: priority, age, id.
func (w *waiting) place() *int { return &w.at }

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
	key     classKey
	pool    berth.PoolID
	line    *line
	same    *shapeState
	members ordered[*waiting]
	ids     map[berth.RequestID]*waiting
	verdict *berth.Verdict // set: blocked
	fitAt   berth.Revision // of another's class: judged to fit then
	at      int            // index in its line's open ones; -1: not there
	group   string         // of equal constraints
	row     *row           // of the blocked ones that it is in
	over    *spot[*class]  // blocked for its quota: in queue.over
	parked  bool           // in queue.parked
	narrow  *judgedFor     // in queue.narrowed
	lacks   *berth.Verdict // see lacksWorker
	node    node[*class, asks]
}

// before is a total order: whose turn it is, then the order of the firsts.
func (c *class) place() *int { return &c.at }

func (c *class) before(o *class) bool {
	if c.line != o.line {
		return c.line.before(o.line)
	}
	return c.members[0].before(o.members[0])
}

// first is of a class that may be empty.
func (c *class) first() *waiting {
	if len(c.members) == 0 {
		return nil
	}
	return c.members[0]
}

func newQueue(of workers) *queue {
	return &queue{
		workers:    of,
		classes:    make(map[classKey]*class),
		of:         make(map[berth.RequestID]*class),
		lines:      make(map[account]*line),
		stale:      make(map[*line]struct{}),
		shapes:     make(map[string]*shapeState),
		blocked:    make(map[berth.PoolID]*blockedClasses),
		awaited:    make(map[awaits]classSet),
		preemptors: make(map[berth.PoolID]classSet),
		over:       overQuotas(),
		parked:     make(map[berth.TenantID]classSet),
		narrowed:   make(map[account]classSet),
	}
}

// put adds a request, or replaces it.
func (q *queue) put(w *waiting) {
	key := classKey{q.shape(w), w.request.Tenant}
	q.remove(w.id)
	c := q.classes[key]
	fresh := c == nil
	if fresh {
		c = q.newClass(key, w)
	}
	q.began(c.line, w.seq)
	most := w.priority // of those that are here
	if len(c.members) > 0 {
		most = c.members[0].priority
	}
	q.change(c, func() {
		c.ids[w.id] = w
		q.of[w.id] = c
		heap.Push(&c.members, w)
	})
	q.count++
	c.line.count++
	if c.verdict != nil && c.over == nil && w.preempts && w.priority > most {
		q.reopen(c) // more of the others matter less than it does
		return
	}
	if fresh && !w.preempts && c.same.verdict != nil { // others of the shape fit nowhere
		q.blockClass(c, c.same.verdict)
	}
}

func (q *queue) newClass(key classKey, first *waiting) *class {
	r := first.request
	c := &class{
		key: key, pool: r.Pool, line: q.lineOf(first), same: q.shapeOf(key.shape), ids: make(map[berth.RequestID]*waiting), at: -1,
		group: groupName(r.Constraints),
	}
	c.node = node[*class, asks]{of: c, rank: scheduler.Hash(key.shape), own: asksOf(needOf(&r.Resources))}
	q.classes[key] = c
	c.line.classes++
	c.same.classes++
	return c
}

// change lets members come and go, and puts the class where it belongs then.
func (q *queue) change(c *class, members func()) {
	blocked, narrow := c.verdict != nil, c.narrow
	if blocked {
		q.unblock(c)
	}
	before, first := len(c.ids), c.first()
	members()
	if c.first() != first {
		c.node.own[seen] = 0 // whose own workers may be others
	}
	if c.parked {
		q.idle += len(c.ids) - before
	}
	switch {
	case len(c.ids) == 0:
		q.drop(c)
	case blocked:
		q.shelve(c)
		if narrow != nil && c.over == nil { // it was judged for these, whoever comes or goes; what is told of it now may be its quota
			q.narrowTo(c, narrow)
		}
	case c.parked:
	case c.at < 0:
		q.openUp(c)
	default:
		heap.Fix(&c.line.open, c.at)
	}
}

// shelve puts a class among the blocked ones, and unblock takes it out.
func (q *queue) shelve(c *class) {
	q.idle += len(c.ids)
	if isQuota(c.verdict) {
		q.shelveOver(c)
		return
	}
	if q.blocked[c.pool] == nil {
		q.blocked[c.pool] = &blockedClasses{}
	}
	q.blocked[c.pool].add(c)
	c.same.shelved(c.verdict)
	q.await(c)
	if c.members[0].preempts {
		if q.preemptors[c.pool] == nil {
			q.preemptors[c.pool] = make(classSet)
		}
		q.preemptors[c.pool][c] = struct{}{}
	}
}

func (q *queue) unblock(c *class) {
	q.idle -= len(c.ids)
	if c.over != nil {
		q.unshelveOver(c)
		return
	}
	q.blocked[c.pool].remove(c)
	q.widen(c)
	c.same.unshelved()
	q.forget(c)
	if delete(q.preemptors[c.pool], c); len(q.preemptors[c.pool]) == 0 {
		delete(q.preemptors, c.pool)
	}
	if len(q.blocked[c.pool].groups) == 0 {
		delete(q.blocked, c.pool)
	}
}

// remove takes a request out, wherever it waits.
func (q *queue) remove(id berth.RequestID) {
	c := q.of[id]
	if c == nil {
		return
	}
	w := c.ids[id]
	q.change(c, func() {
		if len(c.ids) == 1 {
			q.close(c)
		}
		heap.Remove(&c.members, w.at)
		delete(c.ids, id)
		delete(q.of, id)
	})
	q.count--
	c.line.count--
}

func (q *queue) drop(c *class) {
	delete(q.classes, c.key)
	q.unpark(c)
	if c.line.classes--; c.line.classes == 0 {
		delete(q.lines, c.line.of)
		delete(q.stale, c.line)
	}
	if c.same.classes--; c.same.classes == 0 {
		delete(q.shapes, c.key.shape)
	}
}

// next is the request whose turn it is, of the classes that are not blocked, or nil.
func (q *queue) next() *waiting {
	q.give()
	if len(q.open) == 0 {
		return nil
	}
	return q.open[0].open[0].members[0]
}

// anyOpen says whether a class is not blocked, or would be opened.
func (q *queue) anyOpen() bool {
	if len(q.open) == 0 {
		q.give()
	}
	return len(q.open) > 0
}

// block sets the verdict on the whole class of a request, and on others of the same shape.
func (q *queue) block(id berth.RequestID, v *berth.Verdict) {
	c := q.of[id]
	if c == nil {
		return
	}
	c.node.own[seen] = q.gave
	q.blockClass(c, v)
	if isQuota(v) || c.members[0].preempts {
		return
	}
	for o := range c.same.open { // in which order decides nothing
		o.node.own[seen] = q.gave
		q.blockClass(o, v)
	}
}

func (q *queue) blockClass(c *class, v *berth.Verdict) {
	if c.verdict != nil {
		q.unblock(c)
	}
	q.close(c)
	q.unpark(c)
	c.verdict = v
	q.shelve(c)
}

// shapeBlocked says whether equal requests are known to fit nowhere now, or wait for
// their quota.
func (q *queue) shapeBlocked(r *berth.Request) bool {
	w := &waiting{request: r, preempts: mayPreempt(r, nil)}
	shape := q.shape(w)
	if c := q.classes[classKey{shape, r.Tenant}]; c != nil {
		return c.verdict != nil
	}
	s := q.shapes[shape]
	return s != nil && s.verdict != nil && !w.preempts
}

func (q *queue) len() int { return q.count }

// openCount is how many requests wait in classes that are not blocked.
func (q *queue) openCount() int {
	q.anyOpen()
	return q.count - q.idle
}

func (q *queue) blockedCount() int { return q.idle }
