package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// cannotStart reports that an attempt failed to start, of which code says whose fault it was.
func (r *rig) cannotStart(w, id string, code int64) {
	r.t.Helper()
	r.reported(w, id, berth.StateStarting, nil)
	r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitStartFailed, Code: code, Message: "command not found", At: time.Now().UTC()})
}

// workerIs says how a worker stands with a daemon.
func (r *rig) workerIs(d *daemon.Daemon, w string) string {
	r.t.Helper()
	s, err := d.Worker(r.t.Context(), berth.WorkerID(w))
	r.ok(err)
	return s.State
}

// Ten typos, and what comes after them is placed at once: the machine is not suspended for
// what no machine could start.
func TestOwnFault_TyposSuspendNobody(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.takes("a", true)
		r.passes(time.Second)
		once := func(s *berth.Request) { s.Retry.MaxAttempts = 1 }
		for i := range 10 {
			id := fmt.Sprint("typo-", i)
			r.run(d, id, once)
			r.cannotStart("a", id, berth.CodeNotFound)
			if s := r.state(d, id); s.State != berth.StateFailed || s.Reason != berth.EndStartFailed || s.Exit.Code != berth.CodeNotFound {
				r.t.Errorf("%s is %s, %s, %+v", id, s.State, s.Reason, s.Exit)
			}
		}
		r.run(d, "good", nil)
		if a, _ := r.allocation("a", "good"); a == nil || r.workerIs(d, "a") != "ready" {
			r.t.Errorf("a is %s, and the request after the typos waits", r.workerIs(d, "a"))
		}
		stop()
	})
}

// A machine without the mount that all commands are on is found though each failure says that
// the command is not there: the commands run elsewhere.
func TestOwnFault_MachineLacksIt(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.takes("a", true)
		r.takes("b", true)
		r.passes(time.Second)
		for i, failed := 0, 0; failed < 5; i++ {
			id := fmt.Sprint("r", i)
			r.run(d, id, func(s *berth.Request) { s.Resources.CPUMilli = 10 })
			if a, _ := r.allocation("a", id); a != nil {
				if is := r.workerIs(d, "a"); is != "ready" {
					r.t.Fatalf("after %d failures a is %s", failed, is)
				}
				r.cannotStart("a", id, berth.CodeNotFound)
				r.passes(time.Second) // its backoff
				failed++
			}
			r.runs("b", id)
		}
		if is := r.workerIs(d, "a"); is != "suspended" {
			r.t.Errorf("five commands that are not on a run on b, and a is %s", is)
		}
		stop()
	})
}
