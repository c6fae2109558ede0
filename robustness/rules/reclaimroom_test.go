package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// halves are two workers of ten slots, full of halves of a tenant each; a guarantees itself one worker, b the other.
func (r *rig) halves(d *daemon.Daemon, tenants ...berth.TenantID) {
	r.t.Helper()
	r.reclaimsAfter(d, "a", 2*capacity.CPUMilli, capacity.CPUMilli, 5*time.Second)
	r.guarantee(d, "b", 2*capacity.CPUMilli, capacity.CPUMilli)
	for i, t := range tenants {
		id := string(t) + string(rune('0'+i))
		r.run(d, id, slots(t, 5))
		r.passes(10 * time.Millisecond)
		r.runs(r.whereIs(id), id)
	}
	r.passes(time.Second)
}

// whereIs is the worker that has a request.
func (r *rig) whereIs(id string) string {
	for _, w := range []string{"w", "v"} {
		if r.kv("allocations/"+w+"/"+id) != nil {
			return w
		}
	}
	r.t.Fatalf("%s has no place", id)
	return ""
}

// reclaimedFrom are the workers on which something was told to stop for a lender.
func (r *rig) reclaimedFrom(ids ...string) (out []string) {
	for _, id := range ids {
		w := r.whereIs(id)
		if a, _ := r.allocation(w, id); a.Stop != nil && a.Stop.Reason == berth.StopReclaim {
			out = append(out, w)
		}
	}
	return out
}

// What ends for a lender is where its request has room then: here both on one worker, though the youngest are
// on two.
func TestReclaim_WhereItHelps(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		_, kill2 := r.lives("v")
		defer kill2()
		d, stop := r.daemon()
		r.halves(d, "b", "b", "b", "b")
		all := []string{"b0", "b1", "b2", "b3"}
		if r.whereIs("b2") == r.whereIs("b3") {
			t.Fatal("the youngest are on one worker")
		}
		r.run(d, "a0", slots("a", 10))
		r.passes(8 * time.Second)
		from := r.reclaimedFrom(all...)
		if len(from) != 2 || from[0] != from[1] {
			t.Fatalf("told to stop on %v, want two on one worker", from)
		}
		for _, id := range all {
			if w := r.whereIs(id); w == from[0] {
				r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Signal: "SIGTERM", At: time.Now().UTC()})
			}
		}
		r.passes(time.Second)
		if r.located("a0") != 1 {
			t.Error("the lender's request has no place")
		}
		stop()
	})
}

// Nothing ends for a lender where no place comes free by it: others have the rest of each worker.
func TestReclaim_InVain(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		_, kill2 := r.lives("v")
		defer kill2()
		d, stop := r.daemon()
		r.halves(d, "c", "c", "b", "b") // c has no limits
		if r.whereIs("b2") == r.whereIs("b3") {
			t.Fatal("what was borrowed is on one worker")
		}
		r.guarantee(d, "b", 2*capacity.CPUMilli, 0) // both are borrowed
		r.passes(time.Second)
		r.run(d, "a0", slots("a", 10))
		r.passes(30 * time.Second)
		if from := r.reclaimedFrom("b2", "b3"); len(from) > 0 {
			t.Errorf("told to stop on %v, and a0 has no room by that", slices.Compact(from))
		}
		stop()
	})
}
