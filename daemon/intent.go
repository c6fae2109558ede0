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
	return d.editIntent(ctx, id, func(old *berth.Intent) *berth.Intent {
		if next == nil {
			return old.Standing()
		}
		in := *next
		if old != nil {
			in.Taints = old.Taints
		}
		return &in
	})
}

// SetTaints lays an operator's taints over those of a worker, or takes some back.
// It returns as SetIntent does.
func (d *Daemon) SetTaints(ctx context.Context, id berth.WorkerID, edit func([]berth.Taint) []berth.Taint) (WorkerStatus, error) {
	if err := berth.CheckID("worker", string(id)); err != nil {
		return WorkerStatus{}, err
	}
	var invalid error
	s, err := d.editIntent(ctx, id, func(old *berth.Intent) *berth.Intent {
		in := berth.Intent{}
		if old != nil {
			in = *old
		}
		taints := edit(in.Taints)
		if invalid = berth.ValidateTaints("taints", taints); invalid != nil {
			return old
		}
		if in.Taints = taints; !in.Cordon && len(taints) == 0 {
			return nil
		}
		if !in.Cordon {
			in.At = d.opts.Now().UTC()
		}
		return &in
	})
	if invalid != nil {
		return WorkerStatus{}, invalid
	}
	return s, err
}

// editIntent changes the intent with a worker that is known.
func (d *Daemon) editIntent(ctx context.Context, id berth.WorkerID, edit func(*berth.Intent) *berth.Intent) (WorkerStatus, error) {
	known := false
	if err := d.call(ctx, func(l *loop) { known = l.knowsWorker(id) }); err != nil {
		return WorkerStatus{}, err
	}
	if !known {
		return WorkerStatus{}, fmt.Errorf("worker %s: %w", id, ErrNotFound)
	}
	fact, err := d.store.SetIntent(ctx, id, edit)
	if err != nil {
		return WorkerStatus{}, fmt.Errorf("set intent of worker %s: %w", id, err)
	}
	var s WorkerStatus
	err = d.call(ctx, func(l *loop) { l.takeFact(fact); s, _ = l.workerStatus(id) })
	return s, err
}

// evicted is the taint, in words, that stops a running request on its worker.
func evicted(rec *berth.Worker, in *berth.Intent, sub *berth.Submission) string {
	if len(in.Taints) == 0 && (rec == nil || len(rec.Taints) == 0) {
		return ""
	}
	t, ok := berth.Evicts(in.Taints, sub.Spec.Tolerations)
	if !ok && rec != nil {
		t, ok = berth.Evicts(rec.Taints, sub.Spec.Tolerations)
	}
	if !ok {
		return ""
	}
	return t.String()
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
