package worker

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDetect(t *testing.T) {
	c, err := Detect(filepath.Join(t.TempDir(), "not", "yet"), DefaultReserve)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.CPUMilli < 1 || c.MemoryBytes < 1<<20 || c.DiskBytes < 0 || c.Ports.Count() < 1 {
		t.Errorf("this machine has %+v", c)
	}
}

func TestReserve(t *testing.T) {
	tests := []struct {
		name                    string
		keep                    Reserve
		cpu, memory             int64
		wantCPU, wantMemoryLeft int64
	}{
		{"defaults, large", DefaultReserve, 64_000, 64 << 30, 60_800, 64<<30 - 512<<20},
		{"defaults, small", DefaultReserve, 1_000, 1000 << 20, 900, 900 << 20},
		{"nothing", Reserve{}, 1_000, 1 << 30, 1_000, 1 << 30},
		{"all and more", Reserve{CPUMilli: 5000, MemoryBytes: 2 << 30}, 1_000, 1 << 30, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.keep.cpu(tt.cpu); got != tt.wantCPU {
				t.Errorf("cpu %d, want %d", got, tt.wantCPU)
			}
			if got := tt.keep.memory(tt.memory); got != tt.wantMemoryLeft {
				t.Errorf("memory %d, want %d", got, tt.wantMemoryLeft)
			}
		})
	}
}

func TestCgroupLimits(t *testing.T) {
	tests := []struct {
		name, self      string
		files           map[string]string
		wantCPU, wantMB int64
	}{
		{"version 2, the tighter of two", "0::/a/b\n", map[string]string{
			"a/cpu.max": "150000 100000", "a/memory.max": "max", "a/b/cpu.max": "max 100000", "a/b/memory.max": "104857600",
		}, 1500, 100},
		{"version 2, the path of the host", "0::/../elsewhere\n", map[string]string{"cpu.max": "50000 100000"}, 500, 0},
		{"version 1", "4:cpu,cpuacct:/x\n3:memory:/y\n", map[string]string{
			"cpu/x/cpu.cfs_quota_us": "200000", "cpu/x/cpu.cfs_period_us": "100000",
			"memory/y/memory.limit_in_bytes": "209715200", "memory/memory.limit_in_bytes": "9223372036854771712",
		}, 2000, 200},
		{"none", "0::/\n", nil, 0, 0},
		{"nonsense", "hello\n0::/a\n", map[string]string{"a/cpu.max": "x y z", "a/memory.max": "-5"}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			self := filepath.Join(t.TempDir(), "cgroup")
			if err := os.WriteFile(self, []byte(tt.self), 0o600); err != nil {
				t.Fatal(err)
			}
			got := cgroupLimits{root: root, self: self}.read()
			if got.cpuMilli != tt.wantCPU || got.memoryBytes != tt.wantMB<<20 {
				t.Errorf("cpu %d, memory %d; want %d, %d MiB", got.cpuMilli, got.memoryBytes, tt.wantCPU, tt.wantMB)
			}
		})
	}
}
