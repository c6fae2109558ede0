package berth

import (
	"cmp"
	"maps"
)

// Shadow is another policy of a pool, which is asked where it would place what the pool
// does, and has no effect.
type Shadow struct {
	Strategy Strategy `json:"strategy,omitempty"` // empty: the pool's own
	Weights  Weights  `json:"weights,omitempty"`
}

// IsZero says whether s names no policy.
func (s *Shadow) IsZero() bool { return s.Strategy == "" && len(s.Weights) == 0 }

// Of is s with what it takes over from its pool.
func (s *Shadow) Of(p *Pool) *Shadow {
	return &Shadow{Strategy: cmp.Or(s.Strategy, p.Strategy, StrategySpread), Weights: s.Weights}
}

// Equal says whether two are one policy.
func (s *Shadow) Equal(o *Shadow) bool {
	return s.Strategy == o.Strategy && maps.Equal(s.Weights, o.Weights)
}

// Validate checks words and bounds.
func (s *Shadow) Validate() error {
	if s.Strategy != "" {
		if err := checkStrategy("shadow.strategy", s.Strategy); err != nil {
			return err
		}
	}
	return s.Weights.validate("shadow.weights")
}
