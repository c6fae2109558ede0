package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

// topology is what "nvidia-smi topo -m" prints of GPUs, with a network card: rows give
// the cells of the GPUs.
func topology(rows ...string) string {
	var b strings.Builder
	for i := range rows {
		fmt.Fprintf(&b, "\t\x1b[4mGPU%d", i)
	}
	b.WriteString("\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m\n")
	for i, row := range rows {
		fmt.Fprintf(&b, "GPU%d\t%s\tPXB\t0-47,96-143\t0\t\tN/A\n", i, strings.Join(strings.Fields(row), "\t"))
	}
	b.WriteString("NIC0" + strings.Repeat("\tPXB", len(rows)) + "\t X \t\t\t\t\n\nLegend:\n\n  X    = Self\n  NV#  = Connection traversing a bonded set of # NVLinks\n")
	return b.String()
}

func gpus(n int) (out []berth.Device) {
	for i := range n {
		out = append(out, berth.Device{Name: fmt.Sprintf("gpu%d", i), Type: "h100"})
	}
	return out
}

func linksOf(devices []berth.Device) string {
	var out []string
	for _, d := range devices {
		out = append(out, strings.TrimPrefix(d.Link, "nvlink"))
	}
	return strings.Join(out, " ")
}

func TestLinkDevices(t *testing.T) {
	cube := func(gpu int) string { // of a DGX-1: four around each other, and each with one of the other four
		row := make([]string, 8)
		for i := range row {
			switch {
			case i == gpu:
				row[i] = " X "
			case i/4 == gpu/4 || i%4 == gpu%4:
				row[i] = "NV1"
			default:
				row[i] = "SYS"
			}
		}
		return strings.Join(row, " ")
	}
	tests := []struct {
		name string
		rows []string
		want string
	}{
		{"a switch", []string{"X NV18 NV18", "NV18 X NV18", "NV18 NV18 X"}, "0 0 0"},
		{"pairs with a bridge", []string{"X NV4 SYS SYS", "NV4 X SYS SYS", "SYS SYS X NV4", "SYS SYS NV4 X"}, "0 0 1 1"},
		{"pairs across", []string{"X SYS NV4 SYS", "SYS X SYS NV4", "NV4 SYS X SYS", "SYS NV4 SYS X"}, "0 1 0 1"},
		{"none", []string{"X PHB", "PHB X"}, " "},
		{"one without", []string{"X NV4 SYS", "NV4 X SYS", "SYS SYS X"}, "0 0 "},
		{"not the two ends of a chain", []string{"X NV4 SYS", "NV4 X NV4", "SYS NV4 X"}, "0 0 "},
		{"one says so, and the other not", []string{"X NV4", "SYS X"}, " "},
		{"a cube mesh", []string{cube(0), cube(1), cube(2), cube(3), cube(4), cube(5), cube(6), cube(7)}, "0 0 0 0 1 1 1 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			devices := gpus(len(tt.rows))
			if err := linkDevices(topology(tt.rows...), devices); err != nil {
				t.Fatal(err)
			}
			if got := linksOf(devices); got != tt.want {
				t.Errorf("domains %q, want %q", got, tt.want)
			}
		})
	}
}

// One that is divided has its line, and is not among the devices.
func TestLinkDevices_LeftOut(t *testing.T) {
	devices := gpus(3)[1:]
	if err := linkDevices(topology("X NV4 NV4", "NV4 X NV4", "NV4 NV4 X"), devices); err != nil || linksOf(devices) != "0 0" {
		t.Errorf("%v, domains %q", err, linksOf(devices))
	}
}

func TestLinkDevices_Odd(t *testing.T) {
	good := topology("X NV4", "NV4 X")
	for name, text := range map[string]string{
		"nothing": "", "a failure": "Failed to initialize NVML: Driver/library version mismatch\n", "too few lines": strings.Replace(good, "GPU1\tNV4", "GPX1\tNV4", 1),
		"a short line": "\tGPU0\tGPU1\nGPU0\t X \nGPU1\tNV4\t X \n", "an empty cell": "\tGPU0\tGPU1\nGPU0\t X \t\nGPU1\tNV4\t X \n",
		"twice": good + "GPU0\t X \tNV4\n", "only one": topology("X"), "too long": strings.Repeat(" ", maxTopologyBytes) + good,
	} {
		devices := gpus(2)
		if err := linkDevices(text, devices); err == nil || linksOf(devices) != " " {
			t.Errorf("%s: %v, domains %q", name, err, linksOf(devices))
		}
	}
}

func FuzzLinkDevices(f *testing.F) {
	f.Add(topology("X NV18 NV18", "NV18 X NV18", "NV18 NV18 X"))
	f.Add("\tGPU0\nGPU0\t X \n")
	f.Fuzz(func(t *testing.T, text string) {
		devices := gpus(4)
		if err := linkDevices(text, devices); err != nil && !cmp.Equal(devices, gpus(4)) {
			t.Errorf("%v, and yet %v", err, devices)
		}
		of := map[string]int{}
		for _, d := range devices {
			of[d.Link]++
		}
		for link, n := range of {
			if link != "" && n < 2 {
				t.Errorf("%s has one device", link)
			}
		}
	})
}

// fakeSMI puts a program of that name in front of all others.
func fakeSMI(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, smiProgram), []byte("#!/bin/sh\n"+script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestDevices_Linked(t *testing.T) {
	query := `if [ "$1" != topo ]; then printf '0, NVIDIA H100, 81559, 0:0, Disabled, GPU-aa\n1, NVIDIA H100, 81559, 0:0, Disabled, GPU-bb\n'; exit; fi
`
	fakeSMI(t, query+`printf '\tGPU0\tGPU1\nGPU0\t X \tNV18\nGPU1\tNV18\t X \n'`)
	found, err := Devices(t.Context())
	if err != nil || found.Unlinked != nil || linksOf(found.Devices) != "0 0" || found.UUIDs["gpu1"] != "GPU-bb" {
		t.Errorf("%v: %+v", err, found)
	}
	fakeSMI(t, query+`echo no topology here >&2; exit 3`)
	found, err = Devices(t.Context())
	if err != nil || len(found.Devices) != 2 || found.Unlinked == nil || !strings.Contains(found.Unlinked.Error(), "no topology here") {
		t.Errorf("where nothing is said of links: %v: %+v", err, found)
	}
}
