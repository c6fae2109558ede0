package rules

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// related are ways in which a request of the app web looks at others; all are placed.
var related = map[string]func(*berth.Request){
	"apart": func(q *berth.Request) {
		q.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}}
	},
	"rather apart": func(q *berth.Request) {
		q.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: "rack", Weight: 60}}
	},
	"near":        func(q *berth.Request) { q.Affinity = []berth.Affinity{{Requests: &web, Topology: "rack"}} },
	"rather near": func(q *berth.Request) { q.Affinity = []berth.Affinity{{Requests: &web, Topology: "host", Weight: 60}} },
	"spread":      func(q *berth.Request) { q.Spread = []berth.Spread{{Requests: web, Topology: "rack", MaxSkew: 1}} },
	"rather spread": func(q *berth.Request) {
		q.Spread = []berth.Spread{{Requests: web, Topology: "host", MaxSkew: 1, Weight: 60}}
	},
	"near and apart": func(q *berth.Request) {
		q.Affinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "tier", Value: "front"}, Topology: "rack"}}
		q.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}, {Requests: &berth.RequestLabel{Label: "app", Value: "db"}, Topology: "rack", Weight: 9}}
	},
}

var web = berth.RequestLabel{Label: "app", Value: "web"}

// racks registers workers in two racks, each with room for ten requests.
func (r *rig) racks(n int) {
	for i := range n {
		lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
		r.ok(err)
		reg := r.registration(lease)
		w := berth.WorkerID(fmt.Sprintf("w%d", i))
		reg.Labels = map[string]string{"rack": fmt.Sprint("r", i%2)}
		epoch, err := r.RegisterWorker(r.t.Context(), w, reg)
		r.ok(err)
		r.commit(&berth.Plan{ID: r.NewTxnID(), Ledgers: []berth.LedgerWrite{r.opened(w, epoch, lease)}})
	}
}

// Where others ran when a request was placed is told by its plan: one after the other, many in
// one plan, each of which counts for the next, and several plans in flight. After each test
// all placements are decided again, and these may not be left out.
func TestReplay_Related(t *testing.T) {
	for name, looks := range related {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.racks(16)
				d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
				r.passes(time.Second)
				edit := func(q *berth.Request) {
					q.Labels = map[string]string{"app": "web", "tier": "front"}
					q.StartTimeoutMS, q.Resources.CPUMilli = 3_600_000, 50
					looks(q)
				}
				r.run(d, "one", edit)
				r.run(d, "two", edit)
				var many []berth.Request
				for i := range 4 {
					q := r.submission(fmt.Sprint("many-", i)).Spec
					edit(&q)
					many = append(many, q)
				}
				_, err := d.Submit(r.t.Context(), many)
				r.ok(err)
				synctest.Wait()
				r.passes(time.Second)
				for _, id := range []berth.RequestID{"one", "two", "many-0", "many-1", "many-2", "many-3"} {
					r.decidedAgain(d, id)
				}
				stop()
			})
		})
	}
}

// decidedAgain demands that a placement can be, and is, the same.
func (r *rig) decidedAgain(d *daemon.Daemon, id berth.RequestID) {
	r.t.Helper()
	got, err := d.Replay(r.t.Context(), id, 0)
	r.ok(err)
	if got.Outcome != daemon.ReplaySame {
		r.t.Fatalf("%s, replayed: %s %s: on %s, and would be on %+v, by %+v", id, got.Outcome, got.Why, got.Worker, got.Again, got.Basis)
	}
	if len(got.Basis.Relations) == 0 {
		r.t.Errorf("the plan of %s tells nothing of where others ran: %+v", id, got.Basis)
	}
}

// The members of a group count for each other.
func TestReplay_RelatedGroup(t *testing.T) {
	bubble(t, func(r *rig) {
		r.racks(6)
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		r.passes(time.Second)
		for _, id := range []string{"g", "h"} {
			g := r.group(id, 3, 3)
			g.Resources.CPUMilli, g.Labels = 50, map[string]string{"app": "web"}
			g.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}}
			r.submitGroup(d, g)
			r.passes(time.Second)
			for i := range 3 {
				member := berth.RequestID(fmt.Sprint(id, ".", i))
				r.decidedAgain(d, member)
				got, err := d.Replay(r.t.Context(), member, 0)
				r.ok(err)
				if len(got.Standings) == 0 || got.Standings[0].Worker != got.Worker {
					t.Errorf("%s is on %s, and %+v stands first", member, got.Worker, got.Standings)
				}
			}
		}
		stop()
	})
}

// What fits nowhere for where others run, and takes the place of one of them, had fitted
// nowhere when it is decided again.
func TestReplay_RelatedMakesRoom(t *testing.T) {
	bubble(t, func(r *rig) {
		r.racks(2)
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		r.passes(time.Second)
		edit := func(q *berth.Request) {
			q.StartTimeoutMS, q.Resources.CPUMilli, q.Labels = 3_600_000, 50, map[string]string{"app": "web"}
			related["apart"](q)
		}
		r.run(d, "low-1", edit)
		r.run(d, "low-2", edit)
		r.run(d, "high", func(q *berth.Request) {
			edit(q)
			q.Priority, q.Preemption = 9, berth.PreemptionLower
		})
		r.passes(time.Second)
		r.decidedAgain(d, "high")
		got, err := d.Replay(r.t.Context(), "high", 0)
		r.ok(err)
		if room := got.Basis.RoomOf("high"); room == nil || room.Nowhere == nil {
			t.Errorf("others have made no room: %+v", got.Basis)
		}
		want := []berth.PlannedBeside{{Topology: berth.TopologyHost, Requests: web, All: 1}} // who has ended is not there any more
		if met := r.metBy(d, "high"); !slices.Equal(met, want) {
			t.Errorf("met %+v, want %+v", met, want)
		}
		stop()
	})
}

// apartFrom is a request that is urgent, and on no worker with one of the app web.
func apartFrom(cpu int64) func(*berth.Request) {
	return func(q *berth.Request) {
		urgent(cpu, 50)(q)
		related["apart"](q)
	}
}

// metBy is whom a request met on its worker when it got the room that others had made, decided again.
func (r *rig) metBy(d *daemon.Daemon, id berth.RequestID) []berth.PlannedBeside {
	r.t.Helper()
	got, err := d.Replay(r.t.Context(), id, 0)
	r.ok(err)
	room := got.Basis.RoomOf(id)
	if got.Outcome != daemon.ReplaySame || room == nil {
		r.t.Fatalf("%s, replayed: %s %s: on %s, and would be on %+v, by %+v", id, got.Outcome, got.Why, got.Worker, got.Again, got.Basis)
	}
	return room.Beside
}

// Who gets what its claim has waited for is decided again by whom it meets there.
func TestReplay_RelatedClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.full(d)
		r.joins("v")
		r.run(d, "c", func(q *berth.Request) {
			sized(1000, 60)(q)
			q.Labels = map[string]string{"app": "web"}
		})
		r.run(d, "now", apartFrom(1000))
		r.exits("w", "a")
		r.exits("w", "b")
		want := []berth.PlannedBeside{{Topology: berth.TopologyHost, Requests: web, All: 1}}
		if met := r.metBy(d, "now"); !slices.Equal(met, want) {
			t.Errorf("met %+v, want %+v", met, want)
		}
		stop()
	})
}

// placedOn is the worker that has a request, or none.
func (r *rig) placedOn(d *daemon.Daemon, id berth.RequestID) string {
	r.t.Helper()
	s, err := d.Get(r.t.Context(), id)
	r.ok(err)
	return string(s.Worker)
}

// Who may not be where its claim has made room, for another has come to the rack meanwhile, is not
// placed there, and gives its claim up.
func TestReplay_RelatedMeanwhile(t *testing.T) {
	bubble(t, func(r *rig) {
		r.racks(3) // w0 and w2 are in one
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		r.passes(time.Second)
		in := func(rack string, edit func(*berth.Request)) func(*berth.Request) {
			return func(q *berth.Request) {
				edit(q)
				q.Constraints = []berth.Constraint{{Label: "rack", Operator: berth.OperatorIn, Values: []string{rack}}}
			}
		}
		r.run(d, "other", in("r1", sized(1000, 60)))
		r.run(d, "most", in("r0", sized(900, 60)))
		for _, id := range []string{"a", "b"} {
			r.run(d, id, sized(500, 0))
		}
		on := r.placedOn(d, "a")
		r.runs(on, "a")
		r.runs(on, "b")
		r.run(d, "now", func(q *berth.Request) {
			apartFrom(1000)(q)
			q.AntiAffinity[0].Topology = "rack"
		})
		r.run(d, "late", func(q *berth.Request) {
			sized(100, 60)(q)
			q.Labels = map[string]string{"app": "web"}
		})
		r.exits(on, "a")
		r.exits(on, "b")
		r.passes(time.Second)
		if late, now := r.placedOn(d, "late"), r.placedOn(d, "now"); late == "" || now != "" {
			t.Errorf("late is on %q, and now on %q", late, now)
		}
		r.noClaims(berth.WorkerID(on))
		stop()
	})
}
