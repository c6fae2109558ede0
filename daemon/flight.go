package daemon

import (
	"time"

	"github.com/berthd/berth"
)

// flightsMost bounds the transactions that are in flight at once. Two keep both
// sides busy: while the store syncs one, the next is gathered and encoded.
const flightsMost = 3

// flight is a plan that was sent and has no answer yet. What it changes is left
// alone until then: it holds a reservation of the fleet that the view does not show,
// and another transaction on the same ledger could only conflict with it.
type flight struct {
	b      *builder
	sent   time.Time
	again  []berth.Key   // of what it changes, to be looked at when it has its answer
	parked []*submission // for which the fleet chose a worker of this plan: decided anew then

	parkedKeys int // of again, those that are parked
}

// flights are the plans that are in flight, by what they change. No two share a
// ledger or a request.
type flights struct {
	workers  map[berth.WorkerID]*flight
	requests map[berth.RequestID]*flight
	groups   map[berth.GroupID]*flight
	blocks   map[blockRef]*flight
	tenants  map[berth.TenantID]*flight
	keeps    map[berth.PoolID]*flight
	count    int
	parked   int // submissions and requests, of all flights
}

func newFlights() flights {
	return flights{
		workers: make(map[berth.WorkerID]*flight), requests: make(map[berth.RequestID]*flight), groups: make(map[berth.GroupID]*flight),
		blocks: make(map[blockRef]*flight), tenants: make(map[berth.TenantID]*flight), keeps: make(map[berth.PoolID]*flight),
	}
}

// take notes that a plan is sent.
func (fs *flights) take(b *builder, sent time.Time) *flight {
	f := &flight{b: b, sent: sent}
	fs.count++
	eachWorker(b.plan, func(w berth.WorkerID) { fs.workers[w] = f })
	eachRequest(b.plan, func(id berth.RequestID) { fs.requests[id] = f })
	eachGroup(b.plan, func(id berth.GroupID) { fs.groups[id] = f })
	eachBlock(b.plan, func(r blockRef) { fs.blocks[r] = f })
	eachTenant(b.plan, func(t berth.TenantID) { fs.tenants[t] = f })
	eachKeep(b.plan, func(p berth.PoolID) { fs.keeps[p] = f })
	return f
}

// land forgets a plan that has its answer.
func (fs *flights) land(f *flight) {
	fs.count--
	fs.parked -= len(f.parked) + f.parkedKeys
	eachWorker(f.b.plan, func(w berth.WorkerID) { delete(fs.workers, w) })
	eachRequest(f.b.plan, func(id berth.RequestID) { delete(fs.requests, id) })
	eachGroup(f.b.plan, func(id berth.GroupID) { delete(fs.groups, id) })
	eachBlock(f.b.plan, func(r blockRef) { delete(fs.blocks, r) })
	eachTenant(f.b.plan, func(t berth.TenantID) { delete(fs.tenants, t) })
	eachKeep(f.b.plan, func(p berth.PoolID) { delete(fs.keeps, p) })
}

// of is the flight that changes what a key belongs to, or nil: its worker or its
// request.
func (fs *flights) of(k berth.Key) *flight {
	switch k.Kind {
	case berth.KindWorker, berth.KindIntent, berth.KindLedger:
		return fs.workers[berth.WorkerID(k.ID)]
	case berth.KindAllocation:
		if f := fs.workers[berth.WorkerID(k.Owner)]; f != nil {
			return f
		}
		return fs.requests[berth.RequestID(k.ID)]
	case berth.KindRequest:
		return fs.requests[berth.RequestID(k.ID)]
	}
	return nil
}

// defers says whether a key is left alone for now: it is due again when what is in
// flight has its answer.
func (fs *flights) defers(k berth.Key) bool {
	f := fs.of(k)
	if f == nil {
		return false
	}
	f.again = append(f.again, k)
	return true
}

// park puts a submission off until the answer of the plan that has its worker: a
// transaction beside that one could only conflict with it, and another worker would
// be a worse choice. parkKey does so with a request of the queue.
func (fs *flights) park(f *flight, s *submission) {
	f.parked = append(f.parked, s)
	fs.parked++
}

func (fs *flights) parkKey(f *flight, k berth.Key) {
	f.again = append(f.again, k)
	f.parkedKeys++
	fs.parked++
}

// crowded says whether so many wait for what is in flight that more need not be
// asked where they would go: each would be decided again with every answer.
func (fs *flights) crowded() bool { return fs.parked >= fullBatch }

func eachWorker(p *berth.Plan, do func(berth.WorkerID)) {
	for i := range p.Ledgers {
		do(p.Ledgers[i].Worker)
	}
	for i := range p.Intents {
		do(p.Intents[i].Worker)
	}
	for i := range p.Removes {
		do(p.Removes[i].Worker)
	}
}

func eachRequest(p *berth.Plan, do func(berth.RequestID)) {
	for i := range p.Submits {
		do(p.Submits[i].Spec.ID)
		if of := p.Submits[i].Spec.Replaces; of != "" {
			do(of) // its successor is submitted once
		}
	}
	for i := range p.Places {
		do(p.Places[i].Request)
	}
	for i := range p.Ends {
		do(p.Ends[i].Request)
	}
	for i := range p.Stops {
		do(p.Stops[i].Request)
	}
	for i := range p.Cancels {
		do(p.Cancels[i].Request)
	}
	for i := range p.Claims {
		do(p.Claims[i].Request)
	}
}
