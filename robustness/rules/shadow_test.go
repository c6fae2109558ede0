package rules

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

func (r *rig) shadowCounts(d *daemon.Daemon) daemon.ShadowCounts {
	r.t.Helper()
	synctest.Wait()
	all, err := d.Shadows(r.t.Context())
	r.ok(err)
	return all[berth.DefaultPool]
}

// A shadow is asked about each placement, on the workers as they were, and nothing goes
// anywhere else for it. With another policy it is counted anew.
func TestShadow_Counts(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, killA := r.lives("a")
		_, killB := r.lives("b")
		pool := func(p berth.Pool) { r.ok(d.SetPool(r.t.Context(), berth.DefaultPool, p)) }
		small := func(s *berth.Request) { s.Resources.CPUMilli = 100 }
		pool(berth.Pool{Strategy: berth.StrategyBinpack, Shadow: &berth.Shadow{Strategy: berth.StrategySpread}})
		for i := range 4 {
			r.run(d, fmt.Sprint("packed-", i), small)
			if a, _ := r.allocation("a", fmt.Sprint("packed-", i)); a == nil {
				r.t.Errorf("packed-%d is not on a", i)
			}
		}
		spread := r.shadowCounts(d)
		if spread.Same+spread.Other != 4 || spread.Other < 2 || spread.Skipped != 0 || spread.ShadowLoadMilli >= spread.LoadMilli {
			r.t.Errorf("beside binpack: %+v; want 4 judged, spread's on less loaded workers", spread)
		}
		pool(berth.Pool{Shadow: &berth.Shadow{Strategy: berth.StrategyBinpack}})
		r.run(d, "more", small)
		r.exits("a", "packed-0")
		r.run(d, "again", small)
		if c := r.shadowCounts(d); c.Same != 2 || c.Other != 0 || c.LoadMilli != c.ShadowLoadMilli {
			r.t.Errorf("beside the same policy: %+v; want 2 of the same", c)
		}
		pool(berth.Pool{Shadow: &berth.Shadow{}})
		r.run(d, "alone", small)
		if all, err := d.Shadows(r.t.Context()); err != nil || len(all) != 0 {
			r.t.Errorf("without a shadow: %v, %v", all, err)
		}
		killA()
		killB()
		stop()
	})
}

// No more than 200 placements of a second are judged; the rest is counted as skipped.
func TestShadow_Bounded(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("a")
		r.ok(d.SetPool(r.t.Context(), berth.DefaultPool, berth.Pool{Shadow: &berth.Shadow{Strategy: berth.StrategyBinpack}}))
		place := func(of string, n int) {
			var all []berth.Request
			for i := range n {
				s := r.submission(fmt.Sprint(of, "-", i)).Spec
				s.Resources.CPUMilli, s.Resources.MemoryBytes = 1, 1
				all = append(all, s)
			}
			res, err := d.Submit(r.t.Context(), all)
			r.ok(err)
			for i := range res {
				r.ok(res[i].Err)
			}
			synctest.Wait()
		}
		place("first", 150)
		place("second", 150)
		if c := r.shadowCounts(d); c.Same+c.Other != 200 || c.Skipped != 100 {
			r.t.Errorf("of 300 in a second: %+v; want 200 judged", c)
		}
		r.passes(time.Second)
		place("third", 150)
		if c := r.shadowCounts(d); c.Same+c.Other != 350 || c.Skipped != 100 {
			r.t.Errorf("a second later: %+v; want 350 judged", c)
		}
		kill()
		stop()
	})
}
