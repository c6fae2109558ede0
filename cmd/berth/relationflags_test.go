package main

import (
	"fmt"
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
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
		"disk=ssd:30":                    "[disk = ssd] 30",
		"disk in (ssd,nvme) & zone=a:1":  "[disk in (nvme,ssd) zone = a] 1",
		"!spot:100":                      "[!spot] 100",
		"generation>=3 & driver=a:b:100": "[generation >= 3 driver = a:b] 100",
	} {
		a, err := workersOf("affinity-workers", text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var all []string
		for _, c := range a.GetWorkers() {
			all = append(all, wire.ToRequest(&berthv1.Request{Constraints: []*berthv1.Constraint{c}}).Constraints[0].String())
		}
		if got := fmt.Sprint(strings.ReplaceAll(fmt.Sprint(all), ", ", ","), " ", a.GetWeight()); got != want {
			t.Errorf("%s is read as %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", "disk=ssd", "disk=ssd:0", "disk=ssd:heavy", ":30", "disk=ssd & :30", "=ssd:3", "disk=ssd@rack:5", "zone in a,b:5"} {
		if a, err := workersOf("affinity-workers", text); err == nil {
			t.Errorf("%q is read as %v", text, a)
		}
	}
}

// What looks like a preference for workers is not taken for a label of requests, which nothing has.
func TestRelationOf_Colon(t *testing.T) {
	for field, want := range map[string]string{
		"affinity":      "for labels of workers --affinity-workers 'disk=ssd:30'",
		"anti-affinity": "for labels of workers --anti-affinity-workers 'disk=ssd:30'",
		"spread":        "has a colon in the label of requests",
	} {
		if _, err := relationOf(field, "workers:disk=ssd:30"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", field, err, want)
		}
	}
	if _, err := relationOf("affinity", "worker:disk=ssd:30"); err == nil || !strings.Contains(err.Error(), "--affinity-workers") {
		t.Errorf("of worker: %v", err)
	}
}
