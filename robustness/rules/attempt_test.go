package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Each placement of a request is an attempt of its own, also after one that was taken
// back before it ran: what is known by its number, on a worker and its disk, is never
// taken for another's.
func TestDaemon_TakenBackIsAnAttempt(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		r.run(d, "r", func(s *berth.Request) { s.StartTimeoutMS = 10_000 })
		for attempt := int64(1); attempt <= 3; attempt++ {
			a, _ := r.allocation("w", "r")
			if a == nil || a.Attempt != attempt {
				r.t.Fatalf("allocation %+v, want attempt %d", a, attempt)
			}
			wait(r, 11) // it is not started
		}
		kill()
		stop()
	})
}

// A worker that hangs is given a request again after a pause that doubles, as for other ends: with a start timeout of a
// second, in two minutes not a hundred times.
func TestDaemon_TakenBackWithBackoff(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		r.run(d, "r", func(s *berth.Request) {
			s.StartTimeoutMS = 1000
			s.Retry = berth.RetryPolicy{MaxAttempts: 1, BackoffMS: 1000}
		})
		wait(r, 120)
		s, err := d.Get(r.t.Context(), "r")
		r.ok(err)
		if s.State.Final() || s.Attempt < 6 || s.Attempt > 8 || s.UsedAttempts != 0 { // 1, 2, 4 ... seconds, and one for each start
			t.Errorf("after two minutes it is %s in attempt %d, %d used", s.State, s.Attempt, s.UsedAttempts)
		}
		kill()
		stop()
	})
}

// What a worker refuses does not use up the attempts that the retry policy allows.
func TestDaemon_RefusalsAreFree(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		r.run(d, "r", func(s *berth.Request) {
			s.Retry = berth.RetryPolicy{MaxAttempts: 2, OnFailure: true, BackoffMS: 1000}
		})
		for range 3 {
			r.reported("w", "r", berth.StateExited, &berth.Exit{Kind: berth.ExitRejected, Message: "no", At: time.Now().UTC()})
			r.placedWithin("w", "r", 65)
		}
		for failed, want := range []berth.State{berth.StatePending, berth.StateFailed} {
			r.runs("w", "r")
			r.reported("w", "r", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()})
			s, err := d.Get(r.t.Context(), "r")
			r.ok(err)
			if s.State != want {
				r.t.Fatalf("after 3 refusals and %d of 2 failures it is %s, want %s", failed+1, s.State, want)
			}
			if want == berth.StatePending {
				r.placedWithin("w", "r", 65)
			}
		}
		kill()
		stop()
	})
}

// placedWithin waits until a request has an allocation on w.
func (r *rig) placedWithin(w, id string, seconds int) {
	r.t.Helper()
	for range seconds {
		if a, _ := r.allocation(w, id); a != nil {
			return
		}
		wait(r, 1)
	}
	r.t.Fatalf("%s is not placed after %d s", id, seconds)
}

// A pending limit counts while a request is pending, and anew from the end of each attempt: however long it ran before, it is not
// expired when it is to be tried again, and it is when no worker takes it then for so long.
func TestPendingLimit_CountsAnew(t *testing.T) {
	for name, restarts := range map[string]bool{"one daemon": false, "it restarts": true} {
		t.Run(name, func(t *testing.T) { bubble(t, func(r *rig) { pendingAnew(r, restarts) }) })
	}
}

func pendingAnew(r *rig, restarts bool) {
	d, stop := r.daemon()
	_, kill := r.lives("w")
	r.run(d, "r", func(s *berth.Request) {
		s.PendingLimitMS = 10_000
		s.Retry = berth.RetryPolicy{MaxAttempts: 5, OnFailure: true, BackoffMS: 1000}
	})
	for range 2 {
		r.runs("w", "r")
		wait(r, 20)
		r.reported("w", "r", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()})
		if restarts {
			stop()
			d, stop = r.daemon()
		}
		r.placedWithin("w", "r", 9)
	}
	_, err := d.SetIntent(r.t.Context(), "w", daemon.Wish{Cordon: true})
	r.ok(err)
	r.runs("w", "r")
	r.reported("w", "r", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()})
	for _, at := range []struct {
		seconds int
		want    berth.State
	}{{9, berth.StatePending}, {6, berth.StateExpired}} {
		wait(r, at.seconds)
		s, err := d.Get(r.t.Context(), "r")
		r.ok(err)
		if s.State != at.want {
			r.t.Errorf("the request is %s, want %s", s.State, at.want)
		}
	}
	kill()
	stop()
}
