package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// TestReclaim_GroupWhereItHelps: what ends for a lender's group is where its members have room then, and no more ends than is wanted back;
// where nothing of the borrower's would make room, nothing ends, until that is so.
func TestReclaim_GroupWhereItHelps(t *testing.T) {
	for _, tt := range []struct {
		name          string
		workers, size int64
		others        int // of the workers' halves, that are neither the borrower's nor any tenant's with a quota
		want          int // that end
	}{
		{"one", 3, 1, 0, 2},
		{"two", 4, 2, 0, 4},
		{"four of five", 5, 4, 0, 8},
		{"no room", 2, 1, 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.alone()
				defer stop()
				lent := tt.size * capacity.CPUMilli
				r.reclaimsAfter(d, "a", tt.workers*capacity.CPUMilli, lent, 5*time.Second)
				r.guarantee(d, "b", tt.workers*capacity.CPUMilli, (2*tt.workers-int64(tt.others))*capacity.CPUMilli/2-lent)
				for i := range tt.workers {
					r.lives(berth.WorkerID(fmt.Sprint("w", i)))
				}
				for i := range 2 * int(tt.workers) {
					of := berth.TenantID("b")
					if i < tt.others {
						of = "c"
					}
					r.run(d, fmt.Sprint(of, i), slots(of, 5))
					r.passes(10 * time.Millisecond)
				}
				for _, x := range r.held() {
					w, id, _ := strings.Cut(x, "/")
					r.runs(w, id)
				}
				r.passes(time.Second)
				g := r.group("g", tt.size, tt.size)
				slots("a", 10)(&g)
				r.submitGroup(d, g)
				r.passes(10 * time.Second)
				told := r.toldToStop()
				if len(told) != tt.want {
					t.Fatalf("%v are told to stop, want %d: %v", told, tt.want, r.held())
				}
				for _, x := range told {
					w, id, _ := strings.Cut(x, "/")
					r.exits(w, id)
				}
				r.passes(2 * time.Second)
				if placed := slices.ContainsFunc(r.held(), func(x string) bool { return strings.HasSuffix(x, "/g.0") }); placed != (tt.want > 0) {
					t.Errorf("placed: %v: %v", placed, r.held())
				}
				if tt.want > 0 {
					return
				}
				r.run(d, "small", slots("a", 5)) // behind it
				r.passes(15 * time.Second)
				if told = r.toldToStop(); len(told) != 1 {
					t.Fatalf("%v are told to stop for what is behind it, want one", told)
				}
				w, id, _ := strings.Cut(told[0], "/")
				r.exits(w, id)
				r.passes(2 * time.Second)
				if r.are("small") != 1 {
					t.Errorf("what is behind the group has no place: %v", r.held())
				}
				r.leave("small")
				r.passes(2 * time.Second)
				for _, x := range r.held() {
					if w, id, _ := strings.Cut(x, "/"); id == "c0" {
						r.exits(w, id)
					}
				}
				r.passes(15 * time.Second)
				if told := r.toldToStop(); len(told) > 1 || r.are("g.0")+len(told) != 1 { // all that is lent
					t.Errorf("%v are told to stop when there is room by that: %v", told, r.held())
				}
			})
		})
	}
}

// toldToStop are the allocations that are told to stop.
func (r *rig) toldToStop() (told []string) {
	for _, x := range r.held() {
		w, id, _ := strings.Cut(x, "/")
		if a, _ := r.allocation(w, id); a.Stop != nil {
			told = append(told, x)
		}
	}
	return told
}

// TestReclaim_GroupRoomIsKept: what ends for a lender's group is kept for it: who waits for no quota does not take the half of a worker that
// comes free before the other half.
func TestReclaim_GroupRoomIsKept(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.alone()
		defer stop()
		for _, w := range []berth.WorkerID{"v", "w"} {
			r.lives(w)
		}
		r.halves(d, "b", "b", "b", "b")
		r.run(d, "x", slots("x", 5))
		g := r.group("g", 1, 1)
		slots("a", 10)(&g)
		r.submitGroup(d, g)
		r.passes(10 * time.Second)
		told := r.toldToStop()
		if len(told) != 2 {
			t.Fatalf("%v are told to stop, want 2: %v", told, r.held())
		}
		for _, x := range told {
			w, id, _ := strings.Cut(x, "/")
			r.exits(w, id)
			r.passes(2 * time.Second)
		}
		if r.are("g.0") != 1 || r.are("x") != 0 {
			t.Errorf("others ended for the group, and there are %v", r.held())
		}
	})
}
