package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/snapshot"
)

// A group that a drain moves has its quota again before those behind it that wait for that: none of its own tenant's with less priority takes it while
// its members end, nor is it lent to others.
func TestGroup_DrainedKeepsItsQuota(t *testing.T) {
	for _, tt := range []struct {
		name       string
		limit      int64
		guaranteed int64 // of the group's tenant; below 0: none is to anybody
		waits      berth.TenantID
		priority   int32 // of what waits
		want       bool  // the group has its quota again
	}{
		{"limit", 2000, -1, "b", 0, true},
		{"limit, younger", 2000, -1, "b", 5, true},
		{"limit, higher", 2000, -1, "b", 9, false},
		{"guaranteed", 2000, 2000, "b", 0, true},
		{"guaranteed, a borrower waits", 4000, 2000, "a", 9, true},
		{"borrowed", 4000, 0, "b", 0, true},
	} {
		for _, runs := range []bool{false, true} {
			for n := 1; n <= 2; n++ {
				t.Run(fmt.Sprintf("%s, it runs %t, %d daemons", tt.name, runs, n), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(n)
						for _, tenant := range []berth.TenantID{"a", "b", "lender"} {
							c := daemon.QuotaChange{Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: tt.limit}}
							if guaranteed := map[berth.TenantID]int64{"b": tt.guaranteed, "lender": 2000 - tt.guaranteed}[tenant]; tt.guaranteed >= 0 {
								c.Guarantee = berth.Amounts{berth.DimensionCPU: guaranteed}
							}
							_, err := ds[0].SetQuota(r.t.Context(), c)
							r.ok(err)
						}
						for i := range 5 {
							r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, nil)
						}
						g := r.whole("g", 2)
						g.Priority, g.Tenant, g.StartTimeoutMS = 5, "b", 3_600_000
						r.submitGroup(ds[0], g)
						r.passes(5 * time.Second)
						on := r.held()
						if len(on) != 2 {
							t.Fatalf("held: %v", on)
						}
						if runs {
							for _, k := range on {
								w, id, _ := strings.Cut(k, "/")
								r.runs(w, id)
							}
						}
						for i := range 3 {
							r.run(ds[i%n], fmt.Sprint("x", i), sizedOf(tt.waits, 1000, tt.priority))
						}
						r.passes(20 * time.Second)
						w, _, _ := strings.Cut(on[0], "/")
						if told := r.foretoldOn(&snapshot.Change{Drain: []berth.WorkerID{berth.WorkerID(w)}}); (told["g.0"] != "") != tt.want || (told["x0"] != "") == tt.want {
							t.Errorf("a plan tells %v", told)
						}
						_, err := ds[0].SetIntent(r.t.Context(), berth.WorkerID(w), daemon.Wish{Drain: true})
						r.ok(err)
						for range 100 {
							r.passes(100 * time.Millisecond)
							r.exitToldOnes()
						}
						if s, err := ds[0].Group(r.t.Context(), "g"); err != nil || (s.Record.State == berth.GroupPlaced) != tt.want || tt.want && r.located("x0", "x1", "x2") > 0 {
							t.Errorf("%+v %v, held %v", s.Record, err, r.held())
						}
						stop()
						checked()
					})
				})
			}
		}
	}
}

// Of several that are drained at once, or one after the other, each has its quota again.
func TestGroup_DrainedTogetherKeepTheirQuota(t *testing.T) {
	for _, apart := range []time.Duration{0, 500 * time.Millisecond, 5 * time.Second} {
		for _, borrows := range []bool{false, true} {
			for n := 1; n <= 2; n++ {
				t.Run(fmt.Sprintf("%s apart, a borrower waits %t, %d daemons", apart, borrows, n), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(n)
						for tenant, guaranteed := range map[berth.TenantID]int64{"a": 0, "b": 6000} {
							c := daemon.QuotaChange{Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: 6000}}
							if borrows {
								c.Guarantee = berth.Amounts{berth.DimensionCPU: guaranteed}
							}
							_, err := ds[0].SetQuota(r.t.Context(), c)
							r.ok(err)
						}
						for i := range 12 {
							r.offers(berth.WorkerID(fmt.Sprintf("w%02d", i)), false, nil)
						}
						drains := map[string]berth.WorkerID{}
						for i := range 3 {
							g := r.whole(fmt.Sprint("g", i), 2)
							g.Priority, g.Tenant, g.StartTimeoutMS = 5, "b", 3_600_000
							r.submitGroup(ds[i%n], g)
							r.passes(time.Second)
						}
						for _, k := range r.held() {
							w, id, _ := strings.Cut(k, "/")
							r.runs(w, id)
							drains[id[:2]] = berth.WorkerID(w)
						}
						for i := range 6 {
							who := berth.TenantID("b")
							if borrows {
								who = "a"
							}
							r.run(ds[i%n], fmt.Sprint("x", i), sizedOf(who, 1000, 0))
						}
						r.passes(20 * time.Second)
						next := 0
						for round := range 250 {
							for ; next < 3 && time.Duration(round)*100*time.Millisecond >= time.Duration(next)*apart; next++ {
								_, err := ds[0].SetIntent(r.t.Context(), drains[fmt.Sprint("g", next)], daemon.Wish{Drain: true})
								r.ok(err)
							}
							r.passes(100 * time.Millisecond)
							r.exitToldOnes()
						}
						if of := r.heldOf(); of["g"] != 6 || of["x"] > 0 {
							t.Errorf("held %v", r.held())
						}
						if left := r.record("b"); strings.Contains(left, "gathering") {
							t.Errorf("left behind: %s", left)
						}
						stop()
						checked()
					})
				})
			}
		}
	}
}

// Those who are drained with it have what they gave up themselves, before what comes after them.
func TestGroup_DrainedBesideOthers(t *testing.T) {
	for _, runs := range []bool{false, true} {
		t.Run(fmt.Sprintf("they run %t", runs), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				r.limit(d, "b", 800)
				r.offers("w", false, nil)
				g := r.group("g", 2, 2)
				g.Resources.CPUMilli, g.Priority, g.Tenant, g.StartTimeoutMS = 200, 5, "b", 3_600_000
				r.submitGroup(d, g)
				r.run(d, "h1", sizedOf("b", 200, 5))
				r.run(d, "h2", sizedOf("b", 200, 3))
				r.passes(2 * time.Second)
				if runs {
					for _, k := range r.held() {
						w, id, _ := strings.Cut(k, "/")
						r.runs(w, id)
					}
				}
				for i := range 4 {
					r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, nil)
				}
				for i := range 2 {
					r.run(d, fmt.Sprint("x", i), sizedOf("b", 200, 0))
				}
				r.passes(3 * time.Second)
				_, err := d.SetIntent(r.t.Context(), "w", daemon.Wish{Drain: true})
				r.ok(err)
				for range 80 {
					r.passes(100 * time.Millisecond)
					r.exitToldOnes()
				}
				if of := r.heldOf(); of["g"] != 2 || of["h"] != 2 {
					t.Errorf("held %v: %s", r.held(), r.record("b"))
				}
				stop()
			})
		})
	}
}

// Where no worker takes it any more, others of its tenant have its quota; but not where they can make room for it. A plan tells so.
func TestGroup_DrainedWithoutRoomLeavesItsQuota(t *testing.T) {
	for _, tt := range []struct {
		name      string
		preempts  bool
		beside    int32 // the priority of what runs
		waits     int32 // and of what waits
		unstarted bool  // what runs has not started
		waited    bool  // the group has waited before, while others could make no room
		want      bool  // the group has its quota again
	}{
		{name: "nobody makes room"},
		{name: "others make room", preempts: true, want: true},
		{name: "others that have not started make room", preempts: true, unstarted: true, want: true},
		{name: "others could make no room", preempts: true, beside: 9},
		{name: "others could make no room before", preempts: true, waited: true, want: true},
		{name: "a younger one waits", preempts: true, waits: 5, want: true},
		{name: "one waits that goes first", preempts: true, waits: 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				r.limit(d, "b", 3000)
				for _, w := range []berth.WorkerID{"w0", "w1", "w2"} {
					r.lives(w)
				}
				g := r.whole("g", 2)
				g.Priority, g.Tenant, g.StartTimeoutMS = 5, "b", 3_600_000
				if tt.preempts {
					g.Preemption = berth.PreemptionLower
				}
				others := 0
				if tt.waited {
					others = 3
				}
				for i := range others {
					r.run(d, fmt.Sprint("f", i), sizedOf("c", 1000, 9))
				}
				r.submitGroup(d, g)
				for _, k := range r.held()[:others] {
					w, id, _ := strings.Cut(k, "/")
					r.runs(w, id)
					r.exits(w, id)
				}
				r.passes(time.Second)
				r.run(d, "x", sizedOf("b", 1000, tt.beside))
				on := make(map[string]berth.WorkerID)
				for _, k := range r.held() {
					w, id, _ := strings.Cut(k, "/")
					if on[id] = berth.WorkerID(w); id != "x" || !tt.unstarted {
						r.runs(w, id)
					}
				}
				r.run(d, "y", sizedOf("b", 1000, tt.waits))
				r.passes(15 * time.Second)
				told := r.foretoldOn(&snapshot.Change{Drain: []berth.WorkerID{on["g.0"]}})
				_, err := d.SetIntent(r.t.Context(), on["g.0"], daemon.Wish{Drain: true})
				r.ok(err)
				for range 200 {
					r.passes(100 * time.Millisecond)
					for _, k := range r.held() {
						w, id, _ := strings.Cut(k, "/")
						a, _ := r.allocation(w, id)
						switch {
						case a.Stop != nil && a.State == berth.StateRunning:
							r.exits(w, id)
						case a.Stop == nil && a.State == berth.StatePlaced && (id != "x" || !tt.unstarted):
							r.runs(w, id)
						}
					}
				}
				if got := r.located("g.0", "g.1"); (got == 2) != tt.want || (r.located("y") == 1) == tt.want {
					t.Errorf("held %v: %s", r.held(), r.record("b"))
				}
				_, stops := told["x"]
				if told["x"] != "" || stops != (r.located("x") == 0) || (told["g.0"] != "") != tt.want || (told["g.1"] != "") != tt.want || (told["y"] != "") == tt.want {
					t.Errorf("a plan tells %v, held %v", told, r.held())
				}
				stop()
			})
		})
	}
}

// Where its tenant's limits are taken away meanwhile nothing is gathered for it any more, also while that tenant's record cannot be read then.
func TestGroup_DrainedLimitedNoMore(t *testing.T) {
	for _, unread := range []bool{false, true} {
		t.Run(fmt.Sprintf("unread %t", unread), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"}) // the invariants are broken meanwhile
				r.limit(d, "b", 2000)
				for i := range 4 {
					r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, nil)
				}
				g := r.whole("g", 2)
				g.Priority, g.Tenant, g.StartTimeoutMS = 5, "b", 3_600_000
				r.submitGroup(d, g)
				r.passes(2 * time.Second)
				on := r.held()
				for _, k := range on {
					w, id, _ := strings.Cut(k, "/")
					r.runs(w, id)
				}
				w, id, _ := strings.Cut(on[0], "/")
				_, err := d.SetIntent(r.t.Context(), berth.WorkerID(w), daemon.Wish{Drain: true})
				r.ok(err)
				r.passes(100 * time.Millisecond)
				r.exits(w, id) // the other runs on, so the group waits
				r.passes(100 * time.Millisecond)
				_, err = d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "b", Pool: "default", All: true})
				r.ok(err)
				r.passes(100 * time.Millisecond)
				if unread {
					r.put("tenants/b", "null")
				}
				r.passes(100 * time.Millisecond)
				r.run(d, "x", sizedOf("b", 1000, 0))
				r.passes(100 * time.Millisecond)
				if n := r.located("x"); (n == 1) == unread {
					t.Errorf("held %v", r.held())
				}
				if unread {
					r.put("tenants/b", `{"version":1}`)
				}
				for range 50 {
					r.passes(100 * time.Millisecond)
					r.exitToldOnes()
				}
				if n := r.located("g.0", "g.1", "x"); n != 3 {
					t.Errorf("held %v", r.held())
				}
				stop()
			})
		})
	}
}
