package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// groupVain is why a group is told that nobody makes room for it, and for how many of its members others could.
func groupVain(v *berth.Verdict) string {
	if v == nil {
		return ""
	}
	for _, r := range v.Reasons {
		switch {
		case r.Code != berth.ReasonPreemption:
		case r.Want > 0:
			return fmt.Sprintf("%s: %d of %d", r.Detail, r.Best, r.Want)
		default:
			return r.Detail
		}
	}
	return ""
}

// A group for which others may have to make room, and nobody does, is told why, and for how many of its members others could; so is each
// of its members.
func TestGroupRoom_InVainIsTold(t *testing.T) {
	full := func(r *rig, d *daemon.Daemon, priorities ...int32) {
		for i, p := range priorities {
			w := fmt.Sprint("w", i)
			r.lives(berth.WorkerID(w))
			for _, id := range []string{w + "-0", w + "-1"} {
				r.run(d, id, func(q *berth.Request) { sized(500, p)(q); q.StopTimeoutMS = 300_000 })
				r.runs(w, id)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		there func(*rig, *daemon.Daemon)
		edit  func(*berth.Request)
		want  string
	}{
		{"others are as important", func(r *rig, d *daemon.Daemon) { full(r, d, 50, 90) }, nil, "priority: 0 of 2"},
		{"some are", func(r *rig, d *daemon.Daemon) { full(r, d, 0, 90) }, nil, "priority: 1 of 2"},
		{"too late", func(r *rig, d *daemon.Daemon) { full(r, d, 0, 0) }, func(g *berth.Request) { g.PendingLimitMS = 60_000 }, "late: 0 of 2"},
		{"no end would do", func(r *rig, d *daemon.Daemon) {
			full(r, d, 0, 0)
			_, err := d.SetIntent(r.t.Context(), "w1", daemon.Wish{Cordon: true})
			r.ok(err)
		}, nil, "room: 1 of 2"},
		{"room is kept for another", func(r *rig, d *daemon.Daemon) {
			full(r, d, 0, 0)
			r.submitGroup(d, r.pressing("first", 1, 1, 50))
			r.passes(2 * time.Second)
		}, func(g *berth.Request) { g.Group.Size, g.Group.MinCount = 1, 1 }, "kept"},
		{"nobody has to", func(r *rig, d *daemon.Daemon) { full(r, d, 0, 0) }, func(g *berth.Request) { g.Preemption = "" }, ""},
		{"it never fits", func(r *rig, d *daemon.Daemon) { full(r, d, 0) }, nil, ""},
		{"others do", func(r *rig, d *daemon.Daemon) { full(r, d, 0, 0) }, nil, ""},
		{"of two types that its quota has", func(r *rig, d *daemon.Daemon) {
			r.livesWithOnly("w0", "h100", "a100")
			r.limitTypes(d, "limited", map[string]int64{"h100": 1, "a100": 1})
			for kind, p := range map[string]int32{"h100": 0, "a100": 90} {
				r.run(d, kind, func(q *berth.Request) { wants("free", kind)(q); q.Priority = p })
				r.runs("w0", kind)
			}
		}, func(g *berth.Request) { presses("limited", []string{"h100", "a100"})(g) }, "priority: 1 of 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				tt.there(r, d)
				g := r.pressing("g", 2, 2, 50)
				if tt.edit != nil {
					tt.edit(&g)
				}
				r.submitGroup(d, g)
				r.passes(2 * time.Second)
				s, err := d.Group(r.t.Context(), "g")
				r.ok(err)
				e, err := d.Explain(r.t.Context(), "g.0")
				r.ok(err)
				for of, v := range map[string]*berth.Verdict{"the group": s.Verdict, "its member": e.Verdict} {
					if got := groupVain(v); got != tt.want {
						r.t.Errorf("%s is told %q, want %q, of %+v", of, got, tt.want, v)
					}
				}
				stop()
			})
		})
	}
}

// A group that had to make room itself has nobody make room before it has run again, and is told so, afterwards too.
func TestGroupRoom_FirstToRunIsTold(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 2, 0)
		r.submitGroup(d, r.pressing("g", 2, 2, 10))
		r.passes(2 * time.Second)
		r.exitsAll()
		r.passes(2 * time.Second)
		member := func(do func(w, id string)) {
			for _, k := range r.held() {
				if w, id, _ := strings.Cut(k, "/"); strings.HasPrefix(id, "g.") {
					do(w, id)
				}
			}
		}
		member(r.runs)
		r.submitGroup(d, r.pressing("top", 2, 2, 50))
		r.passes(2 * time.Second)
		member(r.exits)
		r.passes(5 * time.Second)
		e, err := d.Explain(r.t.Context(), "g.0")
		r.ok(err)
		if got := groupVain(e.Verdict); got != string(berth.VainFirst) {
			r.t.Errorf("told %q, of %+v; on workers are %v", got, e.Verdict, r.held())
		}
		e, err = d.ExplainAt(r.t.Context(), "g.0", daemon.Moment{Revision: berth.Revision(r.revision())})
		r.ok(err)
		if got := groupVain(e.Verdict); got != string(berth.VainFirst) {
			r.t.Errorf("told of the past: %q, of %+v", got, e.Verdict)
		}
		stop()
	})
}
