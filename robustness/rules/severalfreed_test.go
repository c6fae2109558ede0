package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// ownersDiffer are pairs of workers, of which among three daemons one owns both, or each its own.
var ownersDiffer = [][2]string{{"a", "b"}, {"c", "d"}, {"w0", "w1"}}

// exitedAt reports the ends of what is on a worker, all at once.
func (r *rig) exitedAt(w string, ids ...string) {
	r.t.Helper()
	var items []etcdstore.ReportItem
	for _, id := range ids {
		a, mod := r.allocation(w, id)
		a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()}
		items = append(items, etcdstore.ReportItem{Request: berth.RequestID(id), AllocationWas: mod, Allocation: *a})
	}
	_, err := r.Report(r.t.Context(), berth.WorkerID(w), items)
	r.ok(err)
}

// Quota that an end frees is of several daemons, too, for what has the higher priority and needs all of it, be it a group, and not for what the same end frees a
// worker for: whoever plans them, where quota was taken for the lower one a moment before, and where the store is slow.
func TestSeveral_FreedGoesInOrder(t *testing.T) {
	for _, tt := range []struct {
		name       string
		size, lows int64 // members of what goes first, and of what comes behind; 0: it is alone
		preempts   bool  // what comes behind may have others make room
	}{
		{"alone", 0, 0, false}, {"a group first", 2, 0, false}, {"a group behind", 0, 2, false}, {"behind that may have others make room", 0, 0, true},
	} {
		for _, ws := range ownersDiffer {
			for _, ids := range [][2]string{{"h", "l"}, {"hh", "ll"}, {"h1", "l1"}, {"h", "l3"}} {
				for _, waits := range []time.Duration{400 * time.Millisecond, 2 * time.Second} {
					t.Run(fmt.Sprintf("%s, %v on %v, after %s", tt.name, ids, ws, waits), func(t *testing.T) {
						bubble(t, func(r *rig) {
							checked := r.checked()
							ds, stop := r.several(3)
							kills := []func(){r.livesNamed(berth.WorkerID(ws[0]), 4000)}
							r.run(ds[0], "other", sizedOf("c", 1000, 0))
							r.limit(ds[0], "b", 4000)
							submit := func(d *daemon.Daemon, id, on string, size, milli int64, priority int32) {
								q := r.submission(id).Spec
								if size > 0 {
									q = r.whole(id, size)
									milli /= size
								}
								sizedOf("b", milli, priority)(&q)
								q.Constraints = []berth.Constraint{{Label: "n", Operator: berth.OperatorIn, Values: []string{on}}}
								q.StartTimeoutMS = 3_600_000
								if tt.preempts && id == ids[1] {
									q.Preemption = berth.PreemptionLower
								}
								if size > 0 {
									r.submitGroup(d, q)
								} else {
									r.run(d, id, func(s *berth.Request) { *s = q })
								}
							}
							for _, id := range []string{"e0", "e1"} {
								submit(ds[0], id, ws[0], 0, 1000, 20)
								r.runs(ws[0], id)
							}
							kills = append(kills, r.livesNamed(berth.WorkerID(ws[1]), 8000))
							submit(ds[1], ids[0], ws[1], tt.size, 3000, 10)
							submit(ds[0], ids[1], ws[0], tt.lows, 2000, 0)
							if r.passes(waits); waits > time.Second {
								r.slowly(5 * time.Millisecond)
							}
							r.exitedAt(ws[0], "e0")
							r.passes(3 * time.Second)
							if of := r.heldOf(); of["h"] != int(max(tt.size, 1)) {
								t.Errorf("held %v", r.held())
							}
							stop()
							endAll(kills)
							checked()
						})
					})
				}
			}
		}
	}
}

// What a drain stops, and needs most of its tenant's quota, has it again before what has a lower priority, also of another daemon that waits for its part.
func TestSeveral_DrainedBeforeLower(t *testing.T) {
	for _, ws := range ownersDiffer {
		for _, id := range []string{"h", "hh", "h1"} {
			for _, together := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s on %v, together %t", id, ws, together), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(3)
						kills := []func(){r.livesNamed(berth.WorkerID(ws[0]), 2250)}
						r.limit(ds[0], "b", 2250)
						submit := func(d *daemon.Daemon, id string, milli int64, priority int32) {
							r.run(d, id, func(q *berth.Request) {
								sizedOf("b", milli, priority)(q)
								q.StartTimeoutMS = 3_600_000
							})
						}
						submit(ds[0], id, 2000, 5)
						submit(ds[0], "e", 250, 0)
						r.runs(ws[0], id)
						r.runs(ws[0], "e")
						r.passes(time.Second)
						for i := range 3 {
							submit(ds[i], fmt.Sprint("l", i), 500, 0)
						}
						kills = append(kills, r.livesNamed(berth.WorkerID(ws[1]), 8000))
						r.passes(time.Second)
						_, err := ds[0].SetIntent(r.t.Context(), berth.WorkerID(ws[0]), daemon.Wish{Drain: true})
						r.ok(err)
						r.passes(20 * time.Millisecond)
						if together {
							r.exitedAt(ws[0], "e", id)
						} else {
							r.exitedAt(ws[0], "e")
							r.exitedAt(ws[0], id)
						}
						r.passes(3 * time.Second)
						if r.located(id) != 1 {
							t.Errorf("held %v", r.held())
						}
						stop()
						endAll(kills)
						checked()
					})
				})
			}
		}
	}
}

// What waits for most of its tenant's quota, with the highest priority, has that when it comes free here, and not the daemons that wait with what has a lower one their
// parts.
func TestSeveral_FirstHasMoreThanItsPart(t *testing.T) {
	for _, size := range []int64{0, 2} {
		for _, ws := range ownersDiffer {
			for _, id := range []string{"h", "hh", "h1", "h2"} {
				t.Run(fmt.Sprintf("%s of %d on %v", id, size, ws), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(3)
						kills := []func(){r.livesNamed(berth.WorkerID(ws[0]), 8000), r.livesNamed(berth.WorkerID(ws[1]), 8000)}
						r.limit(ds[0], "b", 2250)
						of := func(milli int64, priority int32) func(*berth.Request) {
							return func(q *berth.Request) {
								sizedOf("b", milli, priority)(q)
								q.StartTimeoutMS = 3_600_000
							}
						}
						r.run(ds[0], id+"0", of(2250, 9)) // by the same daemon, mostly
						r.runs(r.whereIs(id+"0"), id+"0")
						for i := range 6 {
							r.run(ds[i%3], fmt.Sprint("l", i), of(500, 0))
						}
						if size > 0 {
							g := r.whole(id, size)
							of(2000/size, 5)(&g)
							r.submitGroup(ds[0], g)
						} else {
							r.run(ds[0], id, of(2000, 5))
						}
						r.passes(2 * time.Second)
						r.exitedAt(r.whereIs(id+"0"), id+"0")
						r.passes(3 * time.Second)
						if of := r.heldOf(); of["h"] != int(max(size, 1)) {
							t.Errorf("held %v", r.held())
						}
						stop()
						endAll(kills)
						checked()
					})
				})
			}
		}
	}
}
