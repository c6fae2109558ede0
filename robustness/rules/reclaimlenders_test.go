package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What ends for one lender does not for another: each has as much stopped as it lacks when its time has come, be it that the same borrower's
// stop for another already, and no more; and what has ended is first that one's who has waited for longest.
func TestReclaim_SeveralLenders(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, first := range []berth.TenantID{"a", "b"} {
			bubbleSub(t, fmt.Sprintf("%d daemons, %s first", n, first), func(r *rig) {
				s := r.seen()
				s.lag = func(int) time.Duration { return 6 * time.Second }
				ds, stop := r.several(n)
				defer stop()
				defer s.livesOf("w", 64000, 64<<30)()
				s.works(time.Second, nil)
				other := map[berth.TenantID]berth.TenantID{"a": "b", "b": "a"}[first]
				s.reclaimsAfter(ds[0], first, 8000, 4000, 0)
				s.reclaimsAfter(ds[0], other, 8000, 4000, time.Second)
				s.guarantee(ds[0], "c", 8000, 0)
				for i := range 8 {
					s.asks(ds[0], s.wants(fmt.Sprint("c", i), "c", 1000, 0))
				}
				s.works(3*time.Second, nil)
				if there, _ := s.snapshot(); len(there) != 8 {
					r.t.Fatalf("%d are placed, want 8: %s", len(there), s.where())
				}
				s.asks(ds[0], s.wants("x0", first, 1000, 0))
				s.works(100*time.Millisecond, nil)
				s.asks(ds[n-1], s.wants("y", other, 2000, 0))
				s.works(2900*time.Millisecond, nil)
				if sum, _, _ := s.tolds(); sum != 3 {
					r.t.Errorf("%d are told to stop, want 3: %s", sum, s.where())
				}
				for i := range 3 {
					s.works(time.Second, nil)
					s.asks(ds[0], s.wants(fmt.Sprint("x", i+1), first, 1000, 0)) // so the first waits without a break, and has what ends before y has
					s.works(3*time.Second, nil)
					if i == 0 && !s.has("x0", 0) || i == 2 && !s.has("y", 0) {
						r.t.Errorf("%d s after x0 came: %s", 4*i+7, s.where())
					}
				}
				s.works(20*time.Second, nil)
				if sum, _, _ := s.tolds(); sum != 6 || !s.has("x3", 0) || s.faulty() != "" {
					r.t.Errorf("%d are told to stop, want 6: %s; %s", sum, s.where(), s.faulty())
				}
			})
		}
	}
}
