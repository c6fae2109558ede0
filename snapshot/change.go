package snapshot

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Bounds of what may be asked.
const (
	MaxChanges = 10_000  // workers named, and workers added
	MaxAsked   = 100_000 // requests that are not there yet, members of groups among them
)

// Change is what would be different.
type Change struct {
	Cordon   []berth.WorkerID
	Uncordon []berth.WorkerID // takes back a drain and a removal, too
	Drain    []berth.WorkerID
	Remove   []berth.WorkerID
	Add      []Addition
	Requests []berth.Request // submitted now, in their order; a group is one of them
}

// Addition is workers of one shape that would come, empty.
type Addition struct {
	Count    int
	Like     berth.WorkerID // a worker of the snapshot; or, where that is "":
	Pool     berth.PoolID
	Labels   map[string]string
	Spot     bool
	Images   bool // their runtimes take images
	Capacity berth.Capacity
}

// takesAway are the workers that a change takes away, for good or to take nothing new.
func (c *Change) takesAway() scheduler.LeftOut {
	out := scheduler.LeftOut{Gone: make(map[berth.WorkerID]bool), Closed: make(map[berth.WorkerID]bool)}
	for _, id := range c.Remove {
		out.Gone[id] = true
	}
	for _, id := range slices.Concat(c.Drain, c.Cordon) {
		out.Closed[id] = true
	}
	return out
}

// contradicts refuses a worker of which two things are said that cannot both be.
func (c *Change) contradicts() error {
	for _, id := range c.Uncordon {
		for field, ids := range map[string][]berth.WorkerID{"cordon": c.Cordon, "drain": c.Drain, "remove": c.Remove} {
			if slices.Contains(ids, id) {
				return &berth.FieldError{Field: "uncordon", Value: berth.Clip(string(id), 64), Problem: "stands beside " + field, Bound: "one of the two for a worker"}
			}
		}
	}
	for _, id := range c.Drain {
		if slices.Contains(c.Remove, id) {
			return &berth.FieldError{Field: "drain", Value: berth.Clip(string(id), 64), Problem: "stands beside remove", Bound: "one of the two for a worker"}
		}
	}
	return nil
}

// changed are the workers there would be, and those whose requests would move.
func (s *Snapshot) changed(c *Change) (workers map[berth.WorkerID]scheduler.Worker, emptied map[berth.WorkerID]bool, err error) {
	if n := len(c.Cordon) + len(c.Uncordon) + len(c.Drain) + len(c.Remove); n > MaxChanges {
		return nil, nil, outOf("workers", n, MaxChanges)
	}
	if err := c.contradicts(); err != nil {
		return nil, nil, err
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
		a, name := &additions[i], "new-"
		if len(additions) > 1 {
			name = fmt.Sprintf("new-%d-", i+1)
		}
		if n += a.Count; a.Count < 1 || n > MaxChanges {
			return outOf("add", n, MaxChanges)
		}
		w, err := s.shapeOf(a)
		if err != nil {
			return err
		}
		for j, k := 0, 1; j < a.Count; k++ {
			w.ID = berth.WorkerID(name + strconv.Itoa(k))
			if _, taken := to[w.ID]; !taken {
				one := w
				one.Ledger.Capacity = one.Ledger.Capacity.LikeOf(a.Like, w.ID)
				to[w.ID] = one
				j++
			}
		}
	}
	return nil
}

// shapeOf is an empty worker of a shape.
func (s *Snapshot) shapeOf(a *Addition) (scheduler.Worker, error) {
	w := scheduler.Worker{Epoch: 1, Pool: a.Pool, Labels: (&berth.Worker{Labels: a.Labels, Spot: a.Spot}).AllLabels(), Images: a.Images, Ready: true, Ledger: berth.Ledger{Epoch: 1, Capacity: a.Capacity}}
	if a.Like == "" {
		if err := berth.CheckID("add.pool", string(a.Pool)); err != nil {
			return w, err
		}
		if err := berth.ValidateWorkerLabels("add.label", a.Labels); err != nil {
			return w, err
		}
		return w, a.Capacity.Validate()
	}
	r := s.workers[a.Like]
	if r == nil || r.Worker == nil {
		return w, &berth.FieldError{Field: "add", Value: string(a.Like), Problem: "is no worker that lives", Bound: "one of berth workers, or amounts: cpu=8,memory=32GiB"}
	}
	w.Pool, w.Labels, w.Taints, w.Images, w.Ledger.Capacity = r.Worker.Pool, r.Worker.AllLabels(), r.Worker.Taints, r.Worker.Images, r.Worker.Capacity
	return w, nil
}

func outOf(field string, n, most int) error {
	return &berth.FieldError{Field: field, Value: strconv.Itoa(n), Problem: "is out of range", Bound: fmt.Sprintf("1 to %d", most)}
}
