package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// joinsPool is a worker of another pool than the rig's.
func (r *rig) joinsPool(w berth.WorkerID, p berth.PoolID) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	reg.Pool = p
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	r.passes(time.Second)
}

// What ran before its tenant's quota was set is in no block, and counts as used in what is told of the past as it did then: also
// when it has ended since.
func TestExplainAt_CountsWhatRanBeforeTheQuota(t *testing.T) {
	for _, tt := range []struct {
		name  string
		waits func(r *rig, d *daemon.Daemon) berth.RequestID
		used  int64 // of what it lacks
	}{
		{"beside it some is left", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.run(d, "a", from("a", sized(200, 0)))
			r.limit(d, "a", 300)
			r.run(d, "r", from("a", sized(200, 0)))
			return "r"
		}, 200},
		{"it is more than the quota", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.run(d, "a", from("a", sized(200, 0)))
			r.limit(d, "a", 100)
			r.run(d, "r", from("a", sized(100, 0)))
			return "r"
		}, 200},
		{"beside it some is counted", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.run(d, "a", from("a", sized(200, 0)))
			r.limit(d, "a", 400)
			r.run(d, "counted", from("a", sized(150, 0)))
			r.run(d, "r", from("a", sized(100, 0)))
			return "r"
		}, 350},
		{"others have no quota", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.run(d, "a", from("b", sized(200, 0)))
			r.limit(d, "a", 150)
			r.run(d, "counted", from("a", sized(100, 0)))
			r.run(d, "r", from("a", sized(100, 0)))
			return "r"
		}, 100},
		{"it runs in another pool", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.joinsPool("o", "other")
			r.run(d, "b", from("b", sized(200, 0)))
			r.run(d, "a", func(s *berth.Request) { from("a", sized(200, 0))(s); s.Pool = "other" })
			r.limit(d, "a", 150)
			r.run(d, "counted", from("a", sized(100, 0)))
			r.run(d, "r", from("a", sized(100, 0)))
			return "r"
		}, 100},
		{"devices", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.livesWithDevices("w")
			r.run(d, "a", wants("a", "h100"))
			r.limitTypes(d, "a", map[string]int64{"h100": 1})
			r.run(d, "r", wants("a", "h100"))
			return "r"
		}, berth.WholeDevice},
		{"a group waits", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.run(d, "a", from("a", sized(200, 0)))
			r.limit(d, "a", 400)
			g := r.group("g", 4, 3)
			g.Tenant = "a"
			r.submitGroup(d, g)
			return "g.0"
		}, 200},
		{"a claim is counted, too", func(r *rig, d *daemon.Daemon) berth.RequestID {
			r.joins("w")
			r.limit(d, "b", 10_000)
			r.run(d, "low", from("b", sized(800, 0)))
			r.run(d, "a", from("a", sized(200, 0)))
			r.runs("w", "low")
			r.run(d, "claims", from("b", urgent(800, 50)))
			if n := r.waitsFor(d, "claims"); n != 1 {
				t.Fatalf("it waits for %d, want one", n)
			}
			r.limit(d, "a", 300)
			r.run(d, "r", from("a", sized(200, 0)))
			return "r"
		}, 200},
		{"its worker is lost", func(r *rig, d *daemon.Daemon) berth.RequestID {
			_, kill := r.lives("w")
			r.run(d, "a", from("a", sized(200, 0)))
			kill()
			r.passes(61 * time.Second)
			r.joins("v")
			r.limit(d, "a", 300)
			r.run(d, "r", from("a", sized(200, 0)))
			return "r"
		}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				id := tt.waits(r, d)
				r.passes(2 * time.Second)
				then, err := d.Explain(r.t.Context(), id)
				r.ok(err)
				if v := then.Verdict; v == nil || v.Reasons[0].Stands == nil || v.Reasons[0].Stands.Used != tt.used {
					t.Fatalf("%s waits for %+v, want a quota of which %d is used", id, v, tt.used)
				}
				_, err = d.Cancel(r.t.Context(), "a", "")
				r.ok(err)
				r.limit(d, "a", 10_000)
				r.passes(time.Minute)
				past, err := d.ExplainAt(r.t.Context(), id, daemon.Moment{Revision: then.Verdict.At})
				r.ok(err)
				if diff := cmp.Diff(then.Verdict, past.Verdict); diff != "" {
					t.Errorf("the verdict (-then +now):\n%s", diff)
				}
				stop()
			})
		})
	}
}
