package wire

import (
	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// FromWeights is the message of a pool's weights; of none, nil.
func FromWeights(w berth.Weights) *berthv1.Weights {
	if len(w) == 0 {
		return nil
	}
	m := make(map[string]int64, len(w))
	for name, n := range w {
		m[string(name)] = n
	}
	return &berthv1.Weights{Scorers: m}
}

// ToWeights is the weights of a message, not yet valid: nil where there is none.
func ToWeights(m *berthv1.Weights) berth.Weights {
	if m == nil {
		return nil
	}
	w := make(berth.Weights, len(m.GetScorers()))
	for name, n := range m.GetScorers() {
		w[berth.Scorer(name)] = n
	}
	return w
}

// FromShadow is the message of a pool's shadow; of none, nil.
func FromShadow(s *berth.Shadow) *berthv1.Shadow {
	if s == nil {
		return nil
	}
	return &berthv1.Shadow{Strategy: string(s.Strategy), Weights: FromWeights(s.Weights)}
}

// ToShadow is the shadow of a message, not yet valid: nil where there is none.
func ToShadow(m *berthv1.Shadow) *berth.Shadow {
	if m == nil {
		return nil
	}
	return &berth.Shadow{Strategy: berth.Strategy(m.GetStrategy()), Weights: ToWeights(m.GetWeights())}
}
