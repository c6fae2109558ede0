package snapshot

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Of an Outcome: what the request is.
const (
	KindWaiting = "waiting" // it has no worker now
	KindMoved   = "moved"   // its worker would be drained or removed, or that of another of its group
	KindNew     = "new"
	KindStopped = "stopped" // it would make room for another, and wait again
)

// Outcome is where a request would go, or why it would go nowhere.
type Outcome struct {
	Request berth.RequestID   `json:"request"`
	Group   berth.GroupID     `json:"group,omitempty"`
	Tenant  berth.TenantID    `json:"tenant"`
	Pool    berth.PoolID      `json:"pool"`
	Kind    string            `json:"kind"`
	From    berth.WorkerID    `json:"from,omitempty"`           // of what would move, or be stopped
	For     berth.RequestID   `json:"makes_room_for,omitempty"` // of what would be stopped; a group by its id
	Worker  berth.WorkerID    `json:"worker,omitempty"`
	Share   *berth.Share      `json:"share,omitempty"`
	Victims []berth.RequestID `json:"victims,omitempty"` // that would end first: on the worker, and groups of such whole; for a group, wherever they are, with its first member
	Verdict *berth.Verdict    `json:"verdict,omitempty"` // it would wait
	Nearest *berth.Miss       `json:"nearest,omitempty"`
}

// Forecast is what would happen with a change: to all that waits, to what would have
// to move, to new requests, and to those that would have to make room, in the order in
// which that is decided. The snapshot stays as it is. What else happens meanwhile, no
// forecast knows; nor whether a start fails, or a worker is suspended for such.
//
// It is the course that a daemon's plans take when nothing else happens: whose turn it is
// (course.pass), quotas, groups whole, and room made for what says so. Who has to make
// room is taken to end, and waits again, until nothing changes any more.
func (s *Snapshot) Forecast(change *Change) ([]Outcome, error) {
	workers, emptied, err := s.changed(change)
	if err != nil {
		return nil, err
	}
	c := s.course(slices.SortedFunc(maps.Values(workers), func(a, b scheduler.Worker) int { return cmp.Compare(a.ID, b.ID) }))
	c.out = change.takesAway()
	c.askWaiting()
	c.askMoved(emptied)
	if err := c.askNew(change.Requests); err != nil {
		return nil, err
	}
	c.run()
	return c.outcomes, nil
}
