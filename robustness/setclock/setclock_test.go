package setclock

import (
	"testing"
	"time"
)

// A clock that was set shows another time, and measures the same.
func TestTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 500, time.UTC)
	before := Time(at, time.Second)
	for _, set := range []time.Duration{-10 * time.Second, 0, time.Hour} {
		after := Time(at.Add(set), 3*time.Second)
		if told := after.UTC(); told.Format(time.RFC3339Nano) != at.Add(set).Format(time.RFC3339Nano) {
			t.Errorf("set by %s it tells %s", set, told)
		}
		if d := after.Sub(before); d != 2*time.Second || !after.After(before) {
			t.Errorf("set by %s, two seconds are measured as %s", set, d)
		}
		if d := after.Sub(at); d != set {
			t.Errorf("beside a time that was read somewhere it is %s later, want %s", d, set)
		}
	}
}
