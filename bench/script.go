package bench

import (
	"hash/fnv"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/berthd/berth"
)

// unit is one placement that the scheduler made: the floor writes it again, on the
// same worker.
type unit struct {
	id     string
	worker int // of the fleet
	form   int // of the script's templates
}

// Point is how the floor gathers what it writes.
type Point struct {
	Batch       int `json:"batch"`       // placements of a transaction
	Concurrency int `json:"concurrency"` // transactions in flight
}

// lanes share units by worker: so no two transactions in flight meet in a ledger.
func lanes(units []unit, n int) [][]unit {
	out := make([][]unit, n)
	for _, u := range units {
		h := fnv.New32a()
		_, _ = h.Write([]byte{byte(u.worker), byte(u.worker >> 8), byte(u.worker >> 16)})
		lane := int(h.Sum32() % uint32(n))
		out[lane] = append(out[lane], u)
	}
	return out
}

// ready is a transaction that is made but for the revisions in its compares.
type ready struct {
	pb.TxnRequest
	patches  []patch
	rewrites []int // workers whose ledgers it puts
	members  int
	bytes    int
	first    bool // of a batch's steps
	last     bool
	step     int
}

// patch is a compare whose revision is known when the transaction is sent.
type patch struct {
	to     *pb.Compare_ModRevision
	worker int // -1: of the batch's step from
	from   int
}

// maker makes the transactions of batches.
type maker struct {
	fleet     *fleet
	templates []template
	bare      bool // no compare depends on what was written before: nothing to patch
}

// batch makes all steps of some units, which share the number of steps.
func (m *maker) batch(units []unit) []*ready {
	steps := len(m.templates[units[0].form].steps)
	out := make([]*ready, steps)
	for s := range out {
		out[s] = m.step(units, s)
		out[s].first, out[s].last = s == 0, s == steps-1
	}
	return out
}

func (m *maker) step(units []unit, s int) *ready {
	b := &stepBuilder{maker: m, done: map[int]bool{}, ready: &ready{members: len(units), step: s}}
	for i, u := range units {
		st := &m.templates[u.form].steps[s]
		fresh := !b.done[u.worker]
		b.done[u.worker] = true
		b.add(st, u, func(sc scope) bool { return sc == ofRequest || sc == ofWorker && fresh || sc == ofTxn && i == 0 })
	}
	return b.ready
}

type stepBuilder struct {
	*maker
	done map[int]bool
	*ready
}

func (b *stepBuilder) add(st *step, u unit, in func(scope) bool) {
	w := &b.fleet.workers[u.worker]
	for i := range st.cmps {
		if c := &st.cmps[i]; in(c.form.scope) {
			b.addCompare(c, u, w)
		}
	}
	for _, op := range st.then {
		if !in(op.form.scope) {
			continue
		}
		b.Success = append(b.Success, op.op(b.fleet.etcd.prefix, u.id, string(w.id)))
		b.bytes += len(op.value)
		if op.form.scope == ofWorker && op.verb == putOf {
			b.rewrites = append(b.rewrites, u.worker)
		}
	}
	for _, op := range st.els {
		if in(op.form.scope) {
			b.Failure = append(b.Failure, op.op(b.fleet.etcd.prefix, u.id, string(w.id)))
		}
	}
}

func (b *stepBuilder) addCompare(c *compare, u unit, w *fleetWorker) {
	key := c.form.key(b.fleet.etcd.prefix, u.id, string(w.id))
	switch c.expect {
	case isAbsent:
		b.Compare = append(b.Compare, modIs(key, 0))
	case isThere:
		b.Compare = append(b.Compare, above(createIs(key, 0)))
	case isBorn:
		b.Compare = append(b.Compare, createIs(key, int64(w.epoch)))
	case isUnchanged:
		b.unchanged(c, key, u)
	}
}

func (b *stepBuilder) unchanged(c *compare, key string, u unit) {
	switch {
	case c.form.scope == ofTxn:
		b.Compare = append(b.Compare, modIs(key, int64(b.fleet.schema)))
		return
	case b.bare:
		b.Compare = append(b.Compare, above(modIs(key, 0)))
		return
	}
	cmp := modIs(key, 0)
	b.Compare = append(b.Compare, cmp)
	p := patch{worker: u.worker}
	if c.form.scope == ofRequest {
		p.worker, p.from = -1, c.from
	}
	p.to, _ = cmp.TargetUnion.(*pb.Compare_ModRevision)
	b.patches = append(b.patches, p)
}

func (o operation) op(prefix, id, worker string) *pb.RequestOp {
	key := o.form.key(prefix, id, worker)
	switch o.verb {
	case deleteOf:
		return remove(key)
	case getOf:
		return get(key)
	}
	return put(key, o.value)
}

// fits says whether the largest transaction of batches of n placements, each on a
// worker of its own, is within the store's limits.
func fits(templates []template, n int, ops, bytes int) bool {
	for _, t := range templates {
		for _, s := range t.steps {
			var cmps, then, els, size int
			for i := range s.cmps {
				cmps += s.cmps[i].form.times(n)
			}
			for _, op := range s.then {
				then += op.form.times(n)
				size += len(op.value) * n
			}
			for _, op := range s.els {
				els += op.form.times(n)
			}
			if max(cmps, then, els) > ops || size > bytes {
				return false
			}
		}
	}
	return true
}

// times is how often a key of the form stands in a transaction of n placements.
func (f keyForm) times(n int) int {
	if f.scope == ofTxn {
		return 1
	}
	return n
}

// mods of a fleet's ledgers; each belongs to one lane while the floor runs.
type mods []berth.Revision
