package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Who makes room for a request that has to be apart from it does not come back before that has its place, though there is room for both:
// it would have to make room again, for ever.
func TestPreempt_ApartFromVictims(t *testing.T) {
	k := berth.RequestLabel{Label: "app", Value: "k"}
	for name, tt := range map[string]struct {
		victims int
		wish    func(*berth.Request)
	}{
		"one":                 {1, func(q *berth.Request) { q.AntiAffinity = near("k") }},
		"one has not started": {3, func(q *berth.Request) { q.AntiAffinity = near("k") }},
		"two":                 {2, func(q *berth.Request) { q.AntiAffinity = near("k") }},
		"even": {2, func(q *berth.Request) {
			q.Labels, q.Spread = map[string]string{"app": "k"}, []berth.Spread{{Requests: k, Topology: berth.TopologyHost, MaxSkew: 1}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				d, stop := r.alone()
				defer stop()
				var ids []string
				for i := range tt.victims {
					ids = append(ids, fmt.Sprint("k", i))
					r.run(d, ids[i], func(q *berth.Request) {
						sized(100, 1)(q)
						q.Labels, q.StopTimeoutMS, q.StartTimeoutMS = map[string]string{"app": "k"}, 10_000, 3_600_000
					})
					if i < 2 {
						r.runs("w", ids[i])
					}
				}
				if name == "even" {
					r.lives("v") // none of them is there: one more on w would be too many
					r.run(d, "full", sized(1000, 500))
					r.runs("v", "full")
				}
				r.run(d, "now", func(q *berth.Request) {
					sized(100, 12)(q)
					q.Preemption, q.StartTimeoutMS = berth.PreemptionLower, 3_600_000
					tt.wish(q)
				})
				for i, id := range ids {
					r.passes(time.Duration(i) * 3 * time.Second)
					if a, _ := r.allocation("w", id); a == nil || a.Stop == nil || a.Stop.Reason != berth.StopPreempt {
						continue
					}
					r.exits("w", id)
					r.passes(200 * time.Millisecond)
				}
				if r.kv("allocations/w/now") == nil {
					t.Fatalf("it is not placed when the last has ended: %v", r.held())
				}
				r.passes(2 * time.Minute)
				for _, id := range ids {
					if s := r.state(d, id); s.Attempt > 2 {
						t.Errorf("%s had to make room again: attempt %d", id, s.Attempt)
					}
				}
				if r.are(ids...) != tt.victims {
					t.Errorf("they are not placed again: %v", r.held())
				}
			})
		})
	}
}

// oneHasMadeRoom has k0 and k1 run on w, and make room for now, which has to be apart from them: k0 has done so, and k1 has five minutes.
func (r *rig) oneHasMadeRoom(d *daemon.Daemon) {
	r.t.Helper()
	for _, id := range []string{"k0", "k1"} {
		r.run(d, id, func(q *berth.Request) {
			sized(100, 1)(q)
			q.Labels, q.StopTimeoutMS = map[string]string{"app": "k"}, 300_000
		})
		r.runs("w", id)
	}
	r.run(d, "now", func(q *berth.Request) {
		sized(100, 12)(q)
		q.Preemption, q.AntiAffinity = berth.PreemptionLower, near("k")
	})
	r.passes(time.Second)
	r.exits("w", "k0")
	r.passes(time.Second)
}

// TestPreempt_KeptOff: who makes room for a request that has to be apart from it is kept off for as long as the others may take to
// stop, however long that is, and no longer than they do.
func TestPreempt_KeptOff(t *testing.T) {
	for _, takes := range []time.Duration{4 * time.Minute, 3 * time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				d, stop := r.alone()
				defer stop()
				r.oneHasMadeRoom(d)
				if at := r.state(d, "k0").NotBefore; at.Before(time.Now().Add(4 * time.Minute)) {
					t.Errorf("k0 is told that it may be placed again at %v, before k1 has to have ended", at)
				}
				r.passes(takes)
				if n := r.are("k0"); n != 0 {
					t.Fatalf("k0 came back while k1 made room: %v", r.held())
				}
				r.exits("w", "k1")
				r.passes(100 * time.Millisecond)
				if r.kv("allocations/w/now") == nil || r.are("k0", "k1") != 2 {
					t.Errorf("not all are placed when the last has made room: %v", r.held())
				}
				r.passes(10 * time.Minute)
				for _, id := range []string{"k0", "k1"} {
					if s := r.state(d, id); s.Attempt != 2 {
						t.Errorf("%s: attempt %d, want 2", id, s.Attempt)
					}
				}
			})
		})
	}
}

// TestPreempt_KeptOffByNobody: a claim that is given up keeps nobody off, and who waits for something else then is told of no
// backoff, of the past either.
func TestPreempt_KeptOffByNobody(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprint("full ", full), func(t *testing.T) { keptOffByNobody(t, full) })
	}
}

func keptOffByNobody(t *testing.T, full bool) {
	bubble(t, func(r *rig) {
		r.lives("w")
		d, stop := r.alone()
		defer stop()
		r.oneHasMadeRoom(d)
		if n := r.are("k0"); n != 0 {
			t.Fatalf("k0 came back while k1 made room: %v", r.held())
		}
		if full {
			r.run(d, "full", sized(800, 5))
			r.run(d, "next", sized(100, 5)) // before k0, when there is room
		}
		if _, err := d.Cancel(r.t.Context(), "now", ""); err != nil {
			t.Fatal(err)
		}
		r.passes(100 * time.Millisecond)
		if n := r.are("k0"); !full && n != 1 {
			t.Errorf("k0 waits for nobody: %v", r.state(d, "k0"))
		}
		if !full {
			return
		}
		r.passes(5 * time.Second)
		now, err := d.Explain(r.t.Context(), "k0")
		r.ok(err)
		then, err := d.ExplainAt(r.t.Context(), "k0", daemon.Moment{Revision: now.Status.Revision})
		r.ok(err)
		for _, e := range []daemon.Explanation{now, then} {
			if !e.Status.NotBefore.IsZero() || e.Verdict == nil || e.Verdict.Reasons[0].Code != berth.ReasonCPU {
				t.Errorf("it waits for CPU, and is told %v, not before %v", e.Verdict, e.Status.NotBefore)
			}
		}
	})
}

// TestGroupRoom_ApartFromVictims: nor does anybody who makes room for a group come back before that is placed.
func TestGroupRoom_ApartFromVictims(t *testing.T) {
	for _, takes := range []time.Duration{3 * time.Second, 4 * time.Minute} {
		t.Run(takes.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.alone()
				defer stop()
				ids := []string{"k0", "k1", "k2", "k3"}
				for i, id := range ids {
					w := fmt.Sprint("w", i/2)
					if i%2 == 0 {
						r.lives(berth.WorkerID(w))
					}
					r.run(d, id, func(q *berth.Request) {
						sized(100, 1)(q)
						q.Labels, q.StopTimeoutMS = map[string]string{"app": "k"}, 300_000
					})
					r.runs(w, id)
				}
				g := r.pressing("g", 2, 2, 50)
				g.Resources.CPUMilli, g.AntiAffinity = 600, near("k")
				r.submitGroup(d, g)
				r.passes(time.Second)
				if told, _ := r.told(); len(told) != 4 {
					t.Fatalf("told: %v", told)
				}
				r.exits("w0", "k0")
				r.exits("w0", "k1")
				r.exits("w1", "k2")
				r.passes(takes)
				r.exits("w1", "k3")
				r.passes(2 * time.Second)
				if n := r.are("g.0", "g.1"); n != 2 {
					t.Fatalf("%d of the group are placed: %v", n, r.held())
				}
				r.passes(2 * time.Minute)
				for _, id := range ids {
					if s := r.state(d, id); s.Attempt != 2 {
						t.Errorf("%s: attempt %d, want 2", id, s.Attempt)
					}
				}
				if r.are(ids...) != 4 {
					t.Errorf("they are not placed again: %v", r.held())
				}
			})
		})
	}
}

// TestGroupRoom_ApartOverRack: who is near to where a group goes, on another worker, makes room for it, too; or nobody does.
func TestGroupRoom_ApartOverRack(t *testing.T) {
	for name, priority := range map[string]int32{"both may have to": 1, "one may not": 90} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.alone()
				defer stop()
				for i, w := range []berth.WorkerID{"w0", "w1"} {
					lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
					r.ok(err)
					reg := r.registration(lease)
					reg.Labels = map[string]string{"rack": "a"}
					_, err = r.RegisterWorker(r.t.Context(), w, reg)
					r.ok(err)
					go func() { _ = lease.Run(r.t.Context()) }()
					id := fmt.Sprint("k", i)
					r.run(d, id, func(q *berth.Request) {
						sized(600, 1)(q)
						q.Labels, q.StopTimeoutMS = map[string]string{"app": "k"}, 10_000
						if i == 1 {
							q.Priority = priority
						}
					})
					r.runs(string(w), id)
				}
				g := r.pressing("g", 1, 1, 50)
				g.Resources.CPUMilli, g.AntiAffinity = 100, near("k")
				g.AntiAffinity[0].Topology = "rack"
				r.submitGroup(d, g)
				r.passes(2 * time.Second)
				told, _ := r.told()
				if priority > 50 {
					if len(told) > 0 {
						t.Errorf("%v are told to make room in vain", told)
					}
					return
				}
				if len(told) != 2 {
					t.Fatalf("%v make room, want both", told)
				}
				r.exits("w0", "k0")
				r.passes(3 * time.Second)
				r.exits("w1", "k1")
				r.passes(2 * time.Second)
				if r.are("g.0", "k0", "k1") != 3 {
					t.Errorf("not all are placed: %v", r.held())
				}
				r.passes(time.Minute)
				for _, id := range []string{"k0", "k1"} {
					if s := r.state(d, id); s.Attempt != 2 {
						t.Errorf("%s: attempt %d, want 2", id, s.Attempt)
					}
				}
			})
		})
	}
}

// TestGroupRoom_NearItsLike: who a group is to be near to makes no room for it, though without any of them it could go anywhere: they
// would come back before that.
func TestGroupRoom_NearItsLike(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.alone()
		defer stop()
		for _, w := range []string{"w0", "w1"} {
			r.lives(berth.WorkerID(w))
			id := w + "-k"
			r.run(d, id, func(q *berth.Request) {
				sized(300, 1)(q)
				q.Labels = map[string]string{"app": "k"}
			})
			r.runs(w, id)
		}
		g := r.pressing("g", 1, 1, 50)
		g.Resources.CPUMilli, g.Labels, g.Affinity = 900, map[string]string{"app": "k"}, near("k")
		r.submitGroup(d, g)
		r.passes(5 * time.Second)
		if told, _ := r.told(); len(told) > 0 {
			t.Errorf("%v make room", told)
		}
		e, err := d.Group(r.t.Context(), "g")
		r.ok(err)
		if !tellsOf(e.Verdict, berth.ReasonCPU) {
			t.Errorf("told: %+v", e.Verdict)
		}
	})
}
