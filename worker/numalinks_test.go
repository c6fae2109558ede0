package worker

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestLinkByNUMA(t *testing.T) {
	on := func(name string, node int64) berth.Device {
		return berth.Device{Name: name, Type: "t4", NUMANode: &node, Link: "nvlink0"}
	}
	devices := []berth.Device{on("gpu0", 0), on("gpu1", 1), on("gpu2", 0), {Name: "gpu3", Type: "t4", Link: "nvlink0"}}
	n := LinkByNUMA(devices)
	got := map[string]string{}
	for _, d := range devices {
		got[d.Name] = d.Link
	}
	want := map[string]string{"gpu0": "numa0", "gpu1": "numa1", "gpu2": "numa0", "gpu3": ""}
	if diff := cmp.Diff(want, got); diff != "" || n != 3 {
		t.Errorf("%d linked (-want +got):\n%s", n, diff)
	}
}
