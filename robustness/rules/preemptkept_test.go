package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth/daemon"
)

// What is kept for a group is nobody's to make room on for others. Once it no longer is, they make room at once: no other
// event may come.
func TestPreempt_WhenNothingIsKept(t *testing.T) {
	for name, ends := range map[string]func(*rig, *daemon.Daemon){
		"the group is cancelled": func(r *rig, d *daemon.Daemon) {
			_, err := d.CancelGroup(r.t.Context(), "g", "")
			r.ok(err)
		},
		"it is given up": func(r *rig, _ *daemon.Daemon) { r.passes(30 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				r.filled(d, 2, 0)
				g := r.whole("g", 2)
				g.Priority = 5
				r.submitGroup(d, g)
				r.passes(2 * time.Second)
				if r.kept() == "" {
					t.Fatal("nothing is kept")
				}
				r.run(d, "now", urgent(1000, 5))
				if told, _ := r.told(); len(told) > 0 {
					t.Fatalf("told beside what is kept: %v", told)
				}
				ends(r, d)
				r.passes(time.Second)
				if told, _ := r.told(); len(told) != 2 || r.kept() != "" {
					t.Errorf("told %v, kept %q", told, r.kept())
				}
			})
		})
	}
}

// It comes before who matters less, and would have started in what was kept only to be stopped.
func TestPreempt_BeforeOthersWhenNothingIsKept(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		defer stop()
		r.lives("w0")
		r.run(d, "w0-0", sized(500, 0))
		r.runs("w0", "w0-0")
		g := r.whole("g", 1)
		g.Priority = 5
		r.submitGroup(d, g)
		r.passes(2 * time.Second)
		r.run(d, "low", sized(400, 0))
		r.run(d, "now", urgent(1000, 5))
		if told, _ := r.told(); len(told) > 0 || r.kept() == "" || r.are("low") != 0 {
			t.Fatalf("told %v, kept %q, placed %v", told, r.kept(), r.held())
		}
		_, err := d.CancelGroup(r.t.Context(), "g", "")
		r.ok(err)
		r.passes(time.Second)
		if told, _ := r.told(); len(told) != 1 || r.are("low") != 0 || r.kv("states/low") != nil {
			t.Errorf("told %v, held %v", told, r.held())
		}
	})
}
