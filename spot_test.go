package berth

import (
	"errors"
	"maps"
	"testing"
)

func TestWorker_AllLabels(t *testing.T) {
	for name, c := range map[string]struct {
		w    Worker
		want map[string]string
	}{
		"none":         {Worker{}, nil},
		"own":          {Worker{Labels: map[string]string{"zone": "a"}}, map[string]string{"zone": "a"}},
		"spot":         {Worker{Spot: true}, map[string]string{LabelSpot: "true"}},
		"own and spot": {Worker{Labels: map[string]string{"zone": "a"}, Spot: true}, map[string]string{"zone": "a", LabelSpot: "true"}},
		"pretended":    {Worker{Labels: map[string]string{"zone": "a", LabelSpot: "true"}}, map[string]string{"zone": "a"}},
		"denied":       {Worker{Labels: map[string]string{LabelSpot: "no"}, Spot: true}, map[string]string{LabelSpot: "true"}},
	} {
		before := maps.Clone(c.w.Labels)
		if got := c.w.AllLabels(); !maps.Equal(got, c.want) {
			t.Errorf("%s: AllLabels() = %v; want %v", name, got, c.want)
		}
		if !maps.Equal(c.w.Labels, before) {
			t.Errorf("%s: the worker's own labels were changed", name)
		}
	}
}

func TestValidateWorkerLabels(t *testing.T) {
	if err := ValidateWorkerLabels("labels", map[string]string{"spot": "true"}); err != nil {
		t.Errorf("a label of another name: %v", err)
	}
	err := ValidateWorkerLabels("labels", map[string]string{LabelSpot: "true"})
	if f, ok := errors.AsType[*FieldError](err); !ok || f.Field != "labels.berth.spot" {
		t.Errorf("the reserved label: %v; want a FieldError of labels.berth.spot", err)
	}
}
