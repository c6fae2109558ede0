package berth_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func TestParseTaint(t *testing.T) {
	for text, want := range map[string]berth.Taint{
		"gpu=yes:no_place":       {Key: "gpu", Value: "yes", Effect: "no_place"},
		"gpu:prefer-no-place":    {Key: "gpu", Effect: "prefer_no_place"},
		"a:b=c:d:NoExecute":      {Key: "a:b", Value: "c:d", Effect: "no_run"},
		"gpu=:NoSchedule":        {Key: "gpu", Effect: "no_place"},
		"x=y=z:PreferNoSchedule": {Key: "x", Value: "y=z", Effect: "prefer_no_place"},
	} {
		got, err := berth.ParseTaint(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "gpu", "gpu=yes", "gpu:never", ":no_place", "=x:no_place"} {
		if got, err := berth.ParseTaint(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// What is set is there, once of a key and an effect, sorted; what is dropped is not.
func TestSetTaints(t *testing.T) {
	effects := rapid.SampledFrom([]berth.Effect{berth.EffectNoPlace, berth.EffectPreferNoPlace, berth.EffectNoRun})
	taint := rapid.Custom(func(t *rapid.T) berth.Taint {
		return berth.Taint{Key: rapid.StringMatching("[ab]").Draw(t, "key"), Value: rapid.StringMatching("[xy]?").Draw(t, "value"), Effect: effects.Draw(t, "effect")}
	})
	rapid.Check(t, func(t *rapid.T) {
		var taints []berth.Taint
		want := map[[2]string]string{}
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			c := taint.Draw(t, "taint")
			if rapid.Bool().Draw(t, "drop") {
				taints = berth.DropTaints(taints, c.Key, c.Effect)
				delete(want, [2]string{c.Key, string(c.Effect)})
				continue
			}
			taints = berth.SetTaints(taints, []berth.Taint{c})
			want[[2]string{c.Key, string(c.Effect)}] = c.Value
		}
		if err := berth.ValidateTaints("taints", taints); err != nil || len(taints) != len(want) {
			t.Fatalf("%v of %v: %v", taints, want, err)
		}
		for _, c := range taints {
			if v, ok := want[[2]string{c.Key, string(c.Effect)}]; !ok || v != c.Value {
				t.Fatalf("%v of %v", taints, want)
			}
		}
	})
}

func TestNormalize_Tolerations(t *testing.T) {
	given := []berth.Toleration{{Key: "a"}, {Key: "b", Operator: "Exists", Effect: "NoExecute"}, {Key: "c", Operator: "=", Effect: "no-place"}}
	want := []berth.Toleration{
		{Key: "a", Operator: "equal"}, {Key: "b", Operator: "exists", Effect: "no_run"}, {Key: "c", Operator: "equal", Effect: "no_place"},
	}
	got := berth.Request{Tolerations: given}.Normalize().Tolerations
	if diff := cmp.Diff(want, got); diff != "" || given[0].Operator != "" {
		t.Errorf("-want +got, and the caller's %v\n%s", given, diff)
	}
}
