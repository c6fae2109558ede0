package rules

import (
	"testing"

	"github.com/berthd/berth"
)

// A pool chooses by the weights that it has when a request is placed, and what was placed
// is decided again by those: after each test all placements are.
func TestWeights_OfTheRevision(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, killA := r.lives("a")
		_, killB := r.lives("b")
		pool := func(p berth.Pool) { r.ok(d.SetPool(r.t.Context(), berth.DefaultPool, p)) }
		pool(berth.Pool{Strategy: berth.StrategyBinpack})
		r.run(d, "large", func(s *berth.Request) { s.Resources.CPUMilli = 500 })
		_, err := d.SetTaints(r.t.Context(), "a", func([]berth.Taint) []berth.Taint {
			return []berth.Taint{{Key: "old", Effect: berth.EffectPreferNoPlace}}
		})
		r.ok(err)
		for _, step := range []struct {
			id      string
			weights berth.Weights
			want    string
		}{
			{"without", nil, "b"},
			{"load", berth.Weights{berth.ScorerDislike: 1, berth.ScorerLoad: 3}, "a"},
			{"kept", nil, "a"},
			{"dislike", berth.Weights{berth.ScorerDislike: 30, berth.ScorerLoad: 3}, "b"},
			{"no-dislike", berth.Weights{berth.ScorerDislike: 0}, "a"},
			{"none", berth.Weights{}, "b"},
		} {
			if step.weights != nil {
				pool(berth.Pool{Weights: step.weights})
			}
			r.run(d, step.id, nil)
			if a, _ := r.allocation(step.want, step.id); a == nil {
				r.t.Errorf("%s is not on %s", step.id, step.want)
			}
		}
		killA()
		killB()
		stop()
	})
}
