package snapshot

import (
	"cmp"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Kinds are those of the records that a snapshot is made of, in the order in which
// they are to be Put: a state before its request.
var Kinds = []berth.Kind{
	berth.KindPool, berth.KindKeep, berth.KindWorker, berth.KindLedger, berth.KindIntent, berth.KindConditions,
	berth.KindState, berth.KindRequest, berth.KindAllocation, berth.KindTenant, berth.KindGroup,
}

// FleetKinds are those of Kinds that a fleet is made of, and RelatedKinds those of one
// that knows where the requests are to which others are related.
var (
	FleetKinds   = Kinds[:6]
	RelatedKinds = Kinds[:8]
)

// Snapshot is a store at one revision.
type Snapshot struct {
	Header
	// Keeps says of a worker whether what is placed there is kept; nil: all is. What
	// waits always is, and what is on a worker that is being emptied.
	Keeps func(berth.WorkerID) bool

	pools    map[berth.PoolID]*berth.Pool
	kept     map[berth.PoolID]*berth.Keep
	workers  map[berth.WorkerID]*scheduler.Records
	states   map[berth.RequestID]*berth.Progress
	requests map[berth.RequestID]*Request
	labels   map[berth.WorkerID][]map[string]string // of what is placed there and has any, kept or not
	shares   *scheduler.Shares                      // of what is placed, kept or not
	quotas   map[account]*berth.Quota               // of tenants, that have limits
	groups   map[berth.GroupID]*group

	allocations map[berth.WorkerID][]*allocated
}

// allocated is an allocation, kept or not.
type allocated struct {
	id     berth.RequestID
	record *berth.Allocation
}

// Header says what a snapshot is of.
type Header struct {
	Revision berth.Revision `json:"revision"`
	TakenAt  time.Time      `json:"taken_at,omitzero"`
	Policy   string         `json:"policy,omitempty"` // scheduler.PolicyVersion of who took it
	Mixes    Mixes          `json:"mixes,omitempty"`
	Served   Served         `json:"served,omitempty"`
}

// Request is one that has not ended.
type Request struct {
	Spec        berth.Request
	SubmittedAt time.Time
	Seq         berth.Revision // of its submission: first come, first placed
	State       *berth.Progress
	Allocation  *berth.Allocation // where it is placed, and the worker's record of it is kept
}

// New is an empty snapshot.
func New(h Header) *Snapshot {
	s := &Snapshot{
		Header: h, pools: make(map[berth.PoolID]*berth.Pool), kept: make(map[berth.PoolID]*berth.Keep), workers: make(map[berth.WorkerID]*scheduler.Records),
		states: make(map[berth.RequestID]*berth.Progress), requests: make(map[berth.RequestID]*Request),
		labels: make(map[berth.WorkerID][]map[string]string), shares: scheduler.NewShares(),
		quotas: make(map[account]*berth.Quota), groups: make(map[berth.GroupID]*group), allocations: make(map[berth.WorkerID][]*allocated),
	}
	h.Served.tell(s.shares)
	return s
}

// Put adds what one key held. Facts of other kinds, and those without a record that
// can be read, are left out, as a daemon leaves them alone.
func (s *Snapshot) Put(f berth.Fact) {
	id := berth.RequestID(f.Key.ID)
	switch r := f.Record.(type) {
	case *berth.Pool:
		s.pools[berth.PoolID(f.Key.ID)] = r
	case *berth.Keep:
		s.kept[berth.PoolID(f.Key.ID)] = r
	case *berth.Worker:
		w := s.of(f.Key.ID)
		w.Worker, w.Epoch = r, berth.Epoch(f.Create)
	case *berth.Ledger:
		s.of(f.Key.ID).Ledger = r
	case *berth.Intent:
		s.of(f.Key.ID).Intent = *r
	case *berth.Conditions:
		s.of(f.Key.ID).Conditions = r
	case *berth.Progress:
		s.states[id] = r
	case *berth.Submission:
		if p := s.states[id]; p != nil && p.State != berth.StatePending && len(r.Spec.Labels) > 0 {
			s.labels[p.Worker] = append(s.labels[p.Worker], r.Spec.Labels)
		}
		if p := s.states[id]; p == nil || p.State == berth.StatePending || s.keeps(p.Worker) {
			s.requests[id] = &Request{Spec: r.Spec, SubmittedAt: r.SubmittedAt, Seq: f.Create, State: p}
		}
	case *berth.Tenant:
		s.shares.SetWeight(berth.TenantID(f.Key.ID), r.Weight)
		for p, q := range r.Pools {
			if len(q.Limits) > 0 {
				s.quotas[account{berth.TenantID(f.Key.ID), p}] = &q
			}
		}
	case *berth.Group:
		s.groups[berth.GroupID(f.Key.ID)] = &group{r, f.Create}
	case *berth.Allocation:
		on := berth.WorkerID(f.Key.Owner)
		s.allocations[on] = append(s.allocations[on], &allocated{id, r})
		if w := s.workers[berth.WorkerID(f.Key.Owner)]; w != nil && w.Worker != nil {
			s.shares.Hold(r.Tenant, w.Worker.Pool, scheduler.BulkOf(&r.Share), 1)
			s.notePlaced(r, w.Worker.Pool)
		}
		if q := s.requests[id]; q != nil && q.Worker() == berth.WorkerID(f.Key.Owner) {
			q.Allocation = r
		}
	}
}

func (s *Snapshot) keeps(id berth.WorkerID) bool {
	if s.Keeps == nil || s.Keeps(id) {
		return true
	}
	w := s.workers[id]
	return w != nil && w.Intent.Empties()
}

func (s *Snapshot) of(id string) *scheduler.Records {
	w := s.workers[berth.WorkerID(id)]
	if w == nil {
		w = &scheduler.Records{}
		s.workers[berth.WorkerID(id)] = w
	}
	return w
}

// Worker is where the request is placed, or "".
func (q *Request) Worker() berth.WorkerID {
	if q.State == nil || q.State.State == berth.StatePending {
		return ""
	}
	return q.State.Worker
}

// Candidate is the request as the scheduler is asked for it.
func (q *Request) Candidate() scheduler.Candidate {
	c := scheduler.Candidate{Request: &q.Spec, Priority: q.Spec.Priority}
	if q.State != nil {
		c.Avoid = q.State.Avoid
		if q.State.Priority != nil {
			c.Priority = *q.State.Priority
		}
	}
	return c
}

// before is the order in which requests of one tenant are placed: priority, age, id.
func (q *Request) before(o *Request) int {
	return cmp.Or(cmp.Compare(o.Candidate().Priority, q.Candidate().Priority), cmp.Compare(q.Seq, o.Seq), cmp.Compare(q.Spec.ID, o.Spec.ID))
}

// Requests are those that are kept, by priority, age and id: those of one tenant in the
// order in which they would be placed.
func (s *Snapshot) Requests() []*Request {
	out := make([]*Request, 0, len(s.requests))
	for _, q := range s.requests {
		out = append(out, q)
	}
	slices.SortFunc(out, (*Request).before)
	return out
}

// Request is one of them, or nil.
func (s *Snapshot) Request(id berth.RequestID) *Request { return s.requests[id] }

// Weight is a tenant's.
func (s *Snapshot) Weight(id berth.TenantID) int64 { return s.shares.Weight(id) }

// Group is the record of one, or nil.
func (s *Snapshot) Group(id berth.GroupID) *berth.Group {
	if g := s.groups[id]; g != nil {
		return g.record
	}
	return nil
}

// Keep is what is kept in a pool for a group, or nil.
func (s *Snapshot) Keep(p berth.PoolID) *berth.Keep { return s.kept[p] }

// Records are what is known of a worker, or nil.
func (s *Snapshot) Records(id berth.WorkerID) *scheduler.Records { return s.workers[id] }

// Workers are the live workers as the scheduler sees them, by id.
func (s *Snapshot) Workers() []scheduler.Worker {
	var out []scheduler.Worker
	for id, r := range s.workers {
		if r.Worker != nil {
			out = append(out, scheduler.Seat(id, r))
		}
	}
	slices.SortFunc(out, func(a, b scheduler.Worker) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Fleet is a new fleet of all live workers, as their pools are set, and with what is kept for
// groups.
func (s *Snapshot) Fleet() *scheduler.Fleet { return s.fleet(s.Workers()) }

// fleet is a new one of these workers, with what is placed on them by labels.
func (s *Snapshot) fleet(workers []scheduler.Worker) *scheduler.Fleet {
	f := scheduler.NewFleet()
	for id, p := range s.pools {
		f.Set(id, p)
	}
	for id, k := range s.kept {
		f.Keep(id, k)
	}
	if !s.TakenAt.IsZero() {
		f.SetClock(s.TakenAt.UnixMilli())
	}
	for _, w := range workers {
		f.Put(w)
	}
	for w, all := range s.labels {
		for _, labels := range all {
			f.Count(w, labels, 1)
		}
	}
	for id, mix := range s.Mixes {
		f.SetMix(id, mix)
	}
	return f
}
