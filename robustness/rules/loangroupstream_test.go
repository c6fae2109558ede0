package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Tenants that only borrow what another has idle, one for groups and one for single requests, of which some always wait, come to hold about as much
// as each other, though the workers are full of the single ones: room comes as the loan does.
func TestLoan_GroupsBesideSingles(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		for _, first := range []berth.TenantID{"a", "b"} { // who has borrowed all when the other comes
			t.Run(fmt.Sprintf("%d daemons, %s first", daemons, first), func(t *testing.T) {
				bubble(t, func(r *rig) {
					for _, w := range []berth.WorkerID{"v", "w"} {
						r.lives(w)
					}
					checked := r.checked()
					ds, stop := r.several(daemons)
					const each = 333 // three of them fill a worker
					r.guarantee(ds[0], "lender", 6*each, 6*each)
					for _, of := range []berth.TenantID{"a", "b"} {
						r.guarantee(ds[0], of, 6*each, 0)
					}
					s := &lasting{rig: r, ds: ds, runs: time.Second, each: each, size: map[berth.TenantID]int64{"a": 2}}
					fill := func(of berth.TenantID) {
						for range 20 {
							s.submit(of)
						}
					}
					second := map[berth.TenantID]berth.TenantID{"a": "b", "b": "a"}[first]
					fill(first)
					s.passes(5 * time.Second)
					fill(second)
					s.passes(40 * time.Second)
					held := s.passes(80 * time.Second)
					if held["a"] < 1.1 || held["b"] < 2 || held["a"]+held["b"] < 5 {
						t.Errorf("groups of two hold %.2f of 6 on average, single requests %.2f: a %s, b %s", held["a"], held["b"], r.record("a"), r.record("b"))
					}
					stop()
					checked()
				})
			})
		}
	}
}
