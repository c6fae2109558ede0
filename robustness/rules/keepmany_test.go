package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Many wait that go before a group, and never fit: one that does has its room all the same.
func TestKeep_BesideManyThatNeverFit(t *testing.T) {
	for _, many := range []int{10, 300} {
		for try := range 6 {
			t.Run(fmt.Sprintf("%d, %d", many, try), func(t *testing.T) {
				bubble(t, func(r *rig) {
					d, stop := r.daemon()
					defer stop()
					for i := range 8 {
						w := fmt.Sprint("w", i)
						r.lives(berth.WorkerID(w))
						r.run(d, "before"+w, sized(1000, 0))
						r.runs(w, "before"+w)
					}
					r.submitGroup(d, r.whole("g", 8))
					r.passes(time.Second)
					for i := range many {
						r.run(d, fmt.Sprint("elsewhere", i), func(q *berth.Request) {
							sized(1+int64(i), 9)(q)
							q.Constraints = []berth.Constraint{{Label: "disk", Operator: berth.OperatorExists}}
						})
					}
					r.run(d, "high", sized(1000, 9))
					r.passes(3 * time.Second)
					if r.kept() == "" {
						t.Fatal("nothing is kept")
					}
					for i := range 8 {
						w := fmt.Sprint("w", i)
						r.reported(w, "before"+w, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
					}
					r.passes(3 * time.Second)
					if r.located("high") != 1 {
						t.Errorf("held %v", r.held())
					}
				})
			})
		}
	}
}
