package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

func TestReadDevices(t *testing.T) {
	got, err := readDevices("-", strings.NewReader(`
- {name: gpu1, type: h100, memory_bytes: 85899345920, numa_node: 0, link: rack7, uuid: GPU-8f3e1c2a}
- name: gpu0
  type: t4
`))
	want := worker.Inventory{
		Devices: []berth.Device{{Name: "gpu0", Type: "t4"}, {Name: "gpu1", Type: "h100", MemoryBytes: 80 << 30, NUMANode: new(int64), Link: "rack7"}},
		UUIDs:   map[string]string{"gpu1": "GPU-8f3e1c2a"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err = readDevices("-", strings.NewReader(`[{"name": "gpu1", "type": "h100", "memory_bytes": 85899345920, "numa_node": 0, "link": "rack7", "uuid": "GPU-8f3e1c2a"}]`))
	if diff := cmp.Diff(worker.Inventory{Devices: want.Devices[1:], UUIDs: want.UUIDs}, got); diff != "" || err != nil {
		t.Errorf("JSON: %v\n%s", err, diff)
	}
	var out bytes.Buffer
	if err := printDeviceLines(&out, want); err != nil {
		t.Fatal(err)
	}
	lines := `{"name":"gpu0","type":"t4"}
{"name":"gpu1","type":"h100","memory_bytes":85899345920,"numa_node":0,"link":"rack7","uuid":"GPU-8f3e1c2a"}
`
	if diff := cmp.Diff(lines, out.String()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	got, err = readDevices("-", &out)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("what is written, read: %v\n%s", err, diff)
	}
}

// What is wrong in a file of devices is told with its place, its field and what could stand
// there, all at once; nothing is taken for what it is not.
func TestReadDevices_Bad(t *testing.T) {
	const letters = "allowed: 1 to 128 characters of [a-z0-9._-], the first a letter or digit"
	for name, tt := range map[string]struct{ text, want string }{
		"unknown field":     {"- {name: a, type: t, colour: red}", `-:1:22: field "devices[0].colour" is unknown; devices[0] has: name, type, memory_bytes, numa_node, link, uuid`},
		"no type":           {"- {name: a, type: t}\n- name: b", "-:2:3: devices[1].type is empty; " + letters},
		"twice":             {"- {name: b, type: t}\n- {name: a, type: t}\n- {name: b, type: t}", `-:3:3: devices[2].name "b" stands in line 1 already; allowed: each name once`},
		"capitals":          {"- name: a\n  type: H100", `-:2:9: devices[0].type "H100" has a character that is not allowed; ` + letters},
		"negative":          {"- {name: a, type: t, memory_bytes: -1}", `-:1:36: devices[0].memory_bytes "-1" is negative; allowed: 0 to 1125899906842624`},
		"a unit":            {"- {name: a, type: t, memory_bytes: 80GiB}", `-:1:36: field "devices[0].memory_bytes" is 80GiB; allowed: a whole number of bytes`},
		"beyond 64 bits":    {"- {name: a, type: t, memory_bytes: 9223372036854775808}", `-:1:36: devices[0].memory_bytes "9223372036854775808" is out of range; allowed: 0 to 1125899906842624`},
		"beyond all":        {"- {name: a, type: t, memory_bytes: 99999999999999999999}", `-:1:36: field "devices[0].memory_bytes" is 99999999999999999999; allowed: 0 to 1125899906842624`},
		"half a node":       {"- {name: a, type: t, numa_node: 0.5}", `-:1:33: field "devices[0].numa_node" is 0.5; allowed: a whole number`},
		"no such node":      {"- {name: a, type: t, numa_node: 5000}", `-:1:33: devices[0].numa_node "5000" is too large; allowed: 0 to 1023`},
		"link too long":     {"- {name: a, type: t, link: " + strings.Repeat("l", 257) + "}", "-:1:28: devices[0].link "},
		"no UUID":           {"- {name: a, type: t, uuid: '0'}", `-:1:28: devices[0].uuid "0" is not allowed; allowed: as nvidia-smi -L has it`},
		"two UUIDs":         {"- {name: a, type: t, uuid: 'GPU-a,GPU-b'}", `-:1:28: devices[0].uuid "GPU-a,GPU-b" is not allowed`},
		"a UUID twice":      {"- {name: a, type: t, uuid: GPU-a}\n- {name: b, type: t, uuid: GPU-a}", `-:2:3: devices[1].uuid "GPU-a" stands in line 1 already; allowed: each UUID once`},
		"number for a name": {"- {name: 5, type: t}", `-:1:10: field "devices[0].name" is 5; allowed: a string (quote it)`},
		"all at once":       {"- {name: 5, type: t}\n- null", "\n-:2:3: devices[1] is no mapping"},
		"no type of one":    {"name: a", "devices[0].type is empty"},
		"no device":         {"a", "-:1:1: devices[0] is no mapping"},
		"names alone":       {"- a", "-:1:3: devices[0] is no mapping; allowed: a mapping: {name: gpu0, type: h100}"},
		"in a second list":  {"- {name: a, type: t}\n---\n- {name: a, type: t}", `-:3:3: devices[1].name "a" stands in line 1 already`},
		"in a second line":  {`{"name": "a", "type": "t"}` + "\n" + `{"name": "a", "type": "t"}`, `-:2:1: devices[1].name "a" stands in line 1 already`},
		"too many":          {strings.Repeat("- {name: a, type: t}\n", 257), "-:257:3: holds too many devices; allowed: at most 256"},
		"no YAML":           {"- name: a\n type: t", "-:2:2: "},
		"noise":             {"\x00\xff\x1b[31m", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readDevices("-", strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v %v\nwant %q", got, err, tt.want)
			}
		})
	}
	if _, err := readDevices("/no/such/file", nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// What nvidia-smi finds is shown with its UUIDs; of links it is told why none is known.
func TestDevices_Found(t *testing.T) {
	dir := t.TempDir()
	script := `#!/bin/sh
if [ "$1" = topo ]; then printf '\tGPU0\tGPU1\nGPU0\t X \tNV4\nGPU1\tNV4\t X \n'; exit; fi
printf '0, NVIDIA L40S, 46068, FFFFFFFF:00:00.0, [N/A], GPU-aa\n1, NVIDIA L40S, 46068, FFFFFFFF:00:01.0, [N/A], GPU-bb\n'
`
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s := &shell{t: t}
	table := s.want(exitGood, "UUID", "devices", "--name", "w")
	for _, want := range []string{"w.nvlink0", "GPU-aa", "GPU-bb"} {
		if !strings.Contains(table.out, want) {
			t.Errorf("nothing of %s in\n%s", want, table.out)
		}
	}
	s.want(exitGood, "as if none were linked: it is not known on which NUMA node any of them is", "devices", "--link-by", "numa")
}

func FuzzReadDevices(f *testing.F) {
	f.Add("- {name: a, type: t, memory_bytes: 1, numa_node: 0, link: l, uuid: GPU-a}")
	f.Add(`[{"name": "a", "type": "t"}]`)
	f.Add("- &x {name: a, type: t}\n- *x\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readDevices("-", strings.NewReader(text))
		if err != nil {
			return
		}
		if err := (berth.Capacity{Devices: got.Devices}).Validate(); err != nil {
			t.Errorf("taken: %v", err)
		}
		var out bytes.Buffer
		if err := printDeviceLines(&out, got); err != nil {
			t.Fatal(err)
		}
		again, err := readDevices("-", &out)
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("what is written, read: %v\n%s", err, diff)
		}
	})
}
