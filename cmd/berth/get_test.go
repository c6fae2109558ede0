package main

import (
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Which port got which number is told by the names that were asked for; one of no number is no port 0.
// What is asked of the memory of each device is told.
func TestWants_DeviceMemory(t *testing.T) {
	d := &berthv1.Demand{Devices: []*berthv1.DeviceDemand{{Count: 2, Milli: 1000, MemoryBytes: 41 << 30, Linked: true}}}
	if got, want := wants(d), "0 cores, 0 memory, 2 of any device, whole ones, with 41GiB of memory each, of one link domain"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A whole device is no number of thousandths.
func TestDevices_Whole(t *testing.T) {
	t.Parallel()
	of := func(count, milli int64) string {
		return wants(&berthv1.Demand{Devices: []*berthv1.DeviceDemand{{Types: []string{"h100"}, Count: count, Milli: milli}}})
	}
	for want, got := range map[string]string{
		"0 cores, 0 memory, 1 of h100, a whole one":          of(1, 1000),
		"0 cores, 0 memory, 2 of h100, whole ones":           of(2, 1000),
		"0 cores, 0 memory, 2 of h100, 250 thousandths each": of(2, 250),
		"0 cores, 0 memory, gpu0, gpu1 (250 thousandths)":    holds(&berthv1.Share{Devices: []*berthv1.DeviceShare{{Name: "gpu0", Milli: 1000}, {Name: "gpu1", Milli: 250}}}, nil),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

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
