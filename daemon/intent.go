package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/berthd/berth"
)

// Wish is what an operator asks of a worker; the zero Wish frees it. Drain cordons
// too, and Remove drains.
type Wish struct {
	Cordon, Drain, Remove bool
	Dead                  bool // with Remove: what may run there is moved at once
	Message               string
	Parallel, PerMinute   int64         // of a drain; 0: unbounded
	Deadline              time.Duration // from now; 0: none
}

func (w Wish) intent(now time.Time) (*berth.Intent, error) {
	in := &berth.Intent{
		Cordon: true, Drain: w.Drain || w.Remove, Remove: w.Remove, Dead: w.Dead, Message: w.Message, At: now.UTC(),
		Parallel: w.Parallel, PerMinute: w.PerMinute,
	}
	if err := in.Validate(w.Deadline); err != nil {
		return nil, err
	}
	if w.Deadline > 0 {
		in.Deadline = in.At.Add(w.Deadline)
	}
	if !w.Cordon && !in.Drain {
		return nil, nil
	}
	return in, nil
}

// SetIntent cordons, drains, removes or frees a worker. It returns when the wish
// is in the store: every plan made before it conflicts.
func (d *Daemon) SetIntent(ctx context.Context, id berth.WorkerID, wish Wish) (WorkerStatus, error) {
	if err := berth.CheckID("worker", string(id)); err != nil {
		return WorkerStatus{}, err
	}
	next, err := wish.intent(d.opts.Now())
	if err != nil {
		return WorkerStatus{}, err
	}
	known := false
	if err := d.call(ctx, func(l *loop) { known = l.knowsWorker(id) }); err != nil {
		return WorkerStatus{}, err
	}
	if !known {
		return WorkerStatus{}, fmt.Errorf("worker %s: %w", id, ErrNotFound)
	}
	fact, err := d.store.SetIntent(ctx, id, func(*berth.Intent) *berth.Intent { return next })
	if err != nil {
		return WorkerStatus{}, fmt.Errorf("set intent of worker %s: %w", id, err)
	}
	var s WorkerStatus
	err = d.call(ctx, func(l *loop) { l.takeFact(fact); s, _ = l.workerStatus(id) })
	return s, err
}

// knowsWorker says whether anything is known of a worker: one that is long gone,
// and holds nothing, may still be removed.
func (l *loop) knowsWorker(id berth.WorkerID) bool {
	for _, k := range []berth.Key{workerKey(id), ledgerKey(id), intentKey(id)} {
		if l.view.has(k) {
			return true
		}
	}
	return false
}
