package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What waits for a worker while its quota has room for it waits for its quota when others of its tenant have taken that: what is
// guaranteed and lent comes back for it, as where it had come later. So it is of a group.
func TestReclaim_QuotaTakenMeanwhile(t *testing.T) {
	for _, size := range []int64{0, 2} {
		t.Run(fmt.Sprint("group of ", size), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				for i := range 4 {
					r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, map[string]string{"rack": fmt.Sprint("r", i)})
				}
				asks := func(t berth.TenantID, cpu int64, op berth.Operator, rack string) func(*berth.Request) {
					return func(q *berth.Request) {
						q.Tenant, q.Resources.CPUMilli, q.StartTimeoutMS = t, cpu, 600_000
						q.Constraints = []berth.Constraint{{Label: "rack", Operator: op, Values: []string{rack}}}
					}
				}
				r.reclaimsAfter(d, "a", 4000, 2000, 2*time.Second)
				r.guarantee(d, "b", 4000, 2000)
				r.run(d, "first", asks("c", 1000, berth.OperatorIn, "r0"))
				r.runs("w0", "first")
				for i := range 6 {
					r.run(d, fmt.Sprint("b", i), asks("b", 500, berth.OperatorNotIn, "r0"))
					r.passes(time.Second)
				}
				for _, key := range r.held() {
					if w, id, _ := strings.Cut(key, "/"); id[0] == 'b' {
						r.runs(w, id)
					}
				}
				r.run(d, "large", asks("a", 1000, berth.OperatorIn, "r0"))
				r.passes(time.Second)
				name := "small"
				if size == 0 {
					r.run(d, name, asks("a", 250, berth.OperatorIn, "r1"))
				} else {
					g := r.group("small", size, size)
					asks("a", 100, berth.OperatorIn, "r1")(&g)
					r.submitGroup(d, g)
					name = "small.0"
				}
				r.passes(5 * time.Second)
				r.exits("w0", "first")
				r.passes(10 * time.Second)
				if r.are("large") != 1 {
					t.Fatalf("placed: %v", r.held())
				}
				told := 0
				for _, key := range r.held() {
					w, id, _ := strings.Cut(key, "/")
					if a, _ := r.allocation(w, id); a != nil && a.Stop != nil && a.Stop.Reason == berth.StopReclaim {
						told++
						r.exits(w, id)
					}
				}
				r.passes(time.Second)
				if told != 1 || r.are(name) != 1 {
					t.Errorf("%d are told to stop; placed: %v; %+v", told, r.held(), r.state(d, name).Verdict)
				}
			})
		})
	}
}
