package berth_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

// A worker that is as another has links of its own where that has; a name that an
// operator has given stays.
func TestCapacity_LikeOf(t *testing.T) {
	c := berth.Capacity{Devices: []berth.Device{{Name: "a", Link: berth.LinkOf("w1", "nvlink0")}, {Name: "b", Link: "rack7"}, {Name: "c"}, {Name: "d", Link: "w1"}}}
	want := []berth.Device{{Name: "a", Link: "w2.nvlink0"}, {Name: "b", Link: "rack7"}, {Name: "c"}, {Name: "d", Link: "w1"}}
	if diff := cmp.Diff(want, c.LikeOf("w1", "w2").Devices); diff != "" {
		t.Error(diff)
	}
	if c.Devices[0].Link != "w1.nvlink0" {
		t.Errorf("the first has changed: %s", c.Devices[0].Link)
	}
}
