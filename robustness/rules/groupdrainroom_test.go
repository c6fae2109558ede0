package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/snapshot"
)

// Of several groups of a pool that are drained at once, or one after the other, each keeps the room that it has once its members have ended: none of what
// waits with less priority has it, nor what is younger, as a plan tells.
func TestGroup_DrainedTogetherKeepTheirRoom(t *testing.T) {
	for _, groups := range []int{2, 3} {
		for _, apart := range []time.Duration{0, 500 * time.Millisecond} {
			for _, runs := range []bool{false, true} {
				for n := 1; n <= 2; n++ {
					t.Run(fmt.Sprintf("%d groups, %s apart, they run %t, %d daemons", groups, apart, runs, n), func(t *testing.T) {
						bubble(t, func(r *rig) {
							checked := r.checked()
							ds, stop := r.several(n)
							d := r.drainable(ds, groups, runs)
							for i, w := range d.stay {
								r.run(ds[i%n], fmt.Sprint("x", i), onlyOn(w, 0))
								r.run(ds[i%n], fmt.Sprint("y", i), onlyOn(w, 5))
							}
							r.passes(2 * time.Second)
							for id, w := range r.foretoldOn(&snapshot.Change{Drain: d.drain}) {
								if (w != "") != (id[0] == 'g') {
									t.Errorf("a plan tells that %s goes to %q", id, w)
								}
							}
							next := 0
							for round := range 200 {
								for ; next < groups && time.Duration(round)*100*time.Millisecond >= time.Duration(next)*apart; next++ {
									_, err := ds[0].SetIntent(r.t.Context(), d.drain[next], daemon.Wish{Drain: true})
									r.ok(err)
								}
								if next == groups && round%100 == 20 {
									r.run(ds[0], "xnew", sized(1000, 0))
								}
								r.passes(100 * time.Millisecond)
								if next == groups && round%100 < 20 {
									for id, w := range r.foretoldOn(&snapshot.Change{}) {
										if (w != "") != (id[0] == 'g') {
											t.Errorf("after %d00 ms a plan tells that %s goes to %q", round, id, w)
										}
									}
								}
								r.exitToldOnes()
							}
							if of := r.heldOf(); of["g"] != 2*groups || of["x"]+of["y"] > 0 {
								t.Errorf("held %v", r.held())
							}
							if kept := r.keptRecord(); kept != nil {
								t.Errorf("left behind: %+v", kept)
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

// drainable are groups of two whole workers each, and as many workers that are free.
type drainable struct {
	drain, stay []berth.WorkerID // of each group one
}

func (r *rig) drainable(ds []*daemon.Daemon, groups int, runs bool, as ...func(*berth.Request)) (d drainable) {
	r.t.Helper()
	offer := func(w string) { r.offers(berth.WorkerID(w), false, map[string]string{"n": w}) }
	for i := range groups {
		offer(fmt.Sprint("a", i))
		offer(fmt.Sprint("b", i))
		g := r.whole(fmt.Sprint("g", i), 2)
		g.Priority, g.StartTimeoutMS = 5, 3_600_000
		for _, of := range as {
			of(&g)
		}
		r.submitGroup(ds[i%len(ds)], g)
		r.passes(time.Second)
	}
	d.drain, d.stay = make([]berth.WorkerID, groups), make([]berth.WorkerID, groups)
	for _, k := range r.held() {
		w, id, _ := strings.Cut(k, "/")
		if runs {
			r.runs(w, id)
		}
		of := d.drain
		if strings.HasSuffix(id, ".1") {
			of = d.stay
		}
		of[id[1]-'0'] = berth.WorkerID(w)
	}
	if slices.Contains(append(d.drain, d.stay...), "") {
		r.t.Fatalf("held %v", r.held())
	}
	for i := range groups {
		offer(fmt.Sprint("c", i))
	}
	return d
}

// onlyOn is what takes one whole worker, and no other.
func onlyOn(w berth.WorkerID, priority int32) func(*berth.Request) {
	return func(q *berth.Request) {
		sized(1000, priority)(q)
		q.Constraints = []berth.Constraint{{Label: "n", Operator: berth.OperatorIn, Values: []string{string(w)}}}
	}
}

// keptRecord is what is kept in the pool, or nil.
func (r *rig) keptRecord() *berth.Keep {
	r.t.Helper()
	kv := r.kv("keeps/default")
	if kv == nil {
		return nil
	}
	var k berth.Keep
	r.ok(json.Unmarshal(kv.Value, &k))
	return &k
}

// Who goes first has what is kept for any of them, as a plan tells: alone, or as a group; and the others have theirs.
func TestGroup_DrainedTogetherGiveWay(t *testing.T) {
	for i := range 2 {
		for _, whole := range []bool{false, true} {
			for _, runs := range []bool{false, true} {
				t.Run(fmt.Sprintf("place of %d, a group %t, they run %t", i, whole, runs), func(t *testing.T) {
					bubble(t, func(r *rig) {
						ds, stop := r.several(1)
						d := r.drainable(ds, 2, runs)
						if whole {
							h := r.whole("h", 1)
							onlyOn(d.stay[i], 9)(&h)
							r.submitGroup(ds[0], h)
						} else {
							r.run(ds[0], "h", onlyOn(d.stay[i], 9))
						}
						r.run(ds[0], "x", onlyOn(d.stay[1-i], 0))
						r.passes(2 * time.Second)
						placed := make(map[byte]int)
						told := r.foretoldOn(&snapshot.Change{Drain: d.drain})
						for id, w := range told {
							if w != "" {
								placed[id[0]]++
							}
						}
						if placed['h'] != 1 || placed['g'] != 2 {
							t.Errorf("a plan tells %v", told)
						}
						for _, w := range d.drain {
							_, err := ds[0].SetIntent(r.t.Context(), w, daemon.Wish{Drain: true})
							r.ok(err)
						}
						for range 200 {
							r.passes(100 * time.Millisecond)
							r.exitToldOnes()
						}
						if of := r.heldOf(); of["h"] != 1 || of["g"] != 2 {
							t.Errorf("held %v", r.held())
						}
						stop()
					})
				})
			}
		}
	}
}

// While their members end, for however long, who goes first has what is kept for any of them.
func TestGroup_DrainedTogetherKeepNobodyOffWhoGoesFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		ds, stop := r.several(2)
		d := r.drainable(ds, 2, true)
		for _, w := range d.drain {
			_, err := ds[0].SetIntent(r.t.Context(), w, daemon.Wish{Drain: true})
			r.ok(err)
		}
		r.passes(time.Second)
		for i, w := range d.drain {
			r.exits(string(w), fmt.Sprint("g", i, ".0"))
		}
		r.passes(time.Second)
		k := r.keptRecord()
		if len(k.Groups()) != 2 {
			t.Fatalf("kept %+v", k)
		}
		r.run(ds[0], "lower", sized(1000, 1))
		r.passes(5 * time.Second)
		if r.located("lower") != 0 {
			t.Errorf("it has what is kept: %v", r.held())
		}
		_, err := ds[0].Cancel(r.t.Context(), "lower", "") // else it has its turn by its own daemon when the room is given up
		r.ok(err)
		for i, g := range []berth.GroupID{k.Beside[0].Group, k.Group} {
			id := fmt.Sprint("high", i)
			for _, w := range k.For(g) {
				if strings.HasPrefix(string(w.Worker), "c") {
					r.run(ds[1], id, onlyOn(w.Worker, 9))
				}
			}
			r.passes(5 * time.Second)
			if left := r.keptRecord(); r.located(id) != 1 || i == 0 && fmt.Sprint(left.Groups()) != fmt.Sprint([]berth.GroupID{k.Group}) {
				t.Errorf("%s has not what it goes first for: %v, kept %+v", id, r.held(), left)
			}
		}
		stop()
	})
}

// What is kept for one beside another ends when it has been tried in vain: where it is of no use to it, others have it.
func TestGroup_DrainedTogetherInVain(t *testing.T) {
	bubble(t, func(r *rig) {
		ds, stop := r.several(2)
		d := r.drainable(ds, 3, true)
		for i, w := range d.stay {
			r.run(ds[i%2], fmt.Sprint("x", i), onlyOn(w, 0))
		}
		for _, w := range d.drain {
			_, err := ds[0].SetIntent(r.t.Context(), w, daemon.Wish{Drain: true})
			r.ok(err)
		}
		for round := range 50 {
			if round == 5 {
				for i := range 3 {
					_, err := ds[0].SetIntent(r.t.Context(), berth.WorkerID(fmt.Sprint("c", i)), daemon.Wish{Cordon: true})
					r.ok(err)
				}
			}
			r.passes(100 * time.Millisecond)
			r.exitToldOnes()
		}
		if k := r.keptRecord(); len(k.Groups()) > 1 {
			t.Errorf("kept %+v", k)
		}
		for _, w := range d.stay { // in use, or kept for the one that gathers
			if !strings.Contains(fmt.Sprint(" ", r.held()), string(w)+"/") && !strings.Contains(r.kept(), string(w)) {
				t.Errorf("%s is idle: held %v, kept %+v", w, r.held(), r.keptRecord())
			}
		}
		stop()
	})
}

// Another daemon keeps and places them when the one that planned them ends.
func TestGroup_DrainedTogetherDaemonEnds(t *testing.T) {
	bubble(t, func(r *rig) {
		checked := r.checked()
		var ds []*daemon.Daemon
		var ends []func()
		for _, id := range []string{"d0", "d1"} {
			d, end := r.daemonOn(r.store(etcdstore.Options{TxnBase: id}), daemon.Options{ID: berth.DaemonID(id)})
			ds, ends = append(ds, d), append(ends, end)
		}
		r.passes(time.Second)
		d := r.drainable(ds, 3, true)
		for i, w := range d.stay {
			r.run(ds[i%2], fmt.Sprint("x", i), onlyOn(w, 0))
		}
		for _, w := range d.drain {
			_, err := ds[1].SetIntent(r.t.Context(), w, daemon.Wish{Drain: true})
			r.ok(err)
		}
		for round := range 300 {
			if round == 4 {
				ends[0]()
			}
			r.passes(100 * time.Millisecond)
			r.exitToldOnes()
		}
		if of := r.heldOf(); of["g"] != 6 || of["x"] > 0 {
			t.Errorf("held %v", r.held())
		}
		if kept := r.keptRecord(); kept != nil {
			t.Errorf("left behind: %+v", kept)
		}
		ends[1]()
		checked()
	})
}

// One keeps its room also beside what is kept for a group that gathers, and matters as much, until it has been tried.
func TestGroup_DrainedBesideWhoGathers(t *testing.T) {
	for n := 1; n <= 2; n++ {
		for _, vain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d daemons, in vain %t", n, vain), func(t *testing.T) {
				bubble(t, func(r *rig) {
					ds, stop := r.several(n)
					d := r.drainable(ds, 1, true)
					r.offers("s", false, map[string]string{"n": "s"})
					r.run(ds[0], "s", onlyOn("s", 0))
					r.offers("t", false, map[string]string{"n": "t"})
					m := r.whole("m", 2)
					m.Priority = 5
					m.Constraints = []berth.Constraint{{Label: "n", Operator: berth.OperatorIn, Values: []string{"s", "t"}}}
					r.submitGroup(ds[0], m)
					r.passes(2 * time.Second)
					r.run(ds[0], "x0", onlyOn(d.stay[0], 0))
					r.run(ds[0], "y0", onlyOn(d.stay[0], 5))
					_, err := ds[0].SetIntent(r.t.Context(), d.drain[0], daemon.Wish{Drain: true})
					r.ok(err)
					for round := range 50 {
						if round == 5 && vain {
							_, err := ds[0].SetIntent(r.t.Context(), "c0", daemon.Wish{Cordon: true})
							r.ok(err)
						}
						r.passes(100 * time.Millisecond)
						r.exitToldOnes()
					}
					if of := r.heldOf(); (of["g"] == 2) == vain || (of["x"]+of["y"] > 0) != vain {
						t.Errorf("held %v", r.held())
					}
					if k := r.keptRecord(); len(k.Groups()) != 1 || k.Group != "m" {
						t.Errorf("kept %+v", k)
					}
					stop()
				})
			})
		}
	}
}

// Each keeps its room also where the store is slow, and what is kept for one is being written when the member of another has ended.
func TestGroup_DrainedTogetherInFlight(t *testing.T) {
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprintf("%d daemons", n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				ds, stop := r.several(n)
				d := r.drainable(ds, 3, false)
				for i, w := range d.stay {
					r.run(ds[i%n], fmt.Sprint("x", i), onlyOn(w, 0))
				}
				r.passes(2 * time.Second)
				r.slowly(20 * time.Millisecond)
				for i, w := range d.drain {
					go func() {
						<-time.After(time.Duration(i) * 10 * time.Millisecond)
						_, err := ds[i%n].SetIntent(r.t.Context(), w, daemon.Wish{Drain: true})
						r.ok(err)
					}()
				}
				r.passes(10 * time.Second)
				if of := r.heldOf(); of["g"] != 6 || of["x"] > 0 {
					t.Errorf("held %v", r.held())
				}
				stop()
			})
		})
	}
}

// Of many that one drain stops each keeps its room, of workers that they share.
func TestGroup_DrainedOnOneWorker(t *testing.T) {
	for n := 1; n <= 2; n++ {
		for _, runs := range []bool{false, true} {
			t.Run(fmt.Sprintf("they run %t, %d daemons", runs, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(n)
					for _, w := range []string{"a", "b"} {
						r.offers(berth.WorkerID(w), false, map[string]string{"n": w})
					}
					for i := range 6 {
						id := fmt.Sprint("g", i)
						g := r.group(id, 2, 2)
						g.Priority, g.Labels, g.StartTimeoutMS = 5, map[string]string{"of": id}, 3_600_000
						g.Resources.CPUMilli = 150
						g.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "of", Value: id}, Topology: berth.TopologyHost}}
						r.submitGroup(ds[i%n], g)
						r.passes(time.Second)
					}
					if runs {
						for _, k := range r.held() {
							w, id, _ := strings.Cut(k, "/")
							r.runs(w, id)
						}
					}
					r.offers("c", false, map[string]string{"n": "c"})
					asks := func(id string, of func(*berth.Request)) {
						r.run(ds[0], id, func(q *berth.Request) {
							of(q)
							q.Resources.CPUMilli = 160 // of a worker with six of them less is free
						})
					}
					for i := range 6 {
						asks(fmt.Sprint("x", i), onlyOn("b", 0))
					}
					_, err := ds[0].SetIntent(r.t.Context(), "a", daemon.Wish{Drain: true})
					r.ok(err)
					for round := range 100 {
						if round == 4 {
							asks("xnew", sized(160, 0))
						}
						r.passes(100 * time.Millisecond)
						r.exitToldOnes()
					}
					if of := r.heldOf(); of["g"] != 12 || of["x"] > 0 {
						t.Errorf("held %v", r.held())
					}
					stop()
					checked()
				})
			})
		}
	}
}
