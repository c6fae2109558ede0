package main

import (
	"fmt"
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
