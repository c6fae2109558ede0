package rules

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// livesAs registers a worker with labels whose lease is kept alive until gone, which takes it away at once.
func (r *rig) livesAs(w berth.WorkerID, labels map[string]string) (gone func()) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	reg.Labels = labels
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	ctx, cancel := contextOf(r)
	ended := make(chan struct{})
	go func() { _ = lease.Run(ctx); close(ended) }()
	synctest.Wait()
	return func() {
		cancel()
		<-ended
		r.remove("workers/" + string(w))
		r.passes(time.Second)
	}
}

// intends has an operator say something of a worker.
func (r *rig) intends(w berth.WorkerID, in *berth.Intent) {
	r.t.Helper()
	if in != nil {
		in.At = time.Now().UTC()
	}
	_, err := r.SetIntent(r.t.Context(), w, func(*berth.Intent) *berth.Intent { return in })
	r.ok(err)
	r.passes(time.Second)
}

// opensUp are ways in which a worker comes to take what waits: each sees to it that v takes nothing of it, and returns what changes that.
var opensUp = map[string]func(r *rig, d *daemon.Daemon, labels map[string]string) (opens func()){
	"it joins": func(r *rig, _ *daemon.Daemon, labels map[string]string) func() {
		return func() { r.livesAs("v", labels) }
	},
	"it comes back": func(r *rig, _ *daemon.Daemon, labels map[string]string) func() {
		r.livesAs("v", labels)()
		return func() { r.livesAs("v", labels) }
	},
	"it has other labels": func(r *rig, _ *daemon.Daemon, labels map[string]string) func() {
		gone := r.livesAs("v", map[string]string{"rack": "other", "kind": "bad"})
		return func() { gone(); r.livesAs("v", labels) }
	},
	"it loses a taint": func(r *rig, _ *daemon.Daemon, labels map[string]string) func() {
		r.livesAs("v", labels)
		r.intends("v", &berth.Intent{Taints: []berth.Taint{{Key: "t", Effect: berth.EffectNoPlace}}})
		return func() { r.intends("v", nil) }
	},
	"it is uncordoned": func(r *rig, _ *daemon.Daemon, labels map[string]string) func() {
		r.livesAs("v", labels)
		r.intends("v", &berth.Intent{Cordon: true})
		return func() { r.intends("v", nil) }
	},
	"its suspension ends": func(r *rig, d *daemon.Daemon, labels map[string]string) func() {
		r.livesAs("v", labels)
		r.passes(time.Second)
		for i := range 5 {
			id := fmt.Sprint("fails", i)
			r.run(d, id, func(q *berth.Request) { q.Retry.MaxAttempts = 1 })
			r.cannotStart("v", id, 0)
		}
		if is := r.workerIs(d, "v"); is != "suspended" {
			r.t.Fatalf("v is %s", is)
		}
		return func() { r.passes(2 * time.Second) }
	},
}

// looksAtWeb are ways in which a request looks at those of the app web, one of which is on w, in the rack x: v takes it in the rack that is named.
var looksAtWeb = map[string]struct {
	rack  string
	looks func(q *berth.Request)
}{
	"apart": {"y", func(q *berth.Request) {
		q.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}}
	}},
	"in another rack": {"y", func(q *berth.Request) { q.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: "rack"}} }},
	"in its rack":     {"x", func(q *berth.Request) { q.Affinity = []berth.Affinity{{Requests: &web, Topology: "rack"}} }},
	"spread": {"y", func(q *berth.Request) {
		q.Spread = []berth.Spread{{Requests: web, Topology: berth.TopologyHost, MaxSkew: 1}}
	}},
	"spread over racks": {"y", func(q *berth.Request) { q.Spread = []berth.Spread{{Requests: web, Topology: "rack", MaxSkew: 1}} }},
	"rather apart": {"y", func(q *berth.Request) {
		q.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost, Weight: 60}}
	}},
	"rather near": {"x", func(q *berth.Request) {
		q.Affinity = []berth.Affinity{{Requests: &web, Topology: "rack", Weight: 60}}
	}},
	"rather spread": {"y", func(q *berth.Request) {
		q.Spread = []berth.Spread{{Requests: web, Topology: berth.TopologyHost, MaxSkew: 1, Weight: 60}}
	}},
}

// What looks at other requests has its turn as all others when a worker comes to have room: it is not put off to when the watch has told how, while what comes
// behind takes it. A judge found requests apart from others waiting for ever behind those of a tenant that held more, and of lower priority.
func TestOpensUp_Turns(t *testing.T) {
	for way, opensUp := range opensUp {
		for name, rel := range looksAtWeb {
			for _, of := range []berth.TenantID{"a", "b"} { // a's by priority; b holds nothing
				for _, groups := range []string{"none", "before", "behind"} {
					for n := 1; n <= 2; n++ {
						if n == 2 && groups == "behind" {
							continue // the name of a group says whose it is
						}
						t.Run(fmt.Sprint(way, ", ", name, ", of ", of, ", groups: ", groups, ", daemons: ", n), func(t *testing.T) {
							bubble(t, func(r *rig) {
								r.livesAs("w", map[string]string{"rack": "x", "kind": "good"})
								checked := r.checked()
								ds, stop := r.several(n)
								d := ds[0]
								r.run(d, "base", func(q *berth.Request) { sizedOf("a", 1000, 9)(q); q.Labels = map[string]string{"app": "web"} })
								opens := opensUp(r, d, map[string]string{"rack": rel.rack, "kind": "good"})
								good := []berth.Constraint{{Label: "kind", Operator: berth.OperatorIn, Values: []string{"good"}}}
								submit := func(id string, group bool, edit func(*berth.Request)) {
									if !group {
										r.run(d, id, edit)
										return
									}
									g := r.group(id, 2, 2)
									edit(&g)
									g.Resources.CPUMilli /= 2
									r.submitGroup(d, g)
								}
								submit("behind", groups == "behind", func(q *berth.Request) {
									sizedOf("a", 800, 0)(q)
									q.Constraints, q.AffinityKey = good, web.String() // the same daemon plans both
								})
								submit("first", groups == "before", func(q *berth.Request) {
									sizedOf(of, 400, map[berth.TenantID]int32{"a": 5}[of])(q)
									q.Constraints = good
									if groups != "before" {
										q.Labels = map[string]string{"app": "web"}
									}
									rel.looks(q)
								})
								r.passes(100 * time.Millisecond)
								if held := r.held(); len(held) != 1 {
									t.Fatalf("v takes something: %v", held)
								}
								opens()
								r.passes(time.Second)
								ids := map[bool][]string{false: {"first"}, true: {"first.0", "first.1"}}[groups == "before"]
								if r.located(ids...) != len(ids) {
									t.Errorf("who comes first waits: %v", r.held())
								}
								stop()
								checked()
							})
						})
					}
				}
			}
		}
	}
}
