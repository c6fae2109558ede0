package rules

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/setclock"
)

// Nothing is reclaimed before its time, nor long after, for one of several daemons has a clock that is wrong.
func TestReclaim_ByNoWrongClock(t *testing.T) {
	for _, wrong := range []time.Duration{25 * time.Hour, -25 * time.Hour} {
		for who := range 3 {
			t.Run(fmt.Sprint(wrong, " of ", who), func(t *testing.T) {
				bubble(t, func(r *rig) {
					_, kill := r.lives("w")
					defer kill()
					var ds []*daemon.Daemon
					var stops []func()
					defer func() { endAll(stops) }()
					for i := range 3 {
						id := fmt.Sprint("d", i)
						opts := daemon.Options{ID: berth.DaemonID(id)}
						if i == who {
							opts.Now = func() time.Time { return time.Now().Add(wrong) }
						}
						d, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: id}), opts)
						ds = append(ds, d)
						stops = append(stops, stop)
					}
					r.passes(time.Second)
					all := r.borrowed(ds[0], time.Hour, 6)
					r.run(ds[0], "a0", of("a"))
					r.passes(3500 * time.Second)
					if told := r.stoppedFor(berth.StopReclaim, all...); len(told) > 0 {
						t.Errorf("%v are told to stop before their time", told)
					}
					r.passes(200 * time.Second)
					if told := r.stoppedFor(berth.StopReclaim, all...); len(told) != 1 {
						t.Errorf("%v are told to stop after their time, want one: %s", told, r.record("a"))
					}
				})
			})
		}
	}
}

// A daemon whose clock is set back stops nothing for a lender before the time that the record tells, though it has seen
// that time go by. Both are over in the end.
func TestReclaim_ClockSetBack(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		began := time.Now()
		var set, looks atomic.Int64
		set.Store(int64(10 * time.Second))
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d", Now: func() time.Time {
			now := time.Now().Add(time.Duration(looks.Add(1))) // in a bubble no time passes between two
			return setclock.Time(now.Add(time.Duration(set.Load())), now.Sub(began))
		}})
		defer stop()
		r.passes(time.Second)
		all := r.borrowed(d, 5*time.Second, 6)
		r.run(d, "a0", of("a"))
		r.passes(time.Second)
		set.Store(0)
		r.passes(13 * time.Second)
		if told := r.stoppedFor(berth.StopReclaim, all...); len(told) > 0 {
			t.Errorf("%v are told to stop before the time in the record", told)
		}
		r.passes(2 * time.Second)
		if told := r.stoppedFor(berth.StopReclaim, all...); len(told) != 1 {
			t.Errorf("%v are told to stop after it, want one: %s", told, r.record("a"))
		}
	})
}
