package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Very many of a lender's wait for a worker on which nobody has borrowed anything: what is behind them, and has room by one end, has it all the same.
func TestReclaim_BehindMany(t *testing.T) {
	for _, daemons := range []int{1, 2} {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.checked()()
				r.offers("w", false, map[string]string{"disk": "ssd"})
				ds, stop := r.several(daemons)
				defer stop()
				r.run(ds[0], "x0", some("x", 980)) // has no quota
				r.runs("w", "x0")
				r.lives("v")
				r.reclaimsAfter(ds[0], "a", 1000, 1000, 5*time.Second)
				r.guarantee(ds[0], "b", 1000, 0)
				r.run(ds[0], "b0", some("b", 950))
				r.passes(time.Second)
				r.runs("v", "b0")
				for i := range 3 * 64 {
					r.run(ds[0], fmt.Sprintf("front-%03d", i), func(q *berth.Request) {
						some("a", 100+int64(i))(q)
						q.Priority, q.Constraints = 9, []berth.Constraint{{Label: "disk", Operator: berth.OperatorExists}}
					})
				}
				r.run(ds[daemons-1], "last", some("a", 500))
				r.passes(15 * time.Second)
				if told := r.stoppedFor(berth.StopReclaim, "b0"); len(told) != 1 {
					t.Fatalf("nothing ends for what is behind those whom nothing helps: %v", r.held())
				}
				r.exits("v", "b0")
				r.passes(2 * time.Second)
				if r.located("last") != 1 {
					t.Errorf("it has no place: %v", r.held())
				}
			})
		})
	}
}
