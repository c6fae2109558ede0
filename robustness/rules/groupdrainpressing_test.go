package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/snapshot"
)

// A drained group for which others have to make room is kept where it will go from the first stop order on: nobody is started there to make room for it a moment later,
// and it has that made as soon as it is its turn. A plan tells so.
func TestGroup_DrainedStartsNobodyToBeStopped(t *testing.T) {
	for _, runs := range []bool{false, true} {
		for _, ends := range []time.Duration{0, 300 * time.Millisecond, 2500 * time.Millisecond} {
			for n := 1; n <= 3; n += 2 {
				if !runs && ends > 0 {
					continue
				}
				t.Run(fmt.Sprintf("they run %t, and end in %s, %d daemons", runs, ends, n), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(n)
						p := r.moves(ds, 0, runs)
						r.run(ds[n-1], "x", sized(1000, 0))
						r.passes(2 * time.Second)
						for _, o := range r.foretold(&snapshot.Change{Drain: []berth.WorkerID{p.drain}}) {
							if want := map[berth.RequestID]string{"g.0": snapshot.KindMoved, "g.1": snapshot.KindMoved, "l": snapshot.KindStopped, "x": snapshot.KindWaiting}[o.Request]; o.Kind != want || (o.Worker != "") != (o.Group != "") {
								t.Errorf("a plan tells %s %s on %q, want %s", o.Request, o.Kind, o.Worker, want)
							}
						}
						r.drains(ds[0], p.drain, daemon.Wish{Drain: true})
						for at := time.Duration(0); at < ends+1300*time.Millisecond; at += 50 * time.Millisecond {
							if at >= ends {
								r.exitToldOnes()
							}
							r.passes(50 * time.Millisecond)
							if r.located("x") > 0 {
								r.t.Fatalf("it is started: %v", r.held())
							}
							if told := r.foretoldOn(&snapshot.Change{}); at < ends && (told["x"] != "" || told["g.0"] == "" || told["g.1"] == "") {
								t.Errorf("after %s a plan tells %v", at, told)
							}
						}
						if r.located("g.0", "g.1") != 2 || r.located("l") != 0 {
							t.Errorf("held %v, kept %+v", r.held(), r.keptRecord())
						}
						stop()
						checked()
					})
				})
			}
		}
	}
}

// So it is with several that are drained together, or one after the other: each is kept where it will go until it is its turn to have others make room.
func TestGroup_DrainedTogetherStartNobodyToBeStopped(t *testing.T) {
	for _, runs := range []bool{false, true} {
		for _, apart := range []time.Duration{0, 300 * time.Millisecond} {
			for n := 1; n <= 3; n += 2 {
				t.Run(fmt.Sprintf("%s apart, they run %t, %d daemons", apart, runs, n), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(n)
						d := r.drainable(ds, 2, runs, func(g *berth.Request) { g.Preemption = berth.PreemptionLower })
						for i := range d.drain {
							id, on := fmt.Sprint("l", i), berth.WorkerID(fmt.Sprint("c", i))
							r.run(ds[0], id, onlyOn(on, 0))
							r.passes(time.Second)
							r.runs(string(on), id)
						}
						r.run(ds[n-1], "x0", sized(1000, 0))
						r.run(ds[0], "x1", sized(1000, 0))
						r.passes(2 * time.Second)
						for id, w := range r.foretoldOn(&snapshot.Change{Drain: d.drain}) {
							if (w != "") != (id[0] == 'g') {
								t.Errorf("a plan tells that %s goes to %q", id, w)
							}
						}
						for i, w := range d.drain {
							if i > 0 {
								r.passes(apart)
							}
							r.drains(ds[0], w, daemon.Wish{Drain: true})
						}
						for range 100 {
							r.passes(50 * time.Millisecond)
							r.exitToldOnes()
							if r.located("x0", "x1") > 0 {
								r.t.Fatalf("it is started: %v", r.held())
							}
						}
						if r.heldOf()["g"] != 4 {
							t.Errorf("held %v, kept %+v", r.held(), r.keptRecord())
						}
						stop()
						checked()
					})
				})
			}
		}
	}
}

// Where nobody can make room for it, its places are anybody's at once; and where nobody can any more when it is its turn, before long.
func TestGroup_DrainedInVainKeepsNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		beside int32 // the priority of who runs beside it
		closes bool  // the worker there is cordoned meanwhile
		within time.Duration
	}{
		{"nobody can", 9, false, time.Second},
		{"nobody can that matters as much", 5, false, time.Second},
		{"nobody can any more", 0, true, 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				ds, stop := r.several(1)
				p := r.moves(ds, tt.beside, true)
				r.run(ds[0], "x", sized(1000, 0))
				r.passes(2 * time.Second)
				r.drains(ds[0], p.drain, daemon.Wish{Drain: true})
				r.passes(100 * time.Millisecond)
				if kept := r.keptRecord(); (kept != nil) != tt.closes {
					t.Errorf("kept %+v", kept)
				}
				if tt.closes {
					r.drains(ds[0], p.beside, daemon.Wish{Cordon: true})
				}
				r.exitToldOnes()
				r.passes(tt.within)
				if r.located("x") != 1 || r.located("l") != 1 {
					t.Errorf("held %v, kept %+v", r.held(), r.keptRecord())
				}
				stop()
			})
		})
	}
}

// pressed tells where the first member is of a group of two whole workers for which others may have to make room, and who runs on a third worker.
type pressed struct{ drain, beside berth.WorkerID }

func (r *rig) moves(ds []*daemon.Daemon, beside int32, runs bool) (p pressed) {
	r.t.Helper()
	for i := range 3 {
		r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, nil)
	}
	r.run(ds[0], "l", sized(1000, beside))
	g := r.whole("g", 2)
	g.Priority, g.Preemption = 5, berth.PreemptionLower
	r.submitGroup(ds[0], g)
	r.passes(time.Second)
	for _, k := range r.held() {
		w, id, _ := strings.Cut(k, "/")
		if runs || id == "l" {
			r.runs(w, id)
		}
		switch id {
		case "g.0":
			p.drain = berth.WorkerID(w)
		case "l":
			p.beside = berth.WorkerID(w)
		}
	}
	if p.drain == "" || p.beside == "" {
		r.t.Fatalf("held %v", r.held())
	}
	return p
}
