package rules

import (
	"errors"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// An agent whose key is another's, though its own lease lives, finds it within a TTL,
// and ends what it runs: it would else run under the other's name for ever.
func TestWorker_KeyOfAnother(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", nil)
		wait(r, 1)
		r.remove("workers/w") // by hand; then another agent takes the name
		r.register("w")
		wait(r, 12)
		if m.noted("stop r/1") < 0 {
			r.t.Errorf("it runs on under the name of another: %q", m.log)
		}
		r.remove("workers/w")
		m.container("r/1").end(143)
		stop()
	})
}

// A container whose allocation was taken away while its agent's watch had a gap is ended.
func TestWorker_AllocationGoneInTheGap(t *testing.T) {
	bubble(t, func(r *rig) {
		m := r.machine("w")
		stop := m.agent(10 * time.Second)
		r.placed("w", "r", nil)
		wait(r, 1)
		r.wantState("w", "r", berth.StateRunning)
		r.conn.hear(func(w *pb.WatchResponse) { // the gap: these events are gone
			if len(w.Events) > 0 {
				w.Events, w.Canceled, w.CompactRevision = nil, true, r.newest()
			}
		})
		r.remove("allocations/w/r")
		wait(r, 1)
		r.conn.hear(nil)
		wait(r, 5)
		if m.noted("kill r/1") < 0 {
			r.t.Errorf("it runs without its allocation: %q", m.log)
		}
		m.container("r/1").end(137)
		stop()
	})
}

// A start of an epoch that is over does not take a report along that shares its
// transaction: what has ended has ended so.
func TestChange_ReportOfAnEpochThatIsOver(t *testing.T) {
	bubble(t, func(r *rig) {
		epoch, _ := r.worker("w")
		for _, id := range []string{"starts", "ended"} {
			r.submit(id)
			r.commit(r.placement("w", id))
		}
		start, startMod := r.allocation("w", "starts")
		start.State = berth.StateStarting
		end, endMod := r.allocation("w", "ended")
		end.State, end.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()}
		r.again("workers/w")
		started, reported, err := r.ChangeAllocations(r.t.Context(), "w", epoch,
			[]etcdstore.StartItem{{Request: "starts", AllocationWas: startMod, Allocation: *start}},
			[]etcdstore.ReportItem{{Request: "ended", AllocationWas: endMod, Allocation: *end}})
		if !errors.Is(err, etcdstore.ErrEpochGone) || started[0].Fenced {
			r.t.Errorf("start: %+v, %v, want the epoch to be over", started[0], err)
		}
		if !reported[0].Done {
			r.t.Errorf("report: %+v, want it done", reported[0])
		}
		r.wantState("w", "ended", berth.StateExited)
		r.wantState("w", "starts", berth.StatePlaced)
	})
}
