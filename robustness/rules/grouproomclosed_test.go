package rules

import (
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// TestGroupRoom_Closed: what others free for a group is kept for it no longer than all of its workers take somebody, however long the
// others may take to stop; and the group is told what keeps it off then. When they take somebody again, others make room again.
func TestGroupRoom_Closed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		on    string // w0: what is there has ended, w1: it stops
		wish  daemon.Wish
		gets  int // of w0-f and small, that wait
		tells berth.ReasonCode
	}{
		{"cordoned where it stops", "w1", daemon.Wish{Cordon: true}, 1, berth.ReasonCordoned},
		{"drained where it stops", "w1", daemon.Wish{Cordon: true, Drain: true}, 1, berth.ReasonDraining},
		{"cordoned where it has ended", "w0", daemon.Wish{Cordon: true}, 0, berth.ReasonCordoned},
		{"lost", "w1", daemon.Wish{}, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.alone()
				defer stop()
				kill := map[string]func(){}
				for _, w := range []string{"w0", "w1"} {
					_, kill[w] = r.lives(berth.WorkerID(w))
					r.run(d, w+"-f", func(q *berth.Request) {
						sized(capacity.CPUMilli, 1)(q)
						q.StopTimeoutMS, q.KeepMS = 3_600_000, 3_600_000
					})
					r.runs(w, w+"-f")
				}
				r.submitGroup(d, r.pressing("g", 2, 2, 50))
				r.passes(time.Second)
				if told, _ := r.told(); len(told) != 2 {
					t.Fatalf("told: %v", told)
				}
				r.exits("w0", "w0-f")
				r.passes(5 * time.Second)
				if got := r.kept(); r.are("w0-f") > 0 || !strings.HasPrefix(got, "g ") {
					t.Fatalf("kept: %q, held: %v", got, r.held())
				}
				if tt.tells == "" {
					kill[tt.on]()
					r.passes(time.Minute)
				} else {
					_, err := d.SetIntent(r.t.Context(), berth.WorkerID(tt.on), tt.wish)
					r.ok(err)
				}
				r.passes(5 * time.Second)
				if got := r.kept(); r.are("w0-f") != tt.gets || got != "" {
					t.Errorf("kept for what could never be placed: %q, held: %v", got, r.held())
				}
				if v := r.state(d, "g.0").Verdict; v == nil || tt.tells != "" && !tellsOf(v, tt.tells) || tellsOf(v, berth.ReasonPreemption) {
					t.Errorf("told: %+v", v)
				}
			})
		})
	}
}
