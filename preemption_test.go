package berth_test

import (
	"errors"
	"testing"

	"github.com/berthd/berth"
)

func TestPreemption(t *testing.T) {
	base := berth.Request{ID: "r", Command: []string{"true"}}
	for word, stored := range map[berth.Preemption]berth.Preemption{"": "", "never": "", "lower": "lower"} {
		r := base
		r.Preemption = word
		if r = r.Normalize(); r.Preemption != stored || r.Validate() != nil {
			t.Errorf("%q is stored as %q: %v", word, r.Preemption, r.Validate())
		}
	}
	grouped := base
	grouped.Preemption, grouped.Group = berth.PreemptionLower, &berth.Membership{Size: 2}
	if err := grouped.Normalize().Validate(); err != nil {
		t.Errorf("of a group: %v", err)
	}
	strange := base
	strange.Preemption = "higher"
	if fe, ok := errors.AsType[*berth.FieldError](strange.Normalize().Validate()); !ok || fe.Field != "preemption" {
		t.Errorf("%q: %v", strange.Preemption, fe)
	}
	var p berth.Preemption
	if p.UnmarshalText([]byte("lower")) != nil || p.UnmarshalText([]byte("all")) == nil {
		t.Error("its words are others")
	}
}
