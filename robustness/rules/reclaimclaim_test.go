package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// claimed is whose claim there is on a worker, and whether it counts in no quota yet.
func (r *rig) claimed(w string) (id berth.RequestID, lent bool) {
	r.t.Helper()
	ledger, _ := r.ledger(berth.WorkerID(w))
	if len(ledger.Claims) == 0 {
		return "", false
	}
	return ledger.Claims[0].Request, ledger.Claims[0].Lent
}

// The room that borrowers make for a lender's request is set aside for it though its quota is lent: who waits for no quota does not get it. The claim
// counts from when there is quota for it, be it before they have ended.
func TestReclaim_ClaimIsKept(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.checked()()
		d, stop := r.waitsForHalves()
		defer stop()
		on, told := r.claimOf("a0")
		if _, lent := r.claimed(on); !lent || len(told) != 2 {
			t.Fatalf("a0 has a claim on %q that is lent: %v; told to stop: %v", on, lent, told)
		}
		r.exits(on, told[0])
		r.passes(2 * time.Second)
		if _, lent := r.claimed(on); !lent || r.are("a0", "x0") != 0 {
			t.Errorf("with half of its quota the claim is lent: %v; placed: %v", lent, r.held())
		}
		for _, x := range r.held() { // on the other worker: so its quota is back
			if w, id, _ := strings.Cut(x, "/"); w != on {
				r.exits(w, id)
				break
			}
		}
		r.passes(2 * time.Second)
		if id, lent := r.claimed(on); id != "a0" || lent {
			t.Errorf("with its quota there is a claim of %q on %s, lent: %v", id, on, lent)
		}
		r.exits(on, told[1])
		r.passes(2 * time.Second)
		if r.are("a0") != 1 {
			t.Errorf("a0 is not placed: %v", r.held())
		}
		if got, err := d.Replay(r.t.Context(), "a0", 0); err != nil || got.Outcome != daemon.ReplaySame || got.Victims == nil || got.Victims.Outcome != daemon.ReplayCannot || len(got.Victims.Were) != 2 {
			t.Errorf("it is replayed as %+v, victims %+v, %v", got, got.Victims, err)
		}
	})
}

// A claim whose quota does not come is given up soon, and others have the room.
func TestReclaim_ClaimGivenUp(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.checked()()
		d, stop := r.waitsForHalves()
		defer stop()
		on, told := r.claimOf("a0")
		r.guarantee(d, "a", 2*capacity.CPUMilli, 0)
		r.passes(time.Second)
		for _, id := range told {
			r.exits(on, id)
		}
		r.passes(5 * time.Second)
		if id, _ := r.claimed(on); id != "" || r.are("x0") != 1 {
			t.Errorf("there is a claim of %q on %s; placed: %v; a %s", id, on, r.held(), r.record("a"))
		}
	})
}

// waitsForHalves is a lender's request for which two of b's on one worker are told to stop, and x0 of no tenant with a quota, which waits for as much.
func (r *rig) waitsForHalves() (d *daemon.Daemon, stop func()) {
	r.t.Helper()
	r.lives("w")
	r.lives("v")
	d, stop = r.daemon()
	r.halves(d, "b", "b", "b", "b")
	r.run(d, "a0", slots("a", 10))
	r.passes(time.Second)
	r.run(d, "x0", slots("c", 10))
	r.passes(7 * time.Second)
	return d, stop
}

// claimOf is the worker on which a request has its claim, and who is told to stop there.
func (r *rig) claimOf(id berth.RequestID) (on string, told []string) {
	r.t.Helper()
	for _, w := range []string{"w", "v"} {
		if of, _ := r.claimed(w); of == id {
			on = w
		}
	}
	for _, x := range r.toldToStop() {
		if w, id, _ := strings.Cut(x, "/"); w == on {
			told = append(told, id)
		}
	}
	return on, told
}

// cordons closes a worker, or opens it again.
func (r *rig) cordons(w berth.WorkerID, is bool) {
	r.t.Helper()
	_, err := r.SetIntent(r.t.Context(), w, func(*berth.Intent) *berth.Intent { return &berth.Intent{Cordon: is, At: time.Now().UTC()} })
	r.ok(err)
	r.passes(time.Second)
}

// The room that is made for one of a lender's has not passed by the next, for whom no worker is open: nothing ends for that until one is.
func TestReclaim_NotForASibling(t *testing.T) {
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.checked()()
				r.lives("w")
				r.lives("v")
				ds, stop := r.several(n)
				defer stop()
				r.halves(ds[0], "b", "b", "b", "b")
				r.reclaimsAfter(ds[0], "a", 2*capacity.CPUMilli, 2*capacity.CPUMilli, 5*time.Second)
				r.guarantee(ds[0], "b", 2*capacity.CPUMilli, 0)
				r.cordons("v", true)
				for i, id := range []string{"a0", "a1"} {
					r.run(ds[i%n], id, slots("a", 10))
				}
				r.passes(8 * time.Second)
				for _, x := range r.toldToStop() {
					w, id, _ := strings.Cut(x, "/")
					r.exits(w, id)
				}
				r.passes(30 * time.Second)
				if told := r.toldToStop(); len(told) > 0 || r.are("a0") != 1 {
					t.Errorf("%v are told to stop, and no worker is open; placed: %v", told, r.held())
				}
				r.cordons("v", false)
				r.passes(8 * time.Second)
				for _, x := range r.toldToStop() {
					w, id, _ := strings.Cut(x, "/")
					r.exits(w, id)
				}
				r.passes(2 * time.Second)
				if r.are("a0", "a1") != 2 {
					t.Errorf("placed when it is open: %v", r.held())
				}
			})
		})
	}
}

// A claim stands as long as somebody who is told to stop for what its request lacks of its quota may take: nobody else gets the room, for which others
// have ended.
func TestReclaim_ClaimOutlastsGraces(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.checked()()
		r.lives("w")
		d, stop := r.daemon()
		defer stop()
		r.reclaimsAfter(d, "a", capacity.CPUMilli, capacity.CPUMilli*6/10, 5*time.Second)
		r.guarantee(d, "b", capacity.CPUMilli, 0)
		place := func(id string, n int64, on string, grace time.Duration) {
			r.run(d, id, func(q *berth.Request) { slots("b", n)(q); q.StopTimeoutMS = grace.Milliseconds() })
			r.passes(time.Second)
			r.runs(on, id)
		}
		place("b0", 3, "w", 10*time.Second)
		r.run(d, "x0", slots("c", 4))
		r.passes(time.Second)
		r.runs("w", "x0")
		r.cordons("w", true)
		r.lives("v")
		place("b1", 3, "v", 100*time.Second)
		r.cordons("v", true)
		r.cordons("w", false)
		r.run(d, "a0", slots("a", 6))
		r.passes(8 * time.Second)
		if told := r.toldToStop(); len(told) != 2 {
			t.Fatalf("%v are told to stop: %v", told, r.held())
		}
		r.exits("w", "b0")
		r.run(d, "p0", slots("c", 6))
		r.passes(90 * time.Second)
		if id, lent := r.claimed("w"); id != "a0" || !lent || r.are("p0") != 0 {
			t.Errorf("there is a claim of %q; placed: %v", id, r.held())
		}
		r.exits("v", "b1")
		r.passes(2 * time.Second)
		if r.are("a0") != 1 {
			t.Errorf("a0 is not placed: %v; a %s", r.held(), r.record("a"))
		}
	})
}

// Of equal requests, some have their quota back and wait for others to end, and some have their room and wait for their quota: these keep it, whoever
// waits for no quota.
func TestReclaim_ClaimsOfEqualOnes(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.checked()()
		r.lives("w")
		r.lives("v")
		d, stop := r.daemon()
		defer stop()
		r.halves(d, "b", "b", "b", "b")
		r.reclaimsAfter(d, "a", 2*capacity.CPUMilli, 2*capacity.CPUMilli, 5*time.Second)
		r.guarantee(d, "b", 2*capacity.CPUMilli, 0)
		for _, id := range []string{"a0", "a1"} {
			r.run(d, id, slots("a", 10))
		}
		r.passes(time.Second)
		r.run(d, "x0", slots("c", 1))
		r.passes(7 * time.Second)
		first, slow := r.claimOf("a0")
		second, quick := r.claimOf("a1")
		if len(slow) != 2 || len(quick) != 2 {
			t.Fatalf("%v are told to stop on %s, %v on %s", slow, first, quick, second)
		}
		for _, id := range quick {
			r.exits(second, id)
			r.passes(2 * time.Second)
		}
		r.exits(first, slow[0])
		r.passes(20 * time.Second)
		if r.are("x0") != 0 {
			t.Errorf("x0 is placed where room is set aside: %v", r.held())
		}
		r.exits(first, slow[1])
		r.passes(2 * time.Second)
		if r.are("a0", "a1") != 2 {
			t.Errorf("placed: %v", r.held())
		}
	})
}

// What has its quota, and waits for a worker that borrowers have, for who has no quota has the rest, is made room when the time is over; and nothing ends
// where that could make it none.
func TestReclaim_RoomForWhatHasItsQuota(t *testing.T) {
	for n, want := range map[int64]int{5: 1, 10: 2, 15: 0} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.checked()()
				r.lives("w")
				r.lives("v")
				d, stop := r.daemon()
				defer stop()
				r.halves(d, "c", "b", "b", "b")
				r.reclaimsAfter(d, "a", 4*capacity.CPUMilli, 3*capacity.CPUMilli, 5*time.Second)
				r.guarantee(d, "b", 2*capacity.CPUMilli, 0)
				r.run(d, "a0", slots("a", n))
				r.passes(4 * time.Second)
				if told := r.toldToStop(); len(told) > 0 {
					t.Errorf("%v are told to stop before the time", told)
				}
				r.passes(4 * time.Second)
				told := r.toldToStop()
				for _, x := range told {
					w, id, _ := strings.Cut(x, "/")
					r.exits(w, id)
				}
				r.passes(2 * time.Second)
				if len(told) != want || r.are("a0") != min(want, 1) {
					t.Errorf("%v are told to stop, want %d; placed: %v; a %s", told, want, r.held(), r.record("a"))
				}
			})
		})
	}
}
