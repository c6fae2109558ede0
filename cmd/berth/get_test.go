package main

import (
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Which port got which number is told by the names that were asked for; one of no number is no port 0.
func TestPorts_ByName(t *testing.T) {
	t.Parallel()
	ports := []*berthv1.PortDemand{{Name: "web", Number: 8080}, {Name: "metrics"}}
	if got, want := wants(&berthv1.Demand{Ports: ports}), "0 cores, 0 memory, port web=8080, port metrics (any free one)"; got != want {
		t.Errorf("wants %q, want %q", got, want)
	}
	if got, want := holds(&berthv1.Share{Ports: []int32{8080, 30000}}, ports), "0 cores, 0 memory, port web=8080, port metrics=30000"; got != want {
		t.Errorf("holds %q, want %q", got, want)
	}
}
