package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What is kept for a group goes to another of its tenant's of a higher priority, that waits as well: also while the worker is full, so
// that this has not found itself kept off.
func TestKeep_NotBeforeGroupOfHigherPriority(t *testing.T) {
	for daemons := 1; daemons <= 2; daemons++ {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				ds, stop := r.several(daemons)
				defer stop()
				r.lives("w")
				r.passes(time.Second)
				r.run(ds[0], "before", sized(1000, 0))
				r.runs("w", "before")
				g := r.group("g", 2, 2)
				g.Resources.CPUMilli = 500
				r.submitGroup(ds[0], g)
				r.passes(3 * time.Second)
				if r.kept() != "g w" {
					t.Fatal(r.kept())
				}
				h := r.group("h", 2, 2)
				h.Resources.CPUMilli, h.Priority = 400, 9
				r.submitGroup(ds[daemons-1], h)
				r.passes(5 * time.Second)
				r.reported("w", "before", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
				r.passes(time.Second)
				if n := r.located("h.0", "h.1"); n != 2 {
					t.Errorf("%d of the first have a place: %v", n, r.held())
				}
			})
		})
	}
}
