package berth_test

import (
	"errors"
	"testing"

	"github.com/berthd/berth"
)

func TestWeights_Validate(t *testing.T) {
	for name, tt := range map[string]struct {
		weights berth.Weights
		field   string // empty: valid
	}{
		"none":      {nil, ""},
		"the least": {berth.Weights{berth.ScorerLoad: 0}, ""},
		"the most":  {berth.Weights{berth.ScorerAvoided: berth.MaxPoolWeight, berth.ScorerFree: 1}, ""},
		"negative":  {berth.Weights{berth.ScorerLoad: -1}, "weights.load"},
		"too much":  {berth.Weights{berth.ScorerDislike: 1, berth.ScorerLoad: berth.MaxPoolWeight + 1}, "weights.load"},
		"unknown":   {berth.Weights{"speed": 1}, "weights"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.weights.Validate()
			fe, ok := errors.AsType[*berth.FieldError](err)
			if (tt.field != "") != ok || ok && (fe.Field != tt.field || fe.Bound == "") {
				t.Errorf("%v, want field %q", err, tt.field)
			}
		})
	}
}

func TestWeights_String(t *testing.T) {
	w := berth.Weights{berth.ScorerLoad: 3, berth.ScorerAvoided: 0, berth.ScorerDislike: 10}
	if got := w.String(); got != "avoided=0,dislike=10,load=3" {
		t.Errorf("got %q", got)
	}
}
