package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
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
				e, err := d.Explain(r.t.Context(), "now")
				r.ok(err)
				kept := berth.Reason{Code: berth.ReasonKept, Detail: "g", Workers: 2, Some: []berth.WorkerID{"w0", "w1"}}
				if n := len(e.Verdict.Reasons); n < 2 || e.Verdict.Reasons[n-2].Detail != string(berth.VainKeptOff) || !cmp.Equal(e.Verdict.Reasons[n-1], kept) {
					t.Errorf("told: %+v", e.Verdict.Reasons)
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

// What is kept for a group is given up where it keeps off a request for which others would make room there, and that
// comes before the group: not where that comes behind it.
func TestPreempt_BeforeWhatIsKept(t *testing.T) {
	for name, tt := range map[string]struct {
		tenant   berth.TenantID
		priority int32
		told     int
	}{
		"of a higher priority":                    {priority: 6, told: 2},
		"of the same":                             {priority: 5},
		"of a tenant with less":                   {tenant: "b", priority: 1, told: 2},
		"of a higher one, and nobody lower there": {priority: 6},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				there := int32(0)
				if tt.told == 0 {
					there = tt.priority // of those there
				}
				r.filled(d, 2, there)
				g := r.whole("g", 2)
				g.Priority = 5
				r.submitGroup(d, g)
				r.passes(2 * time.Second)
				r.run(d, "now", func(n *berth.Request) {
					urgent(1000, tt.priority)(n)
					n.Tenant = tt.tenant
				})
				if r.kept() == "" {
					t.Fatal("nothing is kept")
				}
				r.passes(3 * time.Second) // the first round is not over
				if told, _ := r.told(); len(told) != tt.told || (r.kept() == "") != (tt.told > 0) {
					t.Errorf("told %v, kept %q", told, r.kept())
				}
			})
		})
	}
}

// What is kept for a group that waits for others' ends has nobody end for somebody else: he has room made for himself alone, and what comes free then is
// the group's. A judge found it.
func TestPreempt_NoneForWhatIsKept(t *testing.T) {
	for _, priority := range []int32{0, 50} { // of the group
		t.Run(fmt.Sprint("priority ", priority), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				d, stop := r.daemon()
				defer stop()
				low := ids("low", 4)
				for _, id := range low {
					r.run(d, id, sized(250, 0))
					r.runs("w", id)
				}
				g := r.group("g", 2, 2)
				g.Resources.CPUMilli, g.Priority = 250, priority
				r.submitGroup(d, g)
				r.passes(3 * time.Second)
				if r.kept() == "" {
					t.Fatal("nothing is kept")
				}
				r.run(d, "now", urgent(250, 9))
				r.passes(time.Second)
				told := r.stoppedFor(berth.StopPreempt, low...)
				if len(told) != 1 {
					t.Fatalf("%v are told to stop, want one", told)
				}
				r.exits("w", told[0])
				r.passes(time.Second)
				if r.located("now") != 1 {
					t.Fatalf("it is not placed when that has ended: %v", r.held())
				}
				for _, id := range low {
					if id != told[0] && r.located("g.0") == 0 {
						r.exits("w", id)
						r.passes(100 * time.Millisecond)
					}
				}
				r.passes(2 * time.Second)
				if r.located("g.0", "g.1") != 2 {
					t.Errorf("the group is not placed when two have ended: %v", r.held())
				}
			})
		})
	}
}

// What is free and kept for a group stays the group's while somebody of a lower priority waits for others to end beside it. A reviewer found it.
func TestPreempt_ClaimLeavesWhatIsKept(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		defer stop()
		r.lives("w")
		r.run(d, "low", func(q *berth.Request) { sized(400, 0)(q); q.StopTimeoutMS = 3_000_000 })
		r.runs("w", "low")
		r.run(d, "x", sized(600, 60))
		r.runs("w", "x")
		r.lives("v")
		r.run(d, "z", sized(400, 60))
		r.runs("v", "z")
		r.run(d, "y", sized(600, 60))
		r.runs("v", "y")
		g := r.group("g", 2, 2)
		g.Resources.CPUMilli, g.Priority = 600, 50
		r.submitGroup(d, g)
		r.passes(3 * time.Second)
		r.exits("w", "x")
		r.passes(2 * time.Second)
		if r.kept() != "g v w" {
			t.Fatalf("kept %q held %v", r.kept(), r.held())
		}
		r.run(d, "now", urgent(400, 9))
		r.passes(time.Second)
		if told := r.stoppedFor(berth.StopPreempt, "low", "y"); len(told) != 1 {
			t.Fatalf("told %v; kept %q held %v", told, r.kept(), r.held())
		}
		r.exits("v", "y")
		r.passes(10 * time.Second)
		if r.located("g.0", "g.1") != 2 {
			t.Errorf("the group has not what was free and kept for it: kept %q held %v", r.kept(), r.held())
		}
	})
}
