package rules

import (
	"slices"
	"strings"
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
	r.t.Helper()
	for _, k := range r.held() {
		if w, of, _ := strings.Cut(k, "/"); of == id {
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

// What makes room by itself, the youngest, would be one too many with what more is wanted back: what makes room and is enough ends
// alone.
func TestReclaim_NoneTooMany(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.run(d, "x0", some("x", 960))
		r.reclaimsAfter(d, "b", 30, 30, 5*time.Second)
		r.guarantee(d, "a", 30, 0)
		r.run(d, "a0", some("a", 20))
		r.passes(time.Second)
		r.run(d, "a1", some("a", 10))
		for _, id := range []string{"x0", "a0", "a1"} {
			r.runs("w", id)
		}
		r.passes(time.Second)
		r.run(d, "b0", some("b", 20))
		r.passes(8 * time.Second)
		if told := r.stoppedFor(berth.StopReclaim, "a0", "a1"); len(told) != 1 || told[0] != "a0" {
			t.Errorf("%v are told to stop, want a0", told)
		}
		stop()
	})
}

// As above, where what is enough alone is on a worker that takes nothing: another makes room, and is needed with what more is wanted
// back.
func TestReclaim_AnotherMakesRoom(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.reclaimsAfter(d, "b", 60, 60, 5*time.Second)
		r.guarantee(d, "a", 60, 0)
		placed := func(id string, t berth.TenantID, milli int64, on string) {
			r.run(d, id, some(t, milli))
			r.passes(time.Second)
			r.runs(on, id)
		}
		placed("x0", "x", 971, "w")
		placed("a0", "a", 10, "w")
		_, killU := r.lives("u")
		defer killU()
		placed("a1", "a", 30, "u")
		_, err := r.SetIntent(r.t.Context(), "u", func(*berth.Intent) *berth.Intent { return &berth.Intent{Cordon: true, At: time.Now().UTC()} })
		r.ok(err)
		_, killV := r.lives("v")
		defer killV()
		placed("x1", "x", 970, "v")
		placed("a2", "a", 20, "v")
		r.run(d, "b0", some("b", 29))
		r.passes(8 * time.Second)
		var told []string
		for id, w := range map[string]string{"a0": "w", "a1": "u", "a2": "v"} {
			if a, _ := r.allocation(w, id); a != nil && a.Stop != nil {
				told = append(told, id)
			}
		}
		if slices.Sort(told); !slices.Equal(told, []string{"a0", "a2"}) {
			t.Errorf("%v are told to stop, want a0 and a2", told)
		}
		stop()
	})
}
