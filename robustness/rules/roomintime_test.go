package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Nobody is told to make room for what expires before they must have ended: not for a group, nor for a request. Who has
// ended by then is.
func TestRoom_ForWhoExpiresFirst(t *testing.T) {
	for _, of := range []string{"group", "request"} {
		for limit, want := range map[int64]int{0: 1, 5000: 0, 90_000: 1} {
			t.Run(fmt.Sprint(of, " ", limit), func(t *testing.T) {
				bubble(t, func(r *rig) {
					d, stop := r.daemon()
					r.lives("w0")
					r.run(d, "low", func(q *berth.Request) { sized(500, 0)(q); q.StopTimeoutMS = 60_000 })
					r.runs("w0", "low")
					r.presses(d, of, "g", limit)
					if told, _ := r.told(); len(told) != want {
						t.Errorf("told %v, want %d", told, want)
					}
					stop()
				})
			})
		}
	}
}

// presses submits a request, or a group of one, that wants a whole worker and waits so long.
func (r *rig) presses(d *daemon.Daemon, of, id string, limitMS int64) {
	r.t.Helper()
	if of == "request" {
		r.run(d, id, func(q *berth.Request) { urgent(1000, 50)(q); q.PendingLimitMS = limitMS })
	} else {
		g := r.pressing(id, 1, 1, 50)
		g.PendingLimitMS = limitMS
		r.submitGroup(d, g)
	}
	r.passes(2 * time.Second)
}

// Others make room in their place, of whom more have to end.
func TestRoom_OfThoseInTime(t *testing.T) {
	for _, of := range []string{"group", "request"} {
		for limit, want := range map[int64]string{0: "[slow]", 10_000: "[brief0 brief1]"} {
			t.Run(fmt.Sprint(of, " ", limit), func(t *testing.T) {
				bubble(t, func(r *rig) {
					d, stop := r.daemon()
					r.lives("w0")
					r.run(d, "slow", func(q *berth.Request) { sized(600, 0)(q); q.StopTimeoutMS = 60_000 })
					r.runs("w0", "slow")
					r.lives("w1")
					for _, id := range []string{"brief0", "brief1"} {
						r.run(d, id, sized(500, 0))
						r.runs("w1", id)
					}
					r.presses(d, of, "g", limit)
					if told, _ := r.told(); fmt.Sprint(told) != want {
						t.Errorf("told %v, want %s", told, want)
					}
					stop()
				})
			})
		}
	}
}

// What ends too late anyway is waited for by nobody who expires before.
func TestRoom_NotOfWhatLeavesLate(t *testing.T) {
	for _, of := range []string{"group", "request"} {
		t.Run(of, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				r.lives("w0")
				for id, grace := range map[string]int64{"late": 60_000, "brief": 500} {
					r.run(d, id, func(q *berth.Request) { sized(500, 0)(q); q.StopTimeoutMS = grace })
					r.runs("w0", id)
				}
				_, err := d.Cancel(r.t.Context(), "late", "")
				r.ok(err)
				r.presses(d, of, "g", 10_000)
				if told, _ := r.told(); len(told) > 0 {
					t.Errorf("told %v", told)
				}
				stop()
			})
		})
	}
}

// One that is too late for others to make room does not keep those behind it from that.
func TestRoom_BehindOneThatExpires(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.lives("w0")
		r.run(d, "low", func(q *berth.Request) { sized(1000, 0)(q); q.StopTimeoutMS = 60_000 })
		r.runs("w0", "low")
		r.presses(d, "request", "soon", 30_000)
		r.presses(d, "request", "later", 90_000)
		told, _ := r.told()
		if len(told) != 1 || r.waitsFor(d, "later") != 1 {
			t.Fatalf("told %v: %+v", told, r.state(d, "later").Verdict)
		}
		r.passes(30 * time.Second)
		r.exits("w0", "low")
		r.passes(time.Second)
		if r.are("later") != 1 {
			t.Errorf("held %v", r.held())
		}
		stop()
	})
}

// Who was in time is chosen again, though the one that was too late matters as little and is younger.
func TestReplay_VictimsInTime(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.joins("w")
		for _, id := range []string{"brief", "slow"} {
			r.run(d, id, func(q *berth.Request) {
				if sized(500, 0)(q); id == "slow" {
					q.StopTimeoutMS = 60_000
				}
			})
			r.runs("w", id)
			r.passes(time.Second)
		}
		r.run(d, "now", func(q *berth.Request) { urgent(500, 50)(q); q.PendingLimitMS = 10_000 })
		r.passes(time.Second)
		r.exits("w", "brief")
		r.passes(time.Second)
		r.choosesAgain(d, "now", "brief")
		stop()
	})
}
