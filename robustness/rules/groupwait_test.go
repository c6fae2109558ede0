package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// explained is what is told of a request now, once the same is told of the past.
func (r *rig) explained(d *daemon.Daemon, id berth.RequestID) daemon.Explanation {
	r.t.Helper()
	e, err := d.Explain(r.t.Context(), id)
	r.ok(err)
	then, err := d.ExplainAt(r.t.Context(), id, daemon.Moment{Revision: e.Status.Revision})
	r.ok(err)
	if diff := cmp.Diff(e.Status.GroupWait, then.Status.GroupWait, cmpopts.IgnoreFields(daemon.GroupWait{}, "ExpiresAt")); diff != "" {
		r.t.Errorf("what the group of %s waits for (-now +then):\n%s", id, diff)
	}
	if diff := cmp.Diff(e.Status.ExpiresAt, then.Status.ExpiresAt, cmpopts.EquateApproxTime(time.Second)); diff != "" {
		r.t.Errorf("when %s expires (-now +then):\n%s", id, diff)
	}
	if diff := cmp.Diff(e.Former, then.Former); diff != "" {
		r.t.Errorf("the attempt before of %s (-now +then):\n%s", id, diff)
	}
	return e
}

// A group waits as one: of each member it is told until when its group's backoff is, and whose that is; what of the
// attempt before has not ended; when the group expires; and by whose end the attempt ended.
func TestGroupWait_TellsOfTheOthers(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.takes("a", true)
		r.passes(time.Second)
		g := r.group("g", 3, 3)
		g.Retry = berth.RetryPolicy{MaxAttempts: 5, BackoffMS: 60_000, OnFailure: true}
		g.PendingLimitMS = 50_000
		r.submitGroup(d, g)
		for _, id := range []string{"g.0", "g.1", "g.2"} {
			r.runs("a", id)
		}
		exit := berth.Exit{Kind: berth.ExitExited, Code: 5, At: time.Now().UTC()}
		r.reported("a", "g.1", berth.StateExited, &exit)
		failed := time.Now().UTC()
		r.passes(time.Second)
		if w := r.explained(d, "g.1").Status.GroupWait; w == nil || w.Ending != 2 {
			t.Errorf("while the others stop it waits for %+v", w)
		}
		killed := berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM", At: time.Now().UTC()}
		r.reported("a", "g.0", berth.StateExited, &killed)
		r.reported("a", "g.2", berth.StateExited, &killed)
		r.passes(time.Second)

		want := &daemon.GroupWait{NotBefore: failed.Add(time.Minute), Member: "g.1", ExpiresAt: failed.Add(50 * time.Second)}
		end := &daemon.Former{Worker: "a", Revision: r.mod("states/g.1"), Reason: berth.EndExited, Exit: &exit, At: exit.At}
		roughly := cmpopts.EquateApproxTime(2 * time.Second)
		for _, id := range []berth.RequestID{"g.0", "g.1", "g.2"} {
			e := r.explained(d, id)
			if diff := cmp.Diff(want, e.Status.GroupWait, roughly); diff != "" {
				t.Errorf("what the group of %s waits for (-want +got):\n%s", id, diff)
			}
			if e.Former == nil {
				t.Fatalf("of %s no former attempt is told", id)
			}
			by, its := e.Former.Member, e.Former.MemberEnd
			if id == "g.1" {
				by, its = id, e.Former
			}
			if diff := cmp.Diff(end, its, roughly); by != "g.1" || diff != "" {
				t.Errorf("%s ended with %q (-want +got):\n%s", id, by, diff)
			}
		}
		s, err := d.Group(r.t.Context(), "g")
		r.ok(err)
		if diff := cmp.Diff(want, s.Wait, roughly); diff != "" {
			t.Errorf("what the group waits for (-want +got):\n%s", diff)
		}
		r.passes(49 * time.Second) // it does expire then
		if got := r.groupState(d, "g"); got == string(berth.GroupPending) {
			t.Errorf("it is %s yet", got)
		}
		stop()
	})
}

// The one by whose end too few of a group were left in their places may have ended for good.
func TestGroupWait_MemberEndedForGood(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.takes("a", true)
		r.passes(time.Second)
		g := r.group("g", 3, 2)
		g.Resources.CPUMilli = 400
		g.PendingLimitMS = 600_000
		r.submitGroup(d, g)
		r.runs("a", "g.0")
		r.runs("a", "g.1")
		exit := berth.Exit{Kind: berth.ExitExited, Code: 5, At: time.Now().UTC()}
		r.reported("a", "g.1", berth.StateExited, &exit)
		r.passes(time.Second)
		e := r.explained(d, "g.2")
		if w := e.Status.GroupWait; w == nil || w.Ending != 1 || !w.NotBefore.IsZero() || !w.ExpiresAt.Equal(e.Status.ExpiresAt) {
			t.Errorf("it waits for %+v", w)
		}
		r.reported("a", "g.0", berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM", At: time.Now().UTC()})
		r.passes(time.Second)
		e = r.explained(d, "g.0")
		f := e.Former
		if f == nil || f.Member != "g.1" || f.MemberEnd == nil || f.MemberEnd.Worker != "a" || f.MemberEnd.Exit.Code != 5 {
			t.Errorf("its attempt before ended as %+v", f)
		}
		stop()
	})
}

// TestGroup_PoolWithoutWorkers: what a list says of a group is of now, too, when its pool has lost its last worker.
func TestGroup_PoolWithoutWorkers(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		d, stop := r.daemon()
		defer stop()
		g := r.whole("g", 2)
		r.submitGroup(d, g)
		r.passes(2 * time.Second)
		if !tellsOf(r.state(d, "g.0").Verdict, berth.ReasonCPU) {
			t.Fatalf("it waits for CPU, and is told %+v", r.state(d, "g.0").Verdict)
		}
		kill()
		r.passes(2 * time.Minute)
		if v := r.state(d, "g.0").Verdict; !tellsOf(v, berth.ReasonNoWorker) {
			t.Errorf("its pool has no worker, and it is told %+v", v)
		}
	})
}

// TestGroup_FollowerIsToldOfItsPlace: who follows its group is told of the workers where that is, and that the others are elsewhere,
// whatever these lack.
func TestGroup_FollowerIsToldOfItsPlace(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, w := range []berth.WorkerID{"a1", "a2", "b1"} {
			lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
			r.ok(err)
			reg := r.registration(lease)
			reg.Labels = map[string]string{"rack": string(w[:1])}
			_, err = r.RegisterWorker(r.t.Context(), w, reg)
			r.ok(err)
		}
		d, stop := r.alone()
		defer stop()
		g := r.whole("g", 3)
		g.Group.MinCount, g.Group.Topology = 2, "rack"
		r.submitGroup(d, g)
		r.passes(time.Second)
		r.run(d, "small", sized(300, 0)) // in rack b: that has as little room as none of rack a
		r.passes(time.Second)
		want := []berth.Reason{
			{Code: berth.ReasonCPU, Workers: 2, Want: 1000, Total: 1000, Some: []berth.WorkerID{"a1", "a2"}},
			{Code: berth.ReasonElsewhere, Detail: "rack a", Workers: 1, Some: []berth.WorkerID{"b1"}},
		}
		e, err := d.Explain(r.t.Context(), "g.2")
		r.ok(err)
		if diff := cmp.Diff(want, e.Verdict.Reasons); diff != "" {
			t.Errorf("g.2 is told (-want +got):\n%s", diff)
		}
	})
}
