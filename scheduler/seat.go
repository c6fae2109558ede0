package scheduler

import "github.com/berthd/berth"

// Records are what the store holds of one worker that lives. Those it lacks are nil.
type Records struct {
	Worker     *berth.Worker
	Epoch      berth.Epoch
	Ledger     *berth.Ledger
	Intent     berth.Intent
	Conditions *berth.Conditions
}

// Seat is a worker as its records tell of it. What only a daemon knows is left as it
// is in an empty Worker: whose share it is of, and how its last starts went.
func Seat(id berth.WorkerID, r *Records) Worker {
	w := Worker{
		ID: id, Epoch: r.Epoch, Pool: r.Worker.Pool, Labels: r.Worker.AllLabels(), Taints: r.Worker.Taints, Ordered: r.Intent.Taints,
		Ready:    r.Ledger != nil && r.Ledger.Epoch == r.Epoch,
		Cordoned: r.Intent.Cordon, Draining: r.Intent.Drain, Removing: r.Intent.Remove, Why: r.Intent.Message,
	}
	w.Images = r.Worker.Images
	if w.Ready {
		w.Ledger = *r.Ledger
	} else {
		w.Ledger = berth.Ledger{Capacity: r.Worker.Capacity}
	}
	if r.Conditions != nil {
		w.Unhealthy, w.Warm, w.Holds = r.Conditions.Devices, r.Conditions.WarmKeys, r.Conditions.WarmImages
	}
	return w
}
