package scheduler_test

import (
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// It lets go first what has waited for ten seconds, of who has had less for so long, and each time that it does for twice as long.
func TestOvertaken(t *testing.T) {
	var o scheduler.Overtaken
	lets := func(want bool, waited, now int64) {
		t.Helper()
		if got := o.Lets("a", waited, now); got != want {
			t.Errorf("at %d it lets go first what has waited for %d ms: %t", now, waited, got)
		}
	}
	less := map[berth.TenantID]bool{"a": true}
	lets(true, 0, 0)
	o.Again(0)
	lets(false, 10_000, 0)
	o.Look(less, 1000)
	lets(false, 20_000, 10_999)
	lets(true, 10_000, 11_000)
	lets(false, 9_999, 11_000)
	o.Look(nil, 20_000) // it has had as much
	o.Look(less, 22_000)
	lets(false, 30_000, 31_999)
	o.Again(31_999) // for its own tenant's
	lets(true, 10_000, 32_000)
	o.Again(32_000)
	lets(false, 30_000, 41_999)
	lets(true, 20_000, 42_000)
	lets(false, 19_999, 42_000)
}
