package scheduler_test

import (
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// It lets go first who has had less for ten seconds, and for twice as long when such a one had not less for good.
func TestOvertaken(t *testing.T) {
	var o scheduler.Overtaken
	lets := func(want bool, now int64) {
		t.Helper()
		if got := o.Lets("a", now); got != want {
			t.Errorf("at %d it lets a go first: %t", now, got)
		}
	}
	less := map[berth.TenantID]bool{"a": true}
	lets(true, 0)
	o.Again()
	lets(false, 0)
	o.Look(less, 1000)
	lets(false, 10_999)
	lets(true, 11_000)
	o.Again()
	lets(true, 11_000)
	o.Look(less, 20_000)
	o.Look(nil, 21_000) // it has had as much
	lets(false, 21_000)
	o.Look(less, 22_000)
	o.Look(nil, 23_000) // too short to tell anything
	o.Look(less, 24_000)
	lets(false, 43_999)
	lets(true, 44_000)
}
