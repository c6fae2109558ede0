package rules

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// change is what a worker has to say at once: it starts "starts", and "runs" runs.
func (r *rig) change(epoch berth.Epoch) (etcdstore.StartResult, etcdstore.ReportResult, error) {
	r.t.Helper()
	begins, startMod := r.allocation("w", "starts")
	begins.State = berth.StateStarting
	runs, runMod := r.allocation("w", "runs")
	runs.State = berth.StateRunning
	started, reported, err := r.ChangeAllocations(r.t.Context(), "w", epoch,
		[]etcdstore.StartItem{{Request: "starts", AllocationWas: startMod, Allocation: *begins}},
		[]etcdstore.ReportItem{{Request: "runs", AllocationWas: runMod, Allocation: *runs}})
	return started[0], reported[0], err
}

// Fences and reports of a worker are one transaction.
func TestChange_OneTransaction(t *testing.T) {
	bubble(t, func(r *rig) {
		epoch, _ := r.worker("w")
		r.reserved("w", "starts")
		r.reserved("w", "runs")
		sent := 0
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if writes(req) {
				sent++
			}
			return apply()
		})
		started, reported, err := r.change(epoch)
		r.ok(err)
		if !started.Fenced || started.Submission == nil || !reported.Done || started.Mod != reported.Mod || sent != 1 {
			r.t.Errorf("started %+v, reported %+v, by %d transactions", started, reported, sent)
		}
	})
}

// What a worker reports is true though its epoch is over, and what it wants to start
// is not handed out: one does not hinder the other.
func TestChange_EpochGone(t *testing.T) {
	bubble(t, func(r *rig) {
		epoch, _ := r.worker("w")
		r.reserved("w", "starts")
		r.reserved("w", "runs")
		r.again("workers/w")
		started, reported, err := r.change(epoch)
		if !errors.Is(err, etcdstore.ErrEpochGone) || started.Fenced || started.Submission != nil || !reported.Done {
			r.t.Errorf("%v: started %+v, reported %+v", err, started, reported)
		}
		if a, _ := r.allocation("w", "starts"); a.State != berth.StatePlaced {
			r.t.Errorf("an epoch that is over has fenced: %s", a.State)
		}
		if a, _ := r.allocation("w", "runs"); a.State != berth.StateRunning {
			r.t.Errorf("not reported: %s", a.State)
		}
	})
}
