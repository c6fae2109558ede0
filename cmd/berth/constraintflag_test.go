package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
)

func parsed(text string) berth.Constraint {
	r := wire.ToRequest(&berthv1.Request{Constraints: []*berthv1.Constraint{constraintOf(text)}})
	return r.Normalize().Constraints[0]
}

func TestConstraintOf(t *testing.T) {
	for text, want := range map[string]berth.Constraint{
		"zone=a":                      {Label: "zone", Operator: "in", Values: []string{"a"}},
		"zone = a":                    {Label: "zone", Operator: "in", Values: []string{"a"}},
		"zone==a":                     {Label: "zone", Operator: "in", Values: []string{"a"}},
		"zone=a=b":                    {Label: "zone", Operator: "in", Values: []string{"a=b"}},
		"zone!=a":                     {Label: "zone", Operator: "not_in", Values: []string{"a"}},
		"zone=":                       {Label: "zone", Operator: "in", Values: []string{""}},
		"zone":                        {Label: "zone", Operator: "exists"},
		"!zone":                       {Label: "zone", Operator: "not_exists"},
		"nics>=2":                     {Label: "nics", Operator: "ge", Values: []string{"2"}},
		"nics < 2.5":                  {Label: "nics", Operator: "lt", Values: []string{"2.5"}},
		"disk in (ssd,nvme)":          {Label: "disk", Operator: "in", Values: []string{"ssd", "nvme"}},
		"disk notin (hdd)":            {Label: "disk", Operator: "not_in", Values: []string{"hdd"}},
		"driver version >=535, <560":  {Label: "driver", Operator: "version", Values: []string{">=535, <560"}},
		"driver version ~1.2 || =3.1": {Label: "driver", Operator: "version", Values: []string{"~1.2 || =3.1"}},
	} {
		if diff := cmp.Diff(want, parsed(text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// The flag takes back what explain prints.
func TestConstraintOf_TakesItsOwnWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9./-]{1,8}`)
		want := berth.Constraint{Label: word.Draw(t, "label"), Operator: rapid.SampledFrom([]berth.Operator{
			berth.OperatorIn, berth.OperatorNotIn, berth.OperatorExists, berth.OperatorNotExists,
			berth.OperatorLess, berth.OperatorAtMost, berth.OperatorMore, berth.OperatorAtLeast, berth.OperatorVersion,
		}).Draw(t, "operator")}
		switch want.Operator {
		case berth.OperatorExists, berth.OperatorNotExists:
		case berth.OperatorIn, berth.OperatorNotIn:
			want.Values = rapid.SliceOfNDistinct(word, 1, 4, rapid.ID).Draw(t, "values")
		default:
			want.Values = []string{word.Draw(t, "value")}
		}
		if got := parsed(want.String()); got.String() != want.String() {
			t.Fatalf("%s is read as %s", want, got)
		}
	})
}
