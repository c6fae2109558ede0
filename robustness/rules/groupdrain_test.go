package rules

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/snapshot"
)

// Workers that are drained together restart a group once, and that uses up no attempt.
func TestGroup_DrainedTogether(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 8 {
			r.worker(berth.WorkerID(fmt.Sprintf("w%d", i)))
		}
		d, stop := r.daemon()
		g := r.group("g", 4, 4)
		g.Resources.CPUMilli = 600 // one on each worker
		r.submitGroup(d, g)
		var on []berth.WorkerID
		for i := range 4 {
			s, err := d.Get(r.t.Context(), berth.RequestID(fmt.Sprint("g.", i)))
			r.ok(err)
			on = append(on, s.Worker)
		}
		for _, w := range on {
			_, err := d.SetIntent(r.t.Context(), w, daemon.Wish{Drain: true})
			r.ok(err)
			<-time.After(100 * time.Millisecond)
		}
		<-time.After(3 * time.Second)
		synctest.Wait()
		s, err := d.Group(r.t.Context(), "g")
		r.ok(err)
		if is := s.Record; is.State != berth.GroupPlaced || is.Attempt != 2 || is.Excused != 1 || is.Used != 0 {
			t.Errorf("after four drains: %+v", is)
		}
		stop()
	})
}

// A group that a drain moves has its places before those whose turn is behind its own, which wait for what it gives up meanwhile; not before those
// whose turn comes first.
func TestGroup_DrainedGoesFirst(t *testing.T) {
	for _, tt := range []struct {
		name string
		runs bool // else its members are placed, and are taken back at once
		asks func(q *berth.Request)
		want bool // the group has its places again
	}{
		{"lower", false, func(q *berth.Request) { q.Priority = 1 }, true},
		{"lower, it runs", true, func(q *berth.Request) { q.Priority = 1 }, true},
		{"younger", true, func(q *berth.Request) { q.Priority = 5 }, true},
		{"higher", true, func(q *berth.Request) { q.Priority = 9 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				for _, w := range []string{"a", "b"} {
					r.offers(berth.WorkerID(w), false, map[string]string{"n": w})
				}
				g := r.whole("g", 2)
				g.Priority = 5
				r.submitGroup(d, g)
				r.passes(time.Second)
				if tt.runs {
					for _, k := range r.held() {
						w, id, _ := strings.Cut(k, "/")
						r.runs(w, id)
					}
				}
				r.offers("c", false, nil)
				r.run(d, "only-b", func(q *berth.Request) {
					sized(1000, 0)(q)
					tt.asks(q)
					q.Constraints = []berth.Constraint{{Label: "n", Operator: berth.OperatorIn, Values: []string{"b"}}}
				})
				r.passes(2 * time.Second)
				if told := r.foretoldOn(&snapshot.Change{Drain: []berth.WorkerID{"a"}}); (told["g.0"] != "") != tt.want || (told["only-b"] != "") == tt.want {
					t.Errorf("a plan tells %v", told)
				}
				_, err := d.SetIntent(r.t.Context(), "a", daemon.Wish{Drain: true})
				r.ok(err)
				for round := range 200 {
					if round == 5 {
						r.run(d, "new", func(q *berth.Request) { sized(1000, 0)(q); tt.asks(q) })
					}
					r.passes(100 * time.Millisecond)
					r.exitToldOnes()
				}
				if s, err := d.Group(r.t.Context(), "g"); err != nil || (s.Record.State == berth.GroupPlaced) != tt.want {
					t.Errorf("%+v %v, held %v", s.Record, err, r.held())
				}
				stop()
			})
		})
	}
}

// What is drained with a group, and goes behind it, has not the room that the group will need, whoever of them ends first: a plan that
// places what comes back, and is in flight with what is kept for the group, is no exception.
func TestGroup_DrainedBeforeSingles(t *testing.T) {
	for name, first := range map[string]string{"together": "", "the group ends first": "g", "the singles end first": "s"} {
		for n := 1; n <= 3; n += 2 {
			t.Run(fmt.Sprintf("%s, %d daemons", name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(n)
					kills := []func(){r.livesOf("a", 6000, 4<<30)}
					g := r.whole("g", 2)
					g.Priority = 5
					r.submitGroup(ds[0], g)
					for i := range 4 {
						r.run(ds[i%n], fmt.Sprint("s", i), sized(1000, 0))
					}
					for _, k := range r.held() {
						w, id, _ := strings.Cut(k, "/")
						r.runs(w, id)
					}
					for _, w := range []string{"b", "c"} {
						_, kill := r.lives(berth.WorkerID(w))
						kills = append(kills, kill)
					}
					r.passes(2 * time.Second)
					if told := r.foretoldOn(&snapshot.Change{Drain: []berth.WorkerID{"a"}}); told["g.0"] == "" || told["g.1"] == "" {
						t.Errorf("a plan tells %v", told)
					}
					_, err := ds[n-1].SetIntent(r.t.Context(), "a", daemon.Wish{Drain: true})
					r.ok(err)
					r.passes(200 * time.Millisecond)
					for _, all := range []bool{first == "", true} {
						var end []string
						for _, k := range r.held() {
							if w, id, _ := strings.Cut(k, "/"); w == "a" && (all || strings.HasPrefix(id, first)) {
								end = append(end, id)
							}
						}
						r.endTogether("a", end)
						r.passes(5 * time.Second)
					}
					if r.located("g.0", "g.1") != 2 {
						t.Errorf("held %v", r.held())
					}
					stop()
					for _, kill := range kills {
						kill()
					}
					checked()
				})
			})
		}
	}
}

// What there was no room for with the first stop order may have some when its members end: where the drain is taken back, or others open up. Who is behind the
// group does not have that before it; what opens up another daemon may still give to its own.
func TestGroup_DrainedThenRoom(t *testing.T) {
	for name, opens := range map[string]berth.WorkerID{"taken back": "a", "another opens": "d"} {
		for n := 1; n <= 3 && (n == 1 || opens == "a"); n += 2 {
			t.Run(fmt.Sprintf("%s, %d daemons", name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(n)
					var kills []func()
					for _, w := range []berth.WorkerID{"d", "a", "b", "c"} {
						_, kill := r.lives(w)
						kills = append(kills, kill)
						if w == "d" {
							r.drains(ds[0], w, daemon.Wish{Cordon: true})
						}
					}
					g := r.whole("g", 3)
					g.Priority = 5
					r.submitGroup(ds[0], g)
					for _, k := range r.held() {
						w, id, _ := strings.Cut(k, "/")
						r.runs(w, id)
					}
					for i := range 4 {
						r.run(ds[i%n], fmt.Sprint("s", i), sized(1000, 0))
					}
					_, err := ds[n-1].SetIntent(r.t.Context(), "a", daemon.Wish{Drain: true})
					r.ok(err)
					r.passes(100 * time.Millisecond)
					if opens == "a" {
						_, err = ds[0].SetIntent(r.t.Context(), opens, daemon.Wish{})
						r.ok(err)
					}
					for _, k := range r.held() {
						if w, id, _ := strings.Cut(k, "/"); strings.HasPrefix(id, "g") {
							r.passes(300 * time.Millisecond)
							r.exits(w, id)
						}
						if opens != "a" {
							_, err = ds[0].SetIntent(r.t.Context(), opens, daemon.Wish{})
							r.ok(err)
						}
					}
					r.passes(5 * time.Second)
					if r.located("g.0", "g.1", "g.2") != 3 {
						t.Errorf("held %v", r.held())
					}
					stop()
					for _, kill := range kills {
						kill()
					}
					checked()
				})
			})
		}
	}
}

// What comes while a group is drained has not the room that is kept for it: not by the plan that writes this, nor by one beside it.
func TestGroup_DrainedAsOthersCome(t *testing.T) {
	for name, later := range map[string]time.Duration{"in one plan": 0, "in the next": 12 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				kills := []func(){r.livesOf("a", 2000, 4<<30)}
				g := r.whole("g", 2)
				g.Priority = 5
				r.submitGroup(d, g)
				for _, id := range []string{"g.0", "g.1"} {
					r.runs("a", id)
				}
				for _, w := range []berth.WorkerID{"b", "c"} {
					_, kill := r.lives(w)
					kills = append(kills, kill)
				}
				r.passes(2 * time.Second)
				r.slowly(5 * time.Millisecond)
				comes := func(id string, milli int64) {
					q := berth.Request{ID: berth.RequestID(id), Command: []string{"true"}}
					sized(milli, 0)(&q)
					go func() {
						_, err := d.Submit(r.t.Context(), []berth.Request{q})
						r.ok(err)
					}()
				}
				comes("large", 9000) // it fits nowhere, and what comes meanwhile waits for its transaction
				r.passes(time.Millisecond)
				r.side().put("intents/a", `{"version":1,"txn":"x","cordon":false,"drain":true,"at":"2000-01-01T00:00:00Z"}`)
				r.passes(later)
				for i := range 600 { // enough for a plan beside another
					comes(fmt.Sprint("s", i), 1000)
				}
				r.passes(200 * time.Millisecond)
				r.endTogether("a", []string{"g.0", "g.1"})
				r.passes(5 * time.Second)
				if r.located("g.0", "g.1") != 2 {
					t.Errorf("held %v", r.held())
				}
				stop()
				for _, kill := range kills {
					kill()
				}
			})
		})
	}
}

// endTogether has all of these end in one transaction of their worker.
func (r *rig) endTogether(w berth.WorkerID, ids []string) {
	r.t.Helper()
	var items []etcdstore.ReportItem
	for _, id := range ids {
		a, mod := r.allocation(string(w), id)
		a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM", At: time.Now().UTC()}
		items = append(items, etcdstore.ReportItem{Request: berth.RequestID(id), AllocationWas: mod, Allocation: *a})
	}
	_, err := r.Report(r.t.Context(), w, items)
	r.ok(err)
	synctest.Wait()
}

// exitToldOnes has all exit that runs and was told to stop.
func (r *rig) exitToldOnes() {
	r.t.Helper()
	for _, k := range r.held() {
		w, id, _ := strings.Cut(k, "/")
		if a, _ := r.allocation(w, id); a.Stop != nil && a.State == berth.StateRunning {
			r.exits(w, id)
		}
	}
}

// foretoldOn is where a forecast tells that each goes that waits, or would move.
func (r *rig) foretoldOn(change *snapshot.Change) map[berth.RequestID]berth.WorkerID {
	r.t.Helper()
	on := make(map[berth.RequestID]berth.WorkerID)
	for _, o := range r.foretold(change) {
		on[o.Request] = o.Worker
	}
	return on
}

// What is kept for a group while its members end, for however long, whoever goes first has all the same.
func TestGroup_DrainedKeepsNobodyOffWhoGoesFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		for _, w := range []berth.WorkerID{"a", "b"} {
			r.offers(w, false, nil)
		}
		g := r.whole("g", 2)
		g.Priority = 5
		r.submitGroup(d, g)
		r.passes(time.Second)
		on := r.held()
		for _, k := range on {
			w, id, _ := strings.Cut(k, "/")
			r.runs(w, id)
		}
		r.offers("c", false, nil)
		_, err := d.SetIntent(r.t.Context(), "a", daemon.Wish{Drain: true})
		r.ok(err)
		r.passes(time.Second)
		w, id, _ := strings.Cut(on[0], "/")
		r.exits(w, id)
		r.passes(time.Second)
		if r.kept() == "" {
			t.Errorf("nothing is kept; held %v", r.held())
		}
		r.run(d, "lower", sized(1000, 1))
		r.passes(5 * time.Second)
		if r.located("lower") != 0 {
			t.Errorf("it has what is kept: %v", r.held())
		}
		r.run(d, "higher", sized(1000, 9))
		r.passes(5 * time.Second)
		if r.located("higher") != 1 {
			t.Errorf("it has not what it goes first for: %v, kept %q", r.held(), r.kept())
		}
		stop()
	})
}

// Who goes first has what is kept for a group, and stops nobody for room elsewhere.
func TestGroup_DrainedHasNobodyStopped(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		for _, w := range []berth.WorkerID{"a", "b"} {
			r.offers(w, false, nil)
		}
		r.submitGroup(d, r.whole("g", 2))
		for _, w := range []berth.WorkerID{"d", "e"} {
			r.offers(w, false, nil)
		}
		for _, id := range []string{"l", "m"} {
			r.run(d, id, sizedOf("v", 1000, 0))
		}
		r.passes(time.Second)
		for _, k := range r.held() {
			w, id, _ := strings.Cut(k, "/")
			r.runs(w, id)
		}
		r.offers("c", false, nil)
		_, err := d.SetIntent(r.t.Context(), "a", daemon.Wish{Drain: true})
		r.ok(err)
		for round := range 60 {
			if round == 3 {
				r.run(d, "high", urgent(1000, 5))
			}
			r.passes(100 * time.Millisecond)
			for _, k := range r.held() {
				w, id, _ := strings.Cut(k, "/")
				a, _ := r.allocation(w, id)
				switch {
				case a.Stop == nil:
				case id == "l" || id == "m":
					t.Fatalf("%s is stopped: %s", id, a.Stop.Message)
				case a.State == berth.StateRunning:
					r.exits(w, id)
				}
			}
		}
		if r.located("high") == 0 {
			t.Errorf("held %v", r.held())
		}
		stop()
	})
}
