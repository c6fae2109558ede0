package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
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

// What cannot be a constraint is no label's name.
func TestReadConstraint_Refuses(t *testing.T) {
	for _, text := range []string{
		"", "!", "=a", "!=a", ">=2", "zone in a,b", "zone in (a", "zone in ()", "zone in (a,)", "zone In (a)", "zone like a", "a zone",
		"nics=>2", "nics=<2", "zone=~a", "zone===a", "zone!!a", "!zone=a", "a=b in (c)", "driver version ",
	} {
		if c, err := readConstraint(text); err == nil {
			t.Errorf("%q is read as %v", text, c)
		}
	}
	for _, text := range []string{"zone=", "zone=a=b", "zone.io/name not in (a,b)", "nics >= 2", "driver version ~1.2 || =3.1"} {
		if _, err := readConstraint(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTolerationOf(t *testing.T) {
	for _, text := range []string{"", ":no_place", "=yes", "*=yes", "gpu:", "gpu:never", "gpu!=yes", "gpu==yes", "a gpu", "gpu=yes:NO"} {
		if got, err := tolerationOf(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for text, want := range map[string]*berthv1.Toleration{
		"gpu":                     {Key: "gpu", Operator: "exists"},
		"*":                       {Operator: "exists"},
		"*:no_run":                {Operator: "exists", Effect: "no_run"},
		"gpu=yes:NoSchedule":      {Key: "gpu", Operator: "equal", Value: "yes", Effect: "NoSchedule"},
		"gpu=":                    {Key: "gpu", Operator: "equal"},
		"gpu=a=b:prefer-no-place": {Key: "gpu", Operator: "equal", Value: "a=b", Effect: "prefer-no-place"},
	} {
		got, err := tolerationOf(text)
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%q is read as %v, %v; want %v", text, got, err, want)
		}
	}
}
