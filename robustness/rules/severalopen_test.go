package rules

import (
	"fmt"
	"testing"
	"time"
)

// A worker opens, or one comes, and there wait with several daemons a group and requests of its tenant with a lower priority: the group
// has it, whoever plans which; where it needs a second worker that has no room, the others have it.
func TestSeveral_GroupFirstOnWhatOpens(t *testing.T) {
	for _, tt := range []struct {
		name  string
		comes bool // the worker comes, and is not opened
		milli int64
		first bool // the group goes first
	}{{"opens", false, 2000, true}, {"comes", true, 2000, true}, {"is too small", false, 2500, false}} {
		for _, lows := range []int64{0, 1} { // members of what comes behind; 0: it is alone
			for i := range 8 {
				t.Run(fmt.Sprint(tt.name, "/", lows, "/", i), func(t *testing.T) {
					bubble(t, func(r *rig) {
						defer r.checked()()
						ds, stop := r.several(3)
						defer stop()
						if !tt.comes {
							defer r.livesNamed("w", 4000)()
							r.cordons("w", true)
						}
						defer r.livesNamed("v", 1000)()
						group, low := fmt.Sprint("g", i), fmt.Sprint("s", i)
						q := r.whole(low, max(lows, 1))
						if sizedOf("b", 3000, 0)(&q); lows > 0 {
							r.submitGroup(ds[0], q)
						} else {
							r.run(ds[0], low, sizedOf("b", 3000, 0))
						}
						g := r.whole(group, 2)
						sizedOf("b", tt.milli, 10)(&g)
						r.submitGroup(ds[1], g)
						if r.passes(time.Second); tt.comes {
							defer r.livesNamed("w", 4000)()
						} else {
							r.cordons("w", false)
						}
						r.passes(time.Second)
						if of := r.heldOf(); of["g"] > 0 != tt.first || of["s"] > 0 == tt.first {
							t.Errorf("held %v", r.held())
						}
					})
				})
			}
		}
	}
}
