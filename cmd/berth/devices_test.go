package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestReadDevices(t *testing.T) {
	got, err := readDevices([]byte(`
- {name: gpu1, type: h100, memory_bytes: 85899345920, numa_node: 0, link: rack7}
- name: gpu0
  type: t4
`))
	want := []berth.Device{{Name: "gpu0", Type: "t4"}, {Name: "gpu1", Type: "h100", MemoryBytes: 80 << 30, NUMANode: new(int64), Link: "rack7"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err = readDevices([]byte(`[{"name": "gpu1", "type": "h100", "memory_bytes": 85899345920, "numa_node": 0, "link": "rack7"}]`))
	if diff := cmp.Diff(want[1:], got); diff != "" || err != nil {
		t.Errorf("JSON: %v\n%s", err, diff)
	}
	var out bytes.Buffer
	if err := printDeviceLines(&out, want); err != nil {
		t.Fatal(err)
	}
	lines := `[
  {"name":"gpu0","type":"t4"},
  {"name":"gpu1","type":"h100","memory_bytes":85899345920,"numa_node":0,"link":"rack7"}
]
`
	if diff := cmp.Diff(lines, out.String()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	got, err = readDevices(out.Bytes())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("what is written, read: %v\n%s", err, diff)
	}
	for name, text := range map[string]string{
		"unknown field": "- {name: a, type: t, colour: red}", "no type": "- name: a", "twice": "[{name: a, type: t}, {name: a, type: t}]",
		"negative": "- {name: a, type: t, memory_bytes: -1}", "no list": "name: a",
		"link too long": "- {name: a, type: t, link: " + strings.Repeat("l", 257) + "}",
	} {
		if got, err := readDevices([]byte(text)); err == nil {
			t.Errorf("%s: taken as %v", name, got)
		}
	}
}
