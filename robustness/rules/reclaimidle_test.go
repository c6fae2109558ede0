package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// idleRig is a lender, a, of all that its pool has, and those who have borrowed that, with some of it that they do not use. Each call of the
// store takes a while, so that a daemon that reclaims does not see at once what others give back.
type idleRig struct {
	*rig
	ds    []*daemon.Daemon
	grace map[string]time.Duration
	told  map[string]time.Time
}

func (r *rig) lendsAll(ds []*daemon.Daemon, milli int64, borrowers ...berth.TenantID) *idleRig {
	r.t.Helper()
	r.conn.between(func(_ proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		<-time.After(time.Millisecond)
		resp, err := apply()
		<-time.After(time.Millisecond)
		return resp, err
	})
	r.reclaimsAfter(ds[0], "a", milli, milli, 0)
	for _, t := range borrowers {
		r.guarantee(ds[0], t, milli, 0)
	}
	return &idleRig{rig: r, ds: ds, grace: make(map[string]time.Duration), told: make(map[string]time.Time)}
}

// runOn has a worker run something, and nothing else on it.
func (r *idleRig) runOn(w, id string, t berth.TenantID, milli int64) {
	r.t.Helper()
	r.run(r.ds[len(r.grace)%len(r.ds)], id, func(q *berth.Request) {
		some(t, milli)(q)
		q.Constraints = []berth.Constraint{{Label: "name", Operator: berth.OperatorIn, Values: []string{w}}}
	})
	r.grace[id] = time.Duration(50+350*(len(r.grace)%2)) * time.Millisecond
	r.passes(200 * time.Millisecond)
	r.runs(w, id)
}

// goesOn lets what is told to stop end by its grace, for a while, and says how many were.
func (r *idleRig) goesOn(while time.Duration) int {
	r.t.Helper()
	for began := time.Now(); time.Since(began) < while; r.passes(20 * time.Millisecond) {
		for _, k := range r.held() {
			w, id, _ := strings.Cut(k, "/")
			a, _ := r.allocation(w, id)
			if a == nil || a.Stop == nil || a.State != berth.StateRunning {
				continue
			}
			if _, known := r.told[id]; !known {
				r.told[id] = time.Now()
			}
			if time.Since(r.told[id]) >= r.grace[id] {
				r.exits(w, id)
			}
		}
	}
	return len(r.told)
}

// comesToRest lets the store answer at once again, and time pass.
func (r *idleRig) comesToRest() {
	r.t.Helper()
	r.conn.between(nil)
	r.quiet()
}

// TestReclaim_IdleComesBackToo: what a borrower has and does not use comes back without anybody's end, whichever daemon has taken it, or none: for a
// lender's group no more end than make it room.
func TestReclaim_IdleComesBackToo(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, rack := range []bool{true, false} {
			for try := range 8 {
				t.Run(fmt.Sprintf("%d daemons, in one rack %t, %d", n, rack, try), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(n)
						x := r.lendsAll(ds, 2500, "b")
						for w, rack := range map[string]string{"u": "a", "v": "b", "w": "a"} {
							w += fmt.Sprint(try) // so they are various daemons'
							r.offers(berth.WorkerID(w), false, map[string]string{"rack": rack, "name": w})
						}
						on := func(w string, milli ...int64) {
							for i, v := range milli {
								x.runOn(fmt.Sprint(w, try), fmt.Sprintf("b%s%d%d", w, try, i), "b", v)
							}
						}
						x.runOn(fmt.Sprint("v", try), "c", "c", 500)
						on("u", 125, 250, 500)
						on("v", 125, 250)
						on("w", 250, 125, 250, 125, 125)
						g := r.group(fmt.Sprint("a", try), 3, 3)
						if some("a", 500)(&g); rack {
							g.Group.Topology = "rack"
						}
						r.submitGroup(ds[try%n], g)
						if told := x.goesOn(3 * time.Second); told != 5 || r.heldOf()["a"] != 3 {
							t.Errorf("%d are told to stop, want 5: %v; there are %v", told, slices.Sorted(maps.Keys(x.told)), r.held())
						}
						x.comesToRest()
						stop()
						checked()
					})
				})
			}
		}
	}
}

// TestReclaim_IdleOfAnotherFirst: of several borrowers, what one does not use is wanted back before what another does.
func TestReclaim_IdleOfAnotherFirst(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, tt := range []struct {
			asks int64
			want int // that end
		}{{375, 0}, {500, 1}} {
			for try := range 8 {
				t.Run(fmt.Sprintf("%d daemons, %d, %d", n, tt.asks, try), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(n)
						x := r.lendsAll(ds, 2000, "b", "c")
						u, v := fmt.Sprint("u", try), fmt.Sprint("v", try)
						for _, w := range []string{u, v} {
							r.offers(berth.WorkerID(w), false, map[string]string{"name": w})
						}
						x.runOn(u, "c0", "c", 250)
						x.runOn(u, "c1", "c", 250)
						x.runOn(v, "c2", "c", 125)
						x.runOn(u, "b0", "b", 250)
						x.runOn(u, "b1", "b", 250)
						x.runOn(v, "b2", "b", 250)
						x.runOn(v, "b3", "b", 250)
						id := fmt.Sprint("a", try)
						r.run(ds[try%n], id, some("a", tt.asks))
						if told := x.goesOn(3 * time.Second); told != tt.want || r.located(id) != 1 {
							t.Errorf("%d are told to stop, want %d: %v; there are %v", told, tt.want, slices.Sorted(maps.Keys(x.told)), r.held())
						}
						x.comesToRest()
						stop()
						checked()
					})
				})
			}
		}
	}
}
