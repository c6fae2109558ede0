package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What was taken for one that has ended, and is not enough for the next that waits, is given back after a while, and
// lent: that waits for an end of its own tenant's, and needs none of it meanwhile.
func TestLoan_RestWhileOneWaits(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.guarantee(d, "a", 1000, 300)
		r.guarantee(d, "c", 300, 300)
		large := func(t berth.TenantID, cores int64) func(*berth.Request) {
			return func(s *berth.Request) {
				of(t)(s)
				s.Resources.CPUMilli = cores
			}
		}
		r.run(d, "c0", large("c", 100))
		r.run(d, "c1", large("c", 120))
		r.run(d, "c2", large("c", 250))
		r.run(d, "a0", large("a", 300))
		r.passes(time.Second)
		r.ends("w", "c1")
		r.run(d, "a1", large("a", 150))
		r.passes(30 * time.Second)
		if r.located("c2") != 0 || r.located("a1") != 1 {
			t.Error("what nobody uses is not lent")
		}
		stop()
	})
}

// What a tenant has used a moment ago its daemon keeps for a while, for what comes next; but not from another that waits for a loan.
func TestLoan_UsedAMomentAgo(t *testing.T) {
	for name, waits := range map[string]bool{"it waits already": true, "it comes then": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lending(func(run func(string, int64)) {
					run("a1", 400)
					if waits {
						run("b1", 300)
					}
					r.ends("w", "a1")
					if r.passes(500 * time.Millisecond); !waits {
						run("b1", 300)
					}
					if r.passes(2 * time.Second); r.located("b1") != 1 {
						t.Errorf("it waits beside what nobody uses: %s", r.record("a"))
					}
				}, map[berth.TenantID]int64{"a": 400})
			})
		})
	}
}
