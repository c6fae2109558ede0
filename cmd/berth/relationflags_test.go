package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestRelationOf(t *testing.T) {
	for text, want := range map[string]string{
		"app=web":              "app web  0 0",
		"app=web@rack":         "app web rack 0 0",
		"app=web@rack:50":      "app web rack 0 50",
		"app=web@zone/2:50":    "app web zone 2 50",
		"app=web:50":           "app web  0 50",
		"app=a=b@topology/x/3": "app a=b topology/x 3 0",
	} {
		s, err := relationOf("spread", text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fmt.Sprintf("%s %s %s %d %d", s.GetRequests().GetLabel(), s.GetRequests().GetValue(), s.GetTopology(), s.GetMaxSkew(), s.GetWeight()); got != want {
			t.Errorf("%s is read as %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", "app", "=web", "app=web@rack:heavy", "app=web@rack/x", "app=web@", "app=web@/2", "app=web@rack:0", "app=web@rack/0"} {
		if s, err := relationOf("spread", text); err == nil {
			t.Errorf("%q is read as %v", text, s)
		}
	}
}

func TestWorkersOf(t *testing.T) {
	for text, want := range map[string]string{
		"disk in (ssd):30":                         "30: disk in ssd",
		"zone in (a,b) and !berth.spot and n>=2:1": "1: zone in a, b; berth.spot not_exists ; n >= 2",
		"driver version >=535, <560:100":           "100: driver version >=535, <560",
		"image=a:b:7":                              "7: image = a:b",
		"disk:5":                                   "5: disk exists ",
	} {
		a, err := workersOf("affinity-workers", text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var cons []string
		for _, c := range a.GetWorkers() {
			cons = append(cons, fmt.Sprintf("%s %s %s", c.GetLabel(), c.GetOperator(), strings.Join(c.GetValues(), ", ")))
		}
		if got := fmt.Sprintf("%d: %s", a.GetWeight(), strings.Join(cons, "; ")); got != want {
			t.Errorf("%s is read as %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"disk in (ssd)":         "has no weight in range; allowed: CONSTRAINT:WEIGHT, as 'disk in (ssd):30'",
		"disk=ssd:0":            "cannot be read",
		"disk=ssd:101":          "has no weight in range",
		"disk=ssd@rack:5":       "has an @; allowed: CONSTRAINT:WEIGHT",
		"disk=ssd and :5":       "cannot be read",
		":5":                    "cannot be read",
		"zone in a,b:5":         "cannot be read",
		"disk=ssd and zone=a:x": "cannot be read",
	} {
		if a, err := workersOf("affinity-workers", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is read as %v, %v; want %q", text, a, err, want)
		}
	}
}

// What looks like a preference for workers is not taken for a label of requests, which nothing has.
func TestRelationOf_Colon(t *testing.T) {
	for _, field := range []string{"affinity", "anti-affinity", "spread"} {
		_, err := relationOf(field, "workers:disk=ssd:30")
		if err == nil || !strings.Contains(err.Error(), "has a colon in the label of requests") || !strings.Contains(err.Error(), "--affinity-workers") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
