package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Of a request that waits for its next attempt the store's history tells how the last one ended:
// where, when and by what, now and of the past.
func TestFormer_TellsTheEnd(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.takes("a", true)
		r.passes(time.Second)
		r.run(d, "r", func(s *berth.Request) {
			s.Retry = berth.RetryPolicy{MaxAttempts: 3, BackoffMS: 60_000, OnFailure: true}
		})
		r.runs("a", "r")
		exit := berth.Exit{Kind: berth.ExitExited, Code: 3, Message: "so it said", At: time.Now().UTC()}
		r.reported("a", "r", berth.StateExited, &exit)
		r.passes(10 * time.Second)
		e, err := d.Explain(r.t.Context(), "r")
		r.ok(err)
		want := &daemon.Former{Worker: "a", Revision: r.mod("states/r"), Reason: berth.EndExited, Exit: &exit, At: exit.At}
		if diff := cmp.Diff(want, e.Former, cmpopts.EquateApproxTime(2*time.Second)); diff != "" || e.Status.State != berth.StatePending {
			r.t.Errorf("it is %s, and its former attempt (-want +got):\n%s", e.Status.State, diff)
		}
		then, err := d.ExplainAt(r.t.Context(), "r", daemon.Moment{Revision: e.Status.Revision})
		r.ok(err)
		if diff := cmp.Diff(e.Former, then.Former); diff != "" {
			r.t.Errorf("of the past (-now +then):\n%s", diff)
		}
		r.passes(time.Minute)
		r.takes("b", true) // and once it is placed again
		r.passes(time.Second)
		e, err = d.Explain(r.t.Context(), "r")
		r.ok(err)
		if want.Revision = then.Former.Revision; e.Status.State != berth.StatePlaced || e.Status.Attempt != 2 || !cmp.Equal(e.Former, want, cmpopts.EquateApproxTime(2*time.Second)) {
			r.t.Errorf("it is %s in attempt %d, and its former one %+v", e.Status.State, e.Status.Attempt, e.Former)
		}
		then, err = d.ExplainAt(r.t.Context(), "r", daemon.Moment{Revision: e.Status.Revision})
		r.ok(err)
		if diff := cmp.Diff(e.Former, then.Former); diff != "" {
			r.t.Errorf("of the past, placed again (-now +then):\n%s", diff)
		}
		stop()
	})
}
