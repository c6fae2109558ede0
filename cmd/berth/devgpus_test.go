package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestParseGPUs(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "0": "", "2": "gpu0=gpu gpu1=gpu", "1xh100": "gpu0=h100", "1xh100, 2xrtx-4090": "gpu0=h100 gpu1=rtx-4090 gpu2=rtx-4090",
		"12xa": "gpu0=a gpu1=a gpu10=a gpu11=a gpu2=a gpu3=a gpu4=a gpu5=a gpu6=a gpu7=a gpu8=a gpu9=a", // sorted, as a worker's are
	} {
		devices, err := parseGPUs(text)
		var got []string
		for _, d := range devices {
			got = append(got, fmt.Sprintf("%s=%s", d.Name, d.Type))
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
		if err := (berth.Capacity{Devices: devices}).Validate(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, bad := range []string{"x", "h100", "2x", "-1", "1,", "2xH100", "h100=2", "0xh100", "0x10", "1,0", "00", "257", "200,57xt4", "4294967296", "1xh100x"} {
		devices, err := parseGPUs(bad)
		if (err == nil) != (bad == "1xh100x") { // an id may end so
			t.Errorf("%q is read as %v: %v", bad, devices, err)
		}
	}
}

// What is placed on a pretended device holds it, and CUDA is told of none.
func TestDev_GPUs(t *testing.T) {
	devices, err := parseGPUs("2xh100")
	if err != nil {
		t.Fatal(err)
	}
	withCapacity(t, berth.Capacity{Quantities: berth.Quantities{CPUMilli: 4000, MemoryBytes: 4 << 30}, Devices: devices}, func(s *shell) {
		r := s.want(exitGood, "gpu0", "run", "--device", "h100=1", "--", "sh", "-c", `echo "$BERTH_DEVICES ${CUDA_VISIBLE_DEVICES-unset}"`)
		if r.out != "gpu0 unset\n" {
			t.Errorf("it saw %q", r.out)
		}
		s.want(exitGood, "2 h100", "workers")
		s.want(exitGood, "g", "submit", "--id", "g", "--device", "h100=3", "--", "true")
		s.want(exitGood, "it wants 3 of devices (h100), and w-1, the nearest, has 2 in all", "explain", "g")
	})
}
