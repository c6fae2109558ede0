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
	"github.com/berthd/berth/etcdstore"
)

// Somebody fits, and what is kept for a group that waits for what may never come keeps it off for
// minutes at most.

func (r *rig) alone() (*daemon.Daemon, func()) {
	return r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
}

// mustRun waits until requests are placed.
func (r *rig) mustRun(most time.Duration, ids ...string) {
	r.t.Helper()
	for began := time.Now(); time.Since(began) < most; r.passes(10 * time.Second) {
		if r.are(ids...) == len(ids) {
			return
		}
	}
	r.t.Errorf("after %s: %d of %v are placed; held %v, kept %q", most, r.are(ids...), ids, r.held(), r.kept())
}

// Groups that can be helped by nothing come first, more than are looked at in one go; whoever is
// behind them is kept room all the same.
func TestKeep_BehindThoseThatNothingHelps(t *testing.T) {
	for name, hopeless := range map[string]func(r *rig, d *daemon.Daemon, i int) berth.Request{
		"they never fit": func(r *rig, _ *daemon.Daemon, i int) berth.Request { return r.whole(fmt.Sprintf("x%d", i), int64(6+i)) },
		"their quota has no room": func(r *rig, d *daemon.Daemon, i int) berth.Request {
			if i == 0 {
				r.limit(d, "a", 2*capacity.CPUMilli)
			}
			g := r.whole(fmt.Sprintf("x%d", i), 3)
			g.Tenant = "a"
			return g
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.alone()
				defer stop()
				c := r.churn(5, d)
				for i := range 12 {
					r.submitGroup(d, hopeless(r, d, i))
				}
				r.submitGroup(d, r.whole("g", 3))
				for range 100 {
					if c.groupIs("g") == berth.GroupPlaced {
						return
					}
					c.step()
				}
				t.Errorf("the group is %s", c.groupIs("g"))
			})
		})
	}
}

// Where others are keeps a group off, and no room mends that.
func TestKeep_NotForRelations(t *testing.T) {
	web := berth.Affinity{Requests: &berth.RequestLabel{Label: "app", Value: "web"}, Topology: berth.TopologyHost}
	absent := berth.Affinity{Requests: &berth.RequestLabel{Label: "app", Value: "db"}, Topology: berth.TopologyHost}
	for name, wish := range map[string]func(*berth.Request){
		"apart from what is on all": func(g *berth.Request) { g.AntiAffinity = []berth.Affinity{web} },
		"near to what is nowhere":   func(g *berth.Request) { g.Affinity = []berth.Affinity{absent} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				r.lives("v")
				d, stop := r.alone()
				defer stop()
				for i := range 2 {
					r.run(d, fmt.Sprintf("web%d", i), func(q *berth.Request) {
						slots("default", 2)(q)
						q.StartTimeoutMS, q.Labels, q.AntiAffinity = 3_600_000, map[string]string{"app": "web"}, []berth.Affinity{web}
					})
				}
				g := r.whole("g", 2)
				g.Resources.CPUMilli = 800
				wish(&g)
				r.submitGroup(d, g)
				r.run(d, "small", slots("default", 1))
				r.mustRun(time.Minute, "small")
			})
		})
	}
}

// What is overdue is not about to end.
func TestKeep_NotForWhatIsOverdue(t *testing.T) {
	for _, kind := range []string{"run limit", "stop order"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				r.lives("v")
				d, stop := r.alone()
				defer stop()
				r.run(d, "stuck", func(q *berth.Request) {
					slots("default", 10)(q)
					if q.StartTimeoutMS, q.StopTimeoutMS = 1000, 1000; kind == "run limit" {
						q.RunLimitMS = 10_000
					}
				})
				w, _, _ := strings.Cut(r.held()[0], "/")
				r.runs(w, "stuck")
				if kind == "stop order" {
					_, err := d.Cancel(r.t.Context(), "stuck", "")
					r.ok(err)
				}
				r.passes(time.Hour)
				r.submitGroup(d, r.whole("g", 2))
				r.run(d, "small", slots("default", 1))
				r.mustRun(2*time.Minute, "small")
			})
		})
	}
}

// Two devices that are asked for apart are not found where one is in use by what does not end,
// though each by itself is.
func TestKeep_DevicesTogether(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w")()
		defer r.livesWithDevices("v")()
		d, stop := r.alone()
		defer stop()
		one := func(q *berth.Request) { slots("default", 1)(q); device(q) }
		r.run(d, "service", one)
		w, _, _ := strings.Cut(r.held()[0], "/")
		r.runs(w, "service")
		g := r.whole("g", 2)
		g.Resources.CPUMilli, g.Resources.Devices = 100, []berth.DeviceDemand{{Count: 1, Milli: 1000}, {Count: 1, Milli: 1000}}
		r.submitGroup(d, g)
		r.run(d, "small", func(q *berth.Request) { one(q); q.Resources.Devices[0].Count = 2 })
		r.mustRun(2*time.Minute, "small")
	})
}

// livesWithDevices is lives, of a worker with two devices of h100, and others.
func (r *rig) livesWithDevices(w berth.WorkerID, more ...string) func() {
	return r.livesWithOnly(w, append([]string{"h100", "h100"}, more...)...)
}

func (r *rig) livesWithOnly(w berth.WorkerID, kinds ...string) func() {
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	for i, kind := range kinds {
		reg.Capacity.Devices = append(reg.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", i), Type: kind})
	}
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	ctx, cancel := contextOf(r)
	go func() { _ = lease.Run(ctx) }()
	synctest.Wait()
	return cancel
}

// A daemon whose clock was a day ahead has kept something: no other waits for that day to end.
func TestKeep_SinceTomorrow(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.alone()
		r.run(d, "service", func(q *berth.Request) { slots("default", 10)(q); q.StartTimeoutMS = 3_600_000 })
		w, _, _ := strings.Cut(r.held()[0], "/")
		r.runs(w, "service")
		r.submitGroup(d, r.whole("g", 2))
		r.run(d, "small", slots("default", 1))
		facts, err := r.Get(r.t.Context(), berth.Key{Kind: berth.KindKeep, ID: "default"})
		r.ok(err)
		stop()
		rec, ok := facts[0].Record.(*berth.Keep)
		if !ok {
			t.Fatalf("nothing is kept: %+v", facts)
		}
		k := *rec
		k.Since, k.Chosen = k.Since.Add(24*time.Hour), k.Chosen.Add(24*time.Hour)
		_, err = r.SetKeep(r.t.Context(), "default", facts[0].Mod, &k)
		r.ok(err)
		_, stop = r.alone()
		defer stop()
		r.mustRun(2*time.Minute, "small")
	})
}

// What is kept for a group stays so beside another that comes before it, and that nothing that is kept helps: it could never be
// placed, or not before an operator lets it.
func TestKeep_BesideThoseThatNothingHelps(t *testing.T) {
	for _, tt := range []struct {
		name    string
		tenant  berth.TenantID
		size    int64
		cordons bool
	}{
		{"its own tenant's, with a higher priority", "default", 6, false},
		{"another tenant's, that holds less", "b", 6, false},
		{"one that a cordon keeps from what it needs", "default", 5, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.alone()
				defer stop()
				c := r.churn(5, d)
				if tt.cordons {
					if _, err := d.SetIntent(r.t.Context(), "w4", daemon.Wish{Cordon: true}); err != nil {
						r.t.Fatal(err)
					}
				}
				r.submitGroup(d, r.whole("g", 3))
				vacant := func(w string) bool {
					return !slices.ContainsFunc(r.held(), func(k string) bool { return strings.HasPrefix(k, w+"/") })
				}
				for steps := 0; !slices.ContainsFunc(strings.Fields(r.kept())[1:], vacant); c.step() {
					if steps++; steps > 40 {
						r.t.Fatalf("kept: %q, held: %v", r.kept(), r.held())
					}
				}
				kept, x := r.kept(), r.whole("x", tt.size)
				x.Tenant, x.Priority = tt.tenant, 5
				r.submitGroup(d, x) // told of what is kept, among all that it lacks
				r.passes(5 * time.Second)
				if got := r.kept(); got != kept {
					r.t.Errorf("kept was %q, is %q", kept, got)
				}
				c.untilPlaced([]string{"g"}, 40)
			})
		})
	}
}
