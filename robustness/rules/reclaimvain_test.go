package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Of three daemons, one for all stops what is reclaimed. Where nothing would make room for who waits, it has nothing to do: so the
// others do not take it for silent, and what waits does not go from daemon to daemon, each of which takes quota for it.
func TestReclaim_InVainAmongSeveral(t *testing.T) {
	for _, tt := range []struct {
		name  string
		skews []time.Duration
	}{
		{"equal clocks", []time.Duration{0, 0, 0}},
		{"clocks apart", []time.Duration{0, 700 * time.Millisecond, -900 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				ds, stop := r.apart(tt.skews...)
				defer stop()
				r.inVain(ds)
				r.quiet()
			})
		})
	}
}

// inVain is a lender of which one request waits for what was lent, and one for a worker: most of that is of others. Some
// have borrowed.
func (r *rig) inVain(ds []*daemon.Daemon) {
	r.t.Helper()
	r.run(ds[0], "x0", some("x", 980))
	r.reclaimsAfter(ds[0], "a", 30, 30, 5*time.Second)
	for _, t := range []berth.TenantID{"b", "c", "d"} {
		r.guarantee(ds[0], t, 30, 0)
		r.run(ds[0], string(t)+"0", some(t, 6))
		r.passes(time.Second)
		r.runs("w", string(t)+"0")
	}
	r.run(ds[0], "a0", some("a", 30))
	r.run(ds[1], "a1", some("a", 12))
	r.passes(10 * time.Second)
	if r.located("x0", "b0", "c0", "d0") != 4 || r.located("a0", "a1") != 0 {
		r.t.Fatal("others have a place")
	}
}
