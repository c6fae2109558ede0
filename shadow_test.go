package berth

import (
	"errors"
	"testing"
)

func TestShadow_Validate(t *testing.T) {
	for name, c := range map[string]struct {
		s    Shadow
		want string // the field that is wrong
	}{
		"none":           {Shadow{}, ""},
		"both":           {Shadow{Strategy: StrategyBinpack, Weights: Weights{ScorerLoad: 3}}, ""},
		"strategy":       {Shadow{Strategy: "best"}, "shadow.strategy"},
		"weight":         {Shadow{Weights: Weights{ScorerLoad: MaxPoolWeight + 1}}, "shadow.weights.load"},
		"unknown scorer": {Shadow{Weights: Weights{"speed": 1}}, "shadow.weights"},
	} {
		err := c.s.Validate()
		if f, ok := errors.AsType[*FieldError](err); ok && f.Field != c.want || !ok && (err != nil || c.want != "") {
			t.Errorf("%s: %v; want field %q", name, err, c.want)
		}
	}
}

func TestShadow_Of(t *testing.T) {
	for name, c := range map[string]struct {
		s    Shadow
		pool Pool
		want Strategy
	}{
		"its own":    {Shadow{Strategy: StrategyBinpack}, Pool{Strategy: StrategySpread}, StrategyBinpack},
		"the pool's": {Shadow{Weights: Weights{ScorerLoad: 1}}, Pool{Strategy: StrategyBinpack}, StrategyBinpack},
		"neither":    {Shadow{Weights: Weights{ScorerLoad: 1}}, Pool{}, StrategySpread},
	} {
		if got := c.s.Of(&c.pool); !got.Equal(&Shadow{Strategy: c.want, Weights: c.s.Weights}) {
			t.Errorf("%s: %+v; want %s", name, got, c.want)
		}
	}
}
