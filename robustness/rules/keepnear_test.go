package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// near are requests with a label, on the same host.
func near(app string) []berth.Affinity {
	return []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: app}, Topology: berth.TopologyHost}}
}

func tellsOf(v *berth.Verdict, code berth.ReasonCode) bool {
	return v != nil && slices.ContainsFunc(v.Reasons, func(r berth.Reason) bool { return r.Code == code })
}

// besideDB are a worker that is full, with a database on it, one that is free, and a group of two that are to be near that.
func (r *rig) besideDB(d *daemon.Daemon, edit func(*berth.Request)) {
	r.t.Helper()
	r.lives("w")
	r.run(d, "db", func(q *berth.Request) {
		slots("default", 2)(q)
		q.Labels, q.Priority = map[string]string{"app": "db"}, 500
	})
	r.runs("w", "db")
	for i := range 4 {
		r.run(d, fmt.Sprint("load", i), slots("default", 2))
		r.runs("w", fmt.Sprint("load", i))
	}
	r.lives("v")
	g := r.whole("g", 2)
	g.Resources.CPUMilli, g.Affinity = 4*capacity.CPUMilli/10, near("db")
	edit(&g)
	r.submitGroup(d, g)
	r.passes(3 * time.Second)
}

// Where a group is to be near others, it is kept room there, though it could not be elsewhere.
func TestKeep_NearOthers(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.alone()
		defer stop()
		r.besideDB(d, func(*berth.Request) {})
		if got := r.kept(); got != "g w" {
			t.Fatalf("kept: %q", got)
		}
		r.run(d, "small", func(q *berth.Request) {
			slots("default", 1)(q)
			q.Affinity = near("db")
		})
		for i := range 4 {
			r.exits("w", fmt.Sprint("load", i))
			r.passes(time.Second)
		}
		if n := r.are("g.0", "g.1"); n != 2 {
			t.Errorf("%d of the group are placed: %v", n, r.held())
		}
	})
}

// Others make room for a group there, too; and where none may, that is told.
func TestGroupRoom_NearOthers(t *testing.T) {
	for priority, victims := range map[int32]int{50: 4, 0: 0} {
		t.Run(fmt.Sprint("priority ", priority), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.alone()
				defer stop()
				r.besideDB(d, func(g *berth.Request) { g.Priority, g.Preemption = priority, berth.PreemptionLower })
				told, _ := r.told()
				if len(told) != victims {
					t.Errorf("told to make room: %v", told)
				}
				if e := r.explained(d, "g.0"); victims == 0 && groupVain(e.Verdict) != "priority: 0 of 2" {
					t.Errorf("told why nobody makes room: %+v", e.Verdict)
				}
			})
		})
	}
}

// A group that is to be near to what is nowhere waits for that, whatever else is short: it is told so, and kept nothing.
func TestKeep_NearNobody(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.alone()
		defer stop()
		for _, w := range []string{"w", "v"} {
			for i := range 2 {
				r.run(d, fmt.Sprint(w, i), slots("default", 5))
				synctest.Wait()
			}
		}
		g := r.whole("g", 2)
		g.Resources.CPUMilli, g.Affinity = capacity.CPUMilli/10, near("nobody")
		r.submitGroup(d, g)
		r.run(d, "alone", func(q *berth.Request) {
			slots("default", 1)(q)
			q.Affinity = near("nobody")
		})
		for range 15 {
			r.passes(time.Second)
			if got := r.kept(); got != "" {
				t.Fatalf("kept: %s", got)
			}
		}
		for _, id := range []berth.RequestID{"g.0", "alone"} {
			e := r.explained(d, id)
			if !tellsOf(e.Verdict, berth.ReasonAffinity) || tellsOf(e.Verdict, berth.ReasonCPU) {
				t.Errorf("%s: %+v", id, e.Verdict)
			}
		}
		r.run(d, "nobody", func(q *berth.Request) {
			slots("default", 1)(q)
			q.Labels = map[string]string{"app": "nobody"}
		})
		w, id, _ := strings.Cut(r.held()[0], "/")
		r.exits(w, id)
		r.passes(2 * time.Second)
		if n := r.are("nobody", "g.0", "g.1", "alone"); n != 4 {
			t.Errorf("%d of 4 are placed: %v", n, r.held())
		}
	})
}
