package rules

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// limited wants so many milli cores, and ends within so long and a second once it runs.
func limited(milli int64, limit time.Duration) func(*berth.Request) {
	return func(q *berth.Request) {
		sized(milli, 0)(q)
		q.StartTimeoutMS, q.StopTimeoutMS, q.RunLimitMS = 1000, 1000, limit.Milliseconds()
	}
}

// keptBy is in how long all that is waited for has ended, by what is kept; 0: nothing is, or nobody knows.
func (r *rig) keptBy() time.Duration {
	r.t.Helper()
	kv := r.kv("keeps/default")
	if kv == nil {
		return 0
	}
	var k berth.Keep
	r.ok(json.Unmarshal(kv.Value, &k))
	if k.By.IsZero() {
		return 0
	}
	return time.Until(k.By)
}

// A group waits for whose limit comes first, in whatever order they came.
func TestKeep_ForTheFirstLimit(t *testing.T) {
	for _, limits := range [][]time.Duration{{20 * time.Second, 50 * time.Second}, {50 * time.Second, 20 * time.Second}} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				d, stop := r.daemon()
				defer stop()
				for i, limit := range limits {
					id := fmt.Sprint("there", i)
					r.run(d, id, limited(500, limit))
					r.runs("w", id)
					r.passes(200 * time.Millisecond)
				}
				g := r.group("g", 1, 1)
				g.Resources.CPUMilli = 500
				r.submitGroup(d, g)
				for range 5 {
					if by := r.keptBy(); by <= 0 || by > 21*time.Second {
						t.Errorf("it has its place in %s, kept %q", by, r.kept())
					}
					r.passes(3 * time.Second)
				}
			})
		})
	}
}

// A group of two finds a place on w0 and waits nine seconds for one on w1, while small requests take whatever is free. It waited for the long one on w0,
// which was as young; and where it has a deadline before that ends, nothing was kept, and it expired.
func TestKeep_KnownInTime(t *testing.T) {
	for _, pending := range []time.Duration{0, 15 * time.Second} {
		t.Run(fmt.Sprint(pending), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				r.lives("w1")
				r.run(d, "brief", limited(500, 9*time.Second))
				r.run(d, "long1", limited(500, time.Minute))
				r.lives("w0")
				r.run(d, "long0", limited(500, time.Minute))
				for w, ids := range map[string][]string{"w1": {"brief", "long1"}, "w0": {"long0"}} {
					for _, id := range ids {
						r.runs(w, id)
					}
				}
				r.passes(time.Second)
				g := r.group("g", 2, 2)
				g.Resources.CPUMilli, g.PendingLimitMS = 500, pending.Milliseconds()
				r.submitGroup(d, g)
				if by := r.keptBy(); by <= 0 || by > 9*time.Second {
					t.Errorf("it has its places in %s, kept %q", by, r.kept())
				}
				for i := range 8 {
					r.run(d, fmt.Sprint("small", i), limited(500, 20*time.Second))
					r.passes(time.Second)
				}
				r.exits("w1", "brief")
				r.passes(time.Second)
				if r.located("g.0", "g.1") != 2 {
					t.Errorf("it has no place: held %v, kept %q", r.held(), r.kept())
				}
			})
		})
	}
}

// When the first round is over, a group waits for a limit that is known, and not for a service that began later than what has it, and may never end.
func TestKeep_ForALimitBesideAService(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		defer stop()
		r.lives("w0")
		r.run(d, "limited", limited(1000, time.Minute))
		r.runs("w0", "limited")
		r.passes(2 * time.Second)
		r.lives("w1")
		r.run(d, "service", sized(1000, 0))
		r.runs("w1", "service")
		r.passes(time.Second)
		r.submitGroup(d, r.whole("g", 1))
		if got := r.kept(); got != "g w1" {
			t.Errorf("kept at first: %q", got)
		}
		r.passes(12 * time.Second)
		for range 40 {
			if got := r.kept(); got != "g w0" {
				t.Fatalf("kept: %q", got)
			}
			r.passes(time.Second)
		}
		r.exits("w0", "limited")
		r.passes(time.Second)
		if r.located("g.0") != 1 {
			t.Errorf("it has no place: held %v, kept %q", r.held(), r.kept())
		}
	})
}
