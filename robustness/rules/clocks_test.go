package rules

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// startedBy is what a worker reports whose wall clock is wrong.
func (r *rig) startedBy(w, id string, wrong time.Duration) {
	r.t.Helper()
	r.reported(w, id, berth.StateStarting, nil)
	a, mod := r.allocation(w, id)
	a.State, a.StartedAt = berth.StateRunning, time.Now().Add(wrong).UTC()
	_, err := r.Report(r.t.Context(), berth.WorkerID(w), []etcdstore.ReportItem{{Request: berth.RequestID(id), AllocationWas: mod, Allocation: *a}})
	r.ok(err)
	synctest.Wait()
}

// A run limit counts by the daemon's clock, whatever the worker's says; also of a
// daemon that was started meanwhile.
func TestDaemon_RunLimitByItsOwnClock(t *testing.T) {
	for name, wrong := range map[string]time.Duration{"right": 0, "an hour behind": -time.Hour, "an hour ahead": time.Hour} {
		for _, restarted := range []bool{false, true} {
			if restarted && wrong > 0 {
				continue // from the restart, at the latest: see below
			}
			t.Run(name, func(t *testing.T) {
				bubble(t, func(r *rig) {
					d, stop := r.daemon()
					_, kill := r.lives("w")
					synctest.Wait()
					r.run(d, "r", func(s *berth.Request) { s.RunLimitMS = 1_800_000 })
					r.startedBy("w", "r", wrong)
					wait(r, 900)
					if restarted {
						stop()
						_, stop = r.daemon()
					}
					wait(r, 890)
					if a, _ := r.allocation("w", "r"); a.Stop != nil {
						r.t.Errorf("stopped 10 s before its 30 minutes: %+v", a.Stop)
					}
					wait(r, 20)
					if a, _ := r.allocation("w", "r"); a.Stop == nil || a.Stop.Reason != berth.StopRunLimit {
						r.t.Errorf("stop order 10 s after its 30 minutes: %+v", a.Stop)
					}
					kill()
					stop()
				})
			})
		}
	}
}

// A daemon whose clock is a day ahead ends nothing early that others have written.
func TestDaemon_ClockADayAhead(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		r.run(d, "ended", nil)
		_, err := d.Cancel(r.t.Context(), "ended", "")
		r.ok(err)
		r.run(d, "waits", func(s *berth.Request) { s.PendingLimitMS = 3_600_000 })
		ahead := func() time.Time { return time.Now().Add(25 * time.Hour) }
		_, stopB := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "b", Now: ahead})
		r.run(d, "seen", func(s *berth.Request) { s.PendingLimitMS = 3_600_000 })
		wait(r, 3500)
		for _, key := range []string{"archive/ended", "requests/waits", "requests/seen"} {
			if r.kv(key) == nil {
				r.t.Errorf("%s is gone", key)
			}
		}
		wait(r, 200)
		for _, key := range []string{"requests/waits", "requests/seen"} {
			if r.kv(key) != nil {
				r.t.Errorf("%s is there after its limit", key)
			}
		}
		wait(r, 24*3600)
		if r.kv("archive/ended") != nil {
			r.t.Error("the record is there after its retention")
		}
		stopB()
		stop()
	})
}

// A daemon that is alone goes on with the ages that its records tell.
func TestDaemon_AgesOverARestart(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		r.run(d, "ended", nil)
		_, err := d.Cancel(r.t.Context(), "ended", "")
		r.ok(err)
		r.run(d, "waits", func(s *berth.Request) { s.PendingLimitMS = 3_600_000 })
		for range 5 {
			wait(r, 5*3600)
			stop()
			_, stop = r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		}
		wait(r, 1)
		for _, key := range []string{"archive/ended", "requests/waits"} {
			if r.kv(key) != nil {
				r.t.Errorf("%s is there after 25 h", key)
			}
		}
		stop()
	})
}

// A backoff that another machine's clock has put a day off ends within a minute.
func TestDaemon_BackoffOfAWrongClock(t *testing.T) {
	bubble(t, func(r *rig) {
		r.submit("r")
		_, kill := r.lives("w")
		r.put("states/r", `{"version":1,"txn":"x-1","state":"PENDING","attempt":2,"used_attempts":1,"not_before":"`+time.Now().Add(25*time.Hour).UTC().Format(time.RFC3339)+`","last_end":"exited"}`)
		_, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		wait(r, 61)
		if a, _ := r.allocation("w", "r"); a == nil {
			r.t.Error("not placed after a minute")
		}
		kill()
		stop()
	})
}
