package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Of a lender's many that have room on an empty worker, and wait for their quota alone, none waits for those before it to be placed first:
// what uses that quota takes long to stop.
func TestReclaim_ForAllThatHaveRoom(t *testing.T) {
	for _, equal := range []bool{true, false} {
		t.Run(fmt.Sprint("equal ", equal), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.checked()()
				ds, stop := r.several(1)
				defer stop()
				r.lives("v")
				r.reclaimsAfter(ds[0], "a", 900, 900, 5*time.Second)
				r.guarantee(ds[0], "b", 1000, 0)
				var bs []string
				for i := range 90 {
					id := fmt.Sprintf("b%02d", i)
					bs = append(bs, id)
					r.run(ds[0], id, func(q *berth.Request) { some("b", 10)(q); q.StopTimeoutMS = 3_000_000 })
				}
				r.passes(15 * time.Second)
				if n := r.located(bs...); n != 90 {
					t.Fatalf("%d of b are placed: %s", n, r.record("b"))
				}
				for _, id := range bs {
					r.runs("v", id)
				}
				r.lives("u")
				for i := range 200 {
					r.run(ds[0], fmt.Sprintf("a%03d", i), func(q *berth.Request) {
						some("a", 4)(q)
						if !equal {
							q.Resources.MemoryBytes += int64(i)
						}
					})
				}
				r.passes(60 * time.Second)
				if told := r.stoppedFor(berth.StopReclaim, bs...); len(told) != 80 {
					t.Errorf("%d are told to stop, want 80", len(told))
				}
			})
		})
	}
}
