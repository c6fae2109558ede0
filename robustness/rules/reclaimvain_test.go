package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What a lender wants back it can use nowhere yet: what was stopped for it is not stopped again and again, and the lender's is placed
// when there is room on a worker.
func TestReclaim_NoRoomForIt(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		_, killV := r.lives("v")
		defer killV()
		d, stop := r.daemon()
		for _, id := range ids("x", 12) {
			r.run(d, id, some("x", 800))
		}
		r.reclaimsAfter(d, "a", 300, 300, 5*time.Second)
		r.guarantee(d, "b", 1000, 0)
		for _, id := range ids("b", 3) {
			r.run(d, id, some("b", 100))
		}
		r.passes(time.Second)
		all := append(ids("b", 3), ids("x", 12)...)
		r.run(d, "a0", some("a", 300))
		reclaims, rounds := 0, 0
		for i := range 300 {
			r.passes(time.Second)
			for _, w := range []string{"w", "v"} {
				for _, id := range all {
					a, _ := r.allocation(w, id)
					switch {
					case a == nil:
					case a.State == berth.StatePlaced && a.Stop == nil:
						r.runs(w, id)
					case a.Stop != nil:
						reclaims++
						r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Signal: "SIGTERM", At: time.Now().UTC()})
					case id[0] == 'x' && i%60 == 59 && w == "w":
						rounds++
						r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
					}
				}
			}
		}
		if reclaims > 3 || r.located("a0") != 1 {
			t.Errorf("%d were stopped in %d rounds, want 3; a0 placed: %v, %+v, %s", reclaims, rounds, r.located("a0") == 1, r.state(d, "a0").Verdict, r.record("a"))
		}
		stop()
	})
}
