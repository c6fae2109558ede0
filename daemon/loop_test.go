package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
)

// A timer that is due wakes nobody while step would do nothing: until the answer
// of what is in flight, and during a pause after an error. It woke the loop again
// and again, on a core of its own.
func TestArm_SleepsWhileNothingCanBeDone(t *testing.T) {
	tests := []struct {
		name string
		set  func(*loop)
		want time.Duration // 0: not within the minute
	}{
		{name: "idle", set: func(*loop) {}, want: time.Nanosecond},
		{name: "in flight", set: func(l *loop) { l.flights.count = 1 }},
		{name: "workers are not known", set: func(l *loop) { l.open = false }},
		{name: "paused", set: func(l *loop) { l.notBefore = l.now().Add(time.Second) }, want: time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := loopWith(t)
				l.allKnown()
				l.d.opts.Now = time.Now
				l.timers.set(berth.Key{Kind: berth.KindRequest, ID: "r"}, l.now().Add(-time.Second))
				tt.set(l)
				wake := time.NewTimer(time.Hour)
				defer wake.Stop()
				began := time.Now()
				l.arm(wake)
				var took time.Duration
				select {
				case <-wake.C:
					took = max(time.Since(began), time.Nanosecond)
				case <-time.After(time.Minute):
				}
				if took != tt.want {
					t.Errorf("woken after %s, want %s", took, tt.want)
				}
			})
		})
	}
}
