package worker

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestReadSMI(t *testing.T) {
	sys := fstest.MapFS{
		"bus/pci/devices/0000:18:00.0/numa_node": {Data: []byte("1\n")},
		"bus/pci/devices/0000:3b:00.0/numa_node": {Data: []byte("-1\n")},
	}
	got, err := readSMI(`10, NVIDIA H100 80GB HBM3, 81559, 00000000:18:00.0, Disabled, GPU-8f3e1c2a-0001-4b6d-9d2e-5a7c11d0f3b1
0, NVIDIA A100-SXM4-80GB, 81920, 00000000:3B:00.0, Enabled, GPU-8f3e1c2a-0002-4b6d-9d2e-5a7c11d0f3b1
1, NVIDIA GH200 480GB, [N/A], 00000009:01:00.0, Disabled, [N/A]
2, NVIDIA GeForce RTX 4090, 24564, 00000000:3B:00.0, [N/A], GPU-8f3e1c2a-0004-4b6d-9d2e-5a7c11d0f3b1
`, sys)
	one := int64(1)
	want := Inventory{
		Devices: []berth.Device{
			{Name: "gpu1", Type: "gh200"},
			{Name: "gpu10", Type: "h100", MemoryBytes: 81559 << 20, NUMANode: &one},
			{Name: "gpu2", Type: "rtx-4090", MemoryBytes: 24564 << 20},
		},
		UUIDs:   map[string]string{"gpu10": "GPU-8f3e1c2a-0001-4b6d-9d2e-5a7c11d0f3b1", "gpu2": "GPU-8f3e1c2a-0004-4b6d-9d2e-5a7c11d0f3b1"},
		Skipped: []string{"gpu0 is divided (MIG)"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := (berth.Capacity{Devices: got.Devices}).Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"x, NVIDIA H100, 1, 0:0, Disabled, GPU-a\n", "NVIDIA-SMI has failed\n"} {
		if got, err := readSMI(bad, sys); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func TestDeviceType(t *testing.T) {
	for product, want := range map[string]string{
		"NVIDIA H100 80GB HBM3": "h100", "NVIDIA H100 NVL": "h100", "NVIDIA H200": "h200", "NVIDIA A100-PCIE-40GB": "a100", "Tesla T4": "t4",
		"Tesla V100-SXM2-16GB": "v100", "NVIDIA L40S": "l40s", "NVIDIA RTX A6000": "rtx-a6000", "NVIDIA GeForce GTX 1080 Ti": "gtx-1080", "Quadro": "gpu", "": "gpu",
	} {
		if got := deviceType(product); got != want || berth.CheckID("type", got) != nil {
			t.Errorf("%q is %q, want %q", product, got, want)
		}
	}
}
