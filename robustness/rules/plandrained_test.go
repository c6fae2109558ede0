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

// Of two groups that are drained together the second moves, though the first could begin on fewer workers than it has members for: for both the room is kept with which
// they begin, and the later members of the first have what that leaves. A plan tells so.
func TestForecast_DrainedLaterMembers(t *testing.T) {
	for _, first := range []int32{12, 10} {
		t.Run(fmt.Sprint("priority ", first), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				for i := range 4 {
					r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, nil)
				}
				g := r.group("g", 2, 2)
				g.Resources.CPUMilli, g.Priority = 750, 11
				r.submitGroup(d, g)
				h := r.group("h", 3, 2)
				h.Resources.CPUMilli, h.Priority = 500, first
				r.submitGroup(d, h)
				on := r.allRun()
				for i := 4; i < 6; i++ {
					r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, nil)
				}
				r.passes(time.Second)
				drain := []berth.WorkerID{on["h.0"], on["g.0"]}
				told := r.foretoldOn(&snapshot.Change{Drain: drain})
				for _, w := range drain {
					_, err := d.SetIntent(r.t.Context(), w, daemon.Wish{Drain: true})
					r.ok(err)
				}
				for range 50 {
					r.passes(100 * time.Millisecond)
					r.exitToldOnes()
				}
				for _, id := range []string{"g.0", "g.1", "h.0", "h.1", "h.2"} {
					if (told[berth.RequestID(id)] != "") != (r.located(id) == 1) {
						t.Errorf("a plan tells %v; held %v", told, r.held())
					}
				}
				if r.located("g.0", "g.1") != 2 {
					t.Errorf("held %v", r.held())
				}
				stop()
			})
		})
	}
}

// allRun has all run that is placed, and says where.
func (r *rig) allRun() map[string]berth.WorkerID {
	r.t.Helper()
	on := make(map[string]berth.WorkerID)
	for _, k := range r.held() {
		w, id, _ := strings.Cut(k, "/")
		r.runs(w, id)
		on[id] = berth.WorkerID(w)
	}
	return on
}
