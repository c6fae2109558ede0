package snapshot

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Bounds of what may be asked.
const (
	MaxChanges = 10_000  // workers named, and workers added
	MaxAsked   = 100_000 // requests that are not there yet
)

// Change is what would be different.
type Change struct {
	Cordon   []berth.WorkerID
	Uncordon []berth.WorkerID // takes back a drain and a removal, too
	Drain    []berth.WorkerID
	Remove   []berth.WorkerID
	Add      []Addition
	Requests []berth.Request // submitted now, in their order
}

// Addition is workers of one shape that would come, empty.
type Addition struct {
	Count    int
	Like     berth.WorkerID // a worker of the snapshot; or, where that is "":
	Pool     berth.PoolID
	Labels   map[string]string
	Capacity berth.Capacity
}

// Of an Outcome: what the request is.
const (
	KindWaiting = "waiting" // it has no worker now
	KindMoved   = "moved"   // its worker would be drained or removed
	KindNew     = "new"
)

// Outcome is where a request would go, or why it would go nowhere.
type Outcome struct {
	Request berth.RequestID `json:"request"`
	Kind    string          `json:"kind"`
	From    berth.WorkerID  `json:"from,omitempty"` // of what would move
	Worker  berth.WorkerID  `json:"worker,omitempty"`
	Share   *berth.Share    `json:"share,omitempty"`
	Verdict *berth.Verdict  `json:"verdict,omitempty"` // it would wait
	Nearest *berth.Miss     `json:"nearest,omitempty"`
}

// Forecast is what would happen with a change: to all that waits, to what would have
// to move, and to new requests, in the order in which they are placed. The snapshot
// stays as it is. What else happens meanwhile, no forecast knows; nor whether a start
// fails, or a worker is suspended for such.
func (s *Snapshot) Forecast(c *Change) ([]Outcome, error) {
	workers, emptied, err := s.changed(c)
	if err != nil {
		return nil, err
	}
	f := s.fleet(slices.SortedFunc(maps.Values(workers), func(a, b scheduler.Worker) int { return cmp.Compare(a.ID, b.ID) }))
	asked, err := s.asked(c, emptied)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, 0, len(asked))
	full := make(map[string]Outcome) // of equal requests, none fits where one did not: room only shrinks
	shares := s.sharesOf(workers, asked)
	turns := turnsOf(shares, asked)
	for a, ok := turns.Next(); ok; a, ok = turns.Next() {
		shape := scheduler.Shape(&a.Spec)
		o, known := full[shape]
		if !known {
			o = a.place(f)
		}
		if o.Verdict != nil && !a.Spec.Related() { // where others are may help what waits for them
			full[shape] = o
		}
		if o.Verdict == nil {
			shares.Hold(a.Spec.Tenant, a.Spec.Pool, scheduler.BulkOf(o.Share), 1)
			shares.Serve(a.Spec.Tenant, a.Spec.Pool)
		}
		o.Request, o.Kind, o.From = a.Spec.ID, a.kind, a.from
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// sharesOf is what tenants would hold: not what would have to move.
func (s *Snapshot) sharesOf(workers map[berth.WorkerID]scheduler.Worker, asked []*asked) *scheduler.Shares {
	shares := s.shares.Clone()
	for _, w := range workers {
		shares.Resize(w.Pool, scheduler.BulkOfCapacity(&w.Ledger.Capacity), 1)
	}
	for _, a := range asked {
		if a.from != "" && a.Allocation != nil {
			shares.Hold(a.Spec.Tenant, a.Spec.Pool, scheduler.BulkOf(&a.Allocation.Share), -1)
		}
	}
	return shares
}

// turnsOf hands out what is asked in the order in which it would be placed.
func turnsOf(shares *scheduler.Shares, all []*asked) *scheduler.Turns[*asked] {
	type account struct {
		tenant berth.TenantID
		pool   berth.PoolID
	}
	lines, oldest := make(map[account][]*asked), make(map[account]berth.Revision)
	for _, a := range all {
		of := account{a.Spec.Tenant, a.Spec.Pool}
		if first, known := oldest[of]; !known || a.Seq < first {
			oldest[of] = a.Seq
		}
		lines[of] = append(lines[of], a)
	}
	turns := scheduler.NewTurns[*asked](shares)
	for _, of := range slices.SortedFunc(maps.Keys(lines), func(a, b account) int {
		return cmp.Or(cmp.Compare(oldest[a], oldest[b]), cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.pool, b.pool))
	}) {
		turns.Add(of.tenant, of.pool, lines[of])
	}
	return turns
}

// asked are the requests that would be placed, in their order beside those of the same tenant.
func (s *Snapshot) asked(c *Change, emptied map[berth.WorkerID]bool) ([]*asked, error) {
	if len(c.Requests) > MaxAsked {
		return nil, outOf("requests", len(c.Requests), MaxAsked)
	}
	var out []*asked
	for _, q := range s.requests {
		switch w := q.Worker(); {
		case w == "":
			out = append(out, &asked{Request: q, kind: KindWaiting})
		case emptied[w]:
			out = append(out, &asked{Request: q, kind: KindMoved, from: w})
		}
	}
	for i := range c.Requests {
		r := c.Requests[i].Normalize()
		if err := r.Validate(); err != nil {
			return nil, err
		}
		if s.requests[r.ID] != nil || s.states[r.ID] != nil {
			return nil, &berth.FieldError{Field: "id", Value: string(r.ID), Problem: "is a request's that is there", Bound: "an id that is new"}
		}
		out = append(out, &asked{Request: &Request{Spec: r, Seq: s.Revision + 1 + berth.Revision(i)}, kind: KindNew})
	}
	slices.SortFunc(out, func(a, b *asked) int { return a.before(b.Request) })
	return out, nil
}

type asked struct {
	*Request
	kind string
	from berth.WorkerID
}

func (a *asked) place(f *scheduler.Fleet) Outcome {
	if a.from != "" {
		f.Count(a.from, a.Spec.Labels, -1)
	}
	d := f.Place(a.Candidate())
	if d.Verdict == nil {
		f.Count(d.Worker, a.Spec.Labels, 1)
		return Outcome{Worker: d.Worker, Share: &d.Share}
	}
	return Outcome{Verdict: d.Verdict, Nearest: f.Diagnose(a.Candidate()).Nearest}
}

// changed are the workers there would be, and those whose requests would move.
func (s *Snapshot) changed(c *Change) (workers map[berth.WorkerID]scheduler.Worker, emptied map[berth.WorkerID]bool, err error) {
	if n := len(c.Cordon) + len(c.Uncordon) + len(c.Drain) + len(c.Remove); n > MaxChanges {
		return nil, nil, outOf("workers", n, MaxChanges)
	}
	workers, emptied = make(map[berth.WorkerID]scheduler.Worker), make(map[berth.WorkerID]bool)
	for _, w := range s.Workers() {
		workers[w.ID] = w
		if w.Draining || w.Removing {
			emptied[w.ID] = true
		}
	}
	for _, order := range []struct {
		field string
		ids   []berth.WorkerID
		do    func(*scheduler.Worker)
	}{
		{"cordon", c.Cordon, func(w *scheduler.Worker) { w.Cordoned = true }},
		{"uncordon", c.Uncordon, func(w *scheduler.Worker) { w.Cordoned, w.Draining, w.Removing = false, false, false }},
		{"drain", c.Drain, func(w *scheduler.Worker) { w.Draining = true }},
		{"remove", c.Remove, func(w *scheduler.Worker) { w.Removing = true }},
	} {
		for _, id := range order.ids {
			w, there := workers[id]
			if !there {
				return nil, nil, &berth.FieldError{Field: order.field, Value: string(id), Problem: "is no worker that lives", Bound: "one of berth workers"}
			}
			order.do(&w)
			workers[id], emptied[id] = w, w.Draining || w.Removing
		}
	}
	return workers, emptied, s.add(c.Add, workers)
}

func (s *Snapshot) add(additions []Addition, to map[berth.WorkerID]scheduler.Worker) error {
	n := 0
	for i := range additions {
		a := &additions[i]
		if n += a.Count; a.Count < 1 || n > MaxChanges {
			return outOf("add", n, MaxChanges)
		}
		w, err := s.shapeOf(a)
		if err != nil {
			return err
		}
		for j, k := 0, 1; j < a.Count; k++ {
			w.ID = berth.WorkerID("new-" + strconv.Itoa(k))
			if _, taken := to[w.ID]; !taken {
				to[w.ID] = w
				j++
			}
		}
	}
	return nil
}

// shapeOf is an empty worker of a shape.
func (s *Snapshot) shapeOf(a *Addition) (scheduler.Worker, error) {
	w := scheduler.Worker{Epoch: 1, Pool: a.Pool, Labels: a.Labels, Ready: true, Ledger: berth.Ledger{Epoch: 1, Capacity: a.Capacity}}
	if a.Like == "" {
		if err := berth.CheckID("add.pool", string(a.Pool)); err != nil {
			return w, err
		}
		return w, a.Capacity.Validate()
	}
	r := s.workers[a.Like]
	if r == nil || r.Worker == nil {
		return w, &berth.FieldError{Field: "add", Value: string(a.Like), Problem: "is no worker that lives", Bound: "one of berth workers, or amounts: cpu=8,memory=32GiB"}
	}
	w.Pool, w.Labels, w.Taints, w.Ledger.Capacity = r.Worker.Pool, r.Worker.Labels, r.Worker.Taints, r.Worker.Capacity
	return w, nil
}

func outOf(field string, n, most int) error {
	return &berth.FieldError{Field: field, Value: strconv.Itoa(n), Problem: "is out of range", Bound: fmt.Sprintf("1 to %d", most)}
}
