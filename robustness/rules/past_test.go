package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A revision's time is when this daemon saw it, though nothing was placed since long before.
func TestExplainAt_TimeOfARevision(t *testing.T) {
	bubble(t, func(r *rig) {
		r.joins("w")
		d, stop := r.daemon()
		r.run(d, "first", sized(800, 0))
		r.passes(time.Minute)
		began := time.Now()
		r.run(d, "waits", sized(800, 0))
		at := berth.Revision(r.revision())
		r.passes(time.Minute)
		r.run(d, "later", sized(800, 0))
		e, err := d.ExplainAt(r.t.Context(), "waits", daemon.Moment{Revision: at})
		r.ok(err)
		if off := e.Past.Time.Sub(began); off < 0 || off > 2*time.Second {
			t.Errorf("%s: %s off", e.Past.Time, off)
		}
		stop()
	})
}

// What is told of why a request waited is what was told then, though all is otherwise now.
func TestExplainAt_TellsWhatWasToldThen(t *testing.T) {
	for _, tt := range []struct {
		name  string
		waits func(r *rig, d *daemon.Daemon) berth.RequestID
		lacks berth.ReasonCode
	}{
		{"workers", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.run(d, "a", sized(800, 0))
			r.run(d, "r", sized(500, 0))
			return "r"
		}, berth.ReasonCPU},
		{"quota", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.limit(d, "a", 150)
			r.run(d, "a", of("a"))
			r.run(d, "r", of("a"))
			return "r"
		}, berth.ReasonQuota},
		{"quota, some of it guaranteed", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.guarantee(d, "a", 900, 500)
			r.guarantee(d, "b", 900, 500)
			r.run(d, "b", from("b", sized(500, 0)))
			r.run(d, "a", from("a", sized(400, 0)))
			r.run(d, "r", from("a", sized(200, 0)))
			return "r"
		}, berth.ReasonQuota},
		{"quota, never", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.limit(d, "a", 50)
			r.run(d, "r", of("a"))
			return "r"
		}, berth.ReasonQuota},
		{"group", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			g := r.group("g", 4, 3)
			g.Resources.CPUMilli = 400
			r.submitGroup(d, g)
			return "g.1"
		}, berth.ReasonGroup},
		{"quota of a group", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.limit(d, "a", 250)
			g := r.group("g", 4, 3)
			g.Tenant = "a"
			r.submitGroup(d, g)
			return "g.0"
		}, berth.ReasonQuota},
		{"claim", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.full(d)
			r.run(d, "r", urgent(1000, 50))
			return "r"
		}, berth.ReasonClaim},
		{"claim within a quota", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.limit(d, "a", 1000)
			r.full(d)
			r.run(d, "r", from("a", urgent(1000, 50)))
			return "r"
		}, berth.ReasonClaim},
		{"relation", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.run(d, "a", func(q *berth.Request) { q.Labels = map[string]string{"app": "web"}; q.StartTimeoutMS = 3_600_000 })
			r.run(d, "r", func(q *berth.Request) {
				q.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "web"}, Topology: berth.TopologyHost}}
			})
			return "r"
		}, berth.ReasonAntiAffinity},
		{"no worker", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.run(d, "r", nil)
			return "r"
		}, berth.ReasonNoWorker},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				id := tt.waits(r, d)
				r.passes(2 * time.Second)
				then, err := d.Explain(r.t.Context(), id)
				r.ok(err)
				if v := then.Verdict; v == nil || len(v.Reasons) == 0 || v.Reasons[0].Code != tt.lacks {
					t.Fatalf("%s waits for %+v, want %s", id, v, tt.lacks)
				}
				r.limit(d, "a", 10_000)
				for i := range 4 {
					r.joins(berth.WorkerID(fmt.Sprint("v", i)))
				}
				r.passes(time.Minute)
				past, err := d.ExplainAt(r.t.Context(), id, daemon.Moment{Revision: then.Verdict.At})
				r.ok(err)
				if diff := cmp.Diff(then.Verdict, past.Verdict); diff != "" {
					t.Errorf("the verdict (-then +now):\n%s", diff)
				}
				if diff := cmp.Diff(then.Nearest, past.Nearest); diff != "" {
					t.Errorf("the nearest (-then +now):\n%s", diff)
				}
				if !past.Since.Equal(then.Since) {
					t.Errorf("it waits since %s, and then since %s", past.Since, then.Since)
				}
				stop()
			})
		})
	}
}
